package lambda

import (
	"context"
	"encoding/json"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// policyRef is the function, version or alias that a policy is for.
func policyRef(c *service.Call, name, qualifier *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, name, qualifier)
	if err == nil && r.Qualifier == fn.Latest {
		err = fn.Invalid("We currently do not support adding policies for $LATEST.")
	}
	return r, err
}

func (s *Service) addPermission(ctx context.Context, c *service.Call, in *api.AddPermissionInput) (*api.AddPermissionOutput, error) {
	r, err := policyRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	st, err := fn.StatementOf(r, in)
	if err != nil {
		return nil, err
	}
	err = fn.ChangeAt(ctx, s.store, r, r.PolicyKey(r.Name, r.Qualifier), func(p fn.ResourcePolicy, _ bool, get fn.Getter) (*fn.ResourcePolicy, error) {
		if ok, err := fn.Exists(get, r); err != nil || !ok {
			if err == nil {
				err = fn.NotFound(r.ARN())
			}
			return nil, err
		}
		if smithy.Val(in.RevisionId) != "" && *in.RevisionId != p.Revision {
			return nil, fn.StaleRevision()
		}
		if err := p.Add(st); err != nil {
			return nil, err
		}
		p.Revision = s.deps.Ident.UUID()
		return &p, nil
	})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st)
	return &api.AddPermissionOutput{Statement: new(string(text))}, err
}

func (s *Service) removePermission(ctx context.Context, c *service.Call, in *api.RemovePermissionInput) (*api.RemovePermissionOutput, error) {
	r, err := policyRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, fn.ChangeAt(ctx, s.store, r, r.PolicyKey(r.Name, r.Qualifier), func(p fn.ResourcePolicy, ok bool, _ fn.Getter) (*fn.ResourcePolicy, error) {
		if !ok {
			return nil, fn.NoResource("No policy is associated with the given resource.")
		}
		if smithy.Val(in.RevisionId) != "" && *in.RevisionId != p.Revision {
			return nil, fn.StaleRevision()
		}
		if err := p.Remove(*in.StatementId); err != nil || len(p.Statements) == 0 {
			return nil, err
		}
		p.Revision = s.deps.Ident.UUID()
		return &p, nil
	})
}

func (s *Service) getPolicy(ctx context.Context, c *service.Call, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	r, err := fn.RefOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	p, ok, err := s.store.Policy(ctx, r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fn.NoResource("The resource you requested does not exist.")
	}
	doc, err := p.Document()
	return &api.GetPolicyOutput{Policy: new(string(doc)), RevisionId: new(p.Revision)}, err
}
