package lambda

import (
	"context"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// resourceRef is what the ARN of a policy operation names.
func resourceRef(c *service.Call, arn *string) (fn.Ref, error) {
	if !strings.HasPrefix(smithy.Val(arn), "arn:") {
		return fn.Ref{}, fn.Invalid("1 validation error detected: Value '%s' at 'resourceArn' failed to satisfy constraint: Member must be the ARN of a function", smithy.Val(arn))
	}
	return policyRef(c, arn, nil)
}

func noResourcePolicy() error { return fn.NoResource("The resource you requested does not exist.") }

// changePolicy stores what decide makes of the policy at r, which must be there.
func (s *Service) changePolicy(ctx context.Context, r fn.Ref, revision *string, decide func(p fn.ResourcePolicy, ok bool) (*fn.ResourcePolicy, error)) error {
	return fn.ChangeAt(ctx, s.store, r, r.PolicyKey(r.Name, r.Qualifier), func(p fn.ResourcePolicy, ok bool, get fn.Getter) (*fn.ResourcePolicy, error) {
		if there, err := fn.Exists(get, r); err != nil || !there {
			if err == nil {
				err = fn.NotFound(r.ARN())
			}
			return nil, err
		}
		if smithy.Val(revision) != "" && *revision != p.Revision {
			return nil, fn.StaleRevision()
		}
		return decide(p, ok)
	})
}

// putResourcePolicy replaces the whole policy, with what AddPermission put there.
func (s *Service) putResourcePolicy(ctx context.Context, c *service.Call, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	r, err := resourceRef(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	p, err := fn.ParsePolicy(r, *in.Policy)
	if err != nil {
		return nil, err
	}
	p.Revision = s.deps.Ident.UUID()
	if err := s.changePolicy(ctx, r, in.RevisionId, func(fn.ResourcePolicy, bool) (*fn.ResourcePolicy, error) { return p, nil }); err != nil {
		return nil, err
	}
	doc, err := p.Document()
	return &api.PutResourcePolicyOutput{Policy: new(string(doc)), RevisionId: &p.Revision}, err
}

func (s *Service) getResourcePolicy(ctx context.Context, c *service.Call, in *api.GetResourcePolicyInput) (*api.GetResourcePolicyOutput, error) {
	if _, err := resourceRef(c, in.ResourceArn); err != nil {
		return nil, err
	}
	out, err := s.getPolicy(ctx, c, &api.GetPolicyInput{FunctionName: in.ResourceArn})
	if err != nil {
		return nil, err
	}
	return &api.GetResourcePolicyOutput{Policy: out.Policy, RevisionId: out.RevisionId}, nil
}

func (s *Service) deleteResourcePolicy(ctx context.Context, c *service.Call, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	r, err := resourceRef(c, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, r, in.RevisionId, func(_ fn.ResourcePolicy, ok bool) (*fn.ResourcePolicy, error) {
		if !ok {
			return nil, noResourcePolicy()
		}
		return nil, nil
	})
}
