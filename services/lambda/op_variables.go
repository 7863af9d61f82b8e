package lambda

import (
	"context"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// setVariables gives a version the variables and the KMS key of a request, and
// its role the use of that key. What a new key is to keep is read as the caller.
func (s *Service) setVariables(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config, to settings) error {
	moved := to.kmsKey != nil && *to.kmsKey != g.KMSKey
	given := to.environment != nil && to.environment.Variables != nil
	if !given && !moved {
		if to.role == nil {
			return nil
		}
		return s.variables.Grant(ctx, c, r, g)
	}
	var vars map[string]string
	if given {
		vars = to.environment.Variables
	} else if have, refused, err := s.variables.Shown(ctx, c, r, g); err != nil {
		return err
	} else if refused != nil {
		return fn.Invalid("%s", *refused.Message)
	} else {
		vars = have
	}
	set(&g.KMSKey, to.kmsKey)
	if err := s.variables.Put(ctx, c, r, g, vars); err != nil {
		return err
	}
	return s.variables.Grant(ctx, c, r, g)
}
