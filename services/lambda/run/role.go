package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

func (e *Engine) sealPurpose(r fn.Ref) string {
	return fmt.Sprintf("lambda/environment/%s/%s/%s", r.Account, r.Region, r.Name)
}

// SealEnv makes variables unreadable at rest (L2); none are nil.
func (e *Engine) SealEnv(r fn.Ref, vars map[string]string) ([]byte, error) {
	if len(vars) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(vars)
	if err != nil {
		return nil, err
	}
	return e.deps.Seal.Seal(e.sealPurpose(r), raw), nil
}

// OpenEnv returns the variables of a version, nil for none.
func (e *Engine) OpenEnv(r fn.Ref, g *fn.Config) (map[string]string, error) {
	if g.Env == nil {
		return nil, nil
	}
	raw, err := e.deps.Seal.Open(e.sealPurpose(r), g.Env)
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", r.Name, err)
	}
	vars := map[string]string{}
	return vars, json.Unmarshal(raw, &vars)
}
