package ecr

import (
	"context"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// Service answers for a registry without repositories.
type Service struct{}

// New makes the service.
func New(service.Deps) *Service { return &Service{} }

// Definition describes the service.
func (s *Service) Definition() service.Definition {
	return service.Definition{Schema: &api.Schema, Operations: table().Bind(s), Authorize: s.authorize}
}

func (s *Service) authorize(_ context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	resource := arn.ARN{Partition: "aws", Service: "ecr", Region: c.Region, Account: c.Account, Resource: "repository/"}
	checks := []service.Check{}
	for _, a := range op.Actions {
		d, ok := in.(*api.DescribeRepositoriesInput)
		if !ok || len(d.RepositoryNames) == 0 {
			checks = append(checks, service.Check{Action: a, Resource: resource.String() + "*"})
			continue
		}
		for _, name := range d.RepositoryNames {
			checks = append(checks, service.Check{Action: a, Resource: resource.String() + name})
		}
	}
	return checks, nil
}

func (s *Service) describeRepositories(_ context.Context, c *service.Call, in *api.DescribeRepositoriesInput) (*api.DescribeRepositoriesOutput, error) {
	if len(in.RepositoryNames) > 0 {
		return nil, api.ErrRepositoryNotFoundException("The repository with name '%s' does not exist in the registry with id '%s'", in.RepositoryNames[0], c.Account)
	}
	return &api.DescribeRepositoriesOutput{Repositories: []api.Repository{}}, nil
}
