package run

import (
	"context"
	"errors"
	"strings"

	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/fn"
)

// ServicePrincipal is who assumes functions' roles.
const ServicePrincipal = "lambda.amazonaws.com"

// Assume makes a session of a function's role (L5).
func (e *Engine) Assume(ctx context.Context, c *service.Call, r fn.Ref, role string) (service.Session, error) {
	as := c.As(identity.Service(ServicePrincipal, r.Account, r.Unqualified().ARN()))
	ses, err := as.AssumeRole(ctx, service.Assume{RoleARN: role, SessionName: r.Name, Duration: sessionDuration})
	if err != nil {
		if fn.IsFault(err) {
			return ses, fn.Invalid("The role defined for the function cannot be assumed by Lambda.")
		}
		return ses, err
	}
	return ses, nil
}

// Resolve finds what runs a runtime identifier, or the fault that says why
// nothing does.
func (e *Engine) Resolve(identifier string) (runtimes.Choice, error) {
	c, err := e.host.Resolve(identifier)
	var unknown *runtimes.UnknownError
	var missing *runtimes.MissingError
	switch {
	case errors.As(err, &unknown):
		return c, UnknownRuntime(identifier)
	case errors.As(err, &missing):
		return c, fn.Invalid("moln cannot run %s here: %s.", identifier, missing.Need)
	}
	return c, err
}

// UnknownRuntime is the fault for an identifier that AWS never had.
func UnknownRuntime(id string) error {
	return fn.Invalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", id, strings.Join(runtimes.Known(), ", "))
}
