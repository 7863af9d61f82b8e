package lambda

import (
	"context"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/services/lambda/fn"
)

// urlKeys gives what conditions may ask about a request on function URLs: the
// function, and how the URL authenticates, as it is where the request does not
// say how it shall be.
func (s *Service) urlKeys(ctx context.Context, keys policy.Keys, r fn.Ref, in any) error {
	var authType *string
	switch in := in.(type) {
	case *api.CreateFunctionUrlConfigInput:
		authType = in.AuthType
	case *api.UpdateFunctionUrlConfigInput:
		authType = in.AuthType
	case *api.GetFunctionUrlConfigInput, *api.DeleteFunctionUrlConfigInput, *api.ListFunctionUrlConfigsInput:
	default:
		return nil
	}
	keys["lambda:functionarn"] = []string{r.ARN()}
	if authType == nil {
		u, ok, err := s.store.URL(ctx, r)
		if err != nil || !ok {
			return err
		}
		authType = &u.AuthType
	}
	keys["lambda:functionurlauthtype"] = []string{*authType}
	return nil
}
