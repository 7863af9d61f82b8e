package sts

import (
	"context"

	api "moln.dev/moln/api/sts"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// Service answers sts requests, resolves temporary keys and opens role sessions
// for other services. Safe for concurrent use.
type Service struct {
	deps  service.Deps
	roles identity.Roles
	web   []service.WebTokens
}

// New makes the service. roles is where roles are found (the iam service), web
// who knows tokens from outside IAM.
func New(d service.Deps, roles identity.Roles, web ...service.WebTokens) *Service {
	return &Service{deps: d, roles: roles, web: web}
}

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{
		Schema: &api.Schema, Operations: table.Bind(s), Authorize: s.authorize,
	}
}

// authorize: whoever can sign may ask who he is. AssumeRole is judged against
// the role's trust policy by the handler, which is the one to load the role.
func (s *Service) authorize(context.Context, *service.Call, *smithy.Operation, any) ([]service.Check, error) {
	return nil, nil
}

var (
	_ identity.Keys   = (*Service)(nil)
	_ service.Assumer = (*Service)(nil)
)
