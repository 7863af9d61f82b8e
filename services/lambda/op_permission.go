package lambda

import (
	"context"
	"encoding/json"
	"slices"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// policyRef is the function, version or alias that a policy is for.
func policyRef(c *service.Call, name, qualifier *string) (ref, error) {
	r, err := refOf(c, name, qualifier)
	if err == nil && r.qualifier == latest {
		err = invalid("We currently do not support adding policies for $LATEST.")
	}
	return r, err
}

func (s *Service) addPermission(ctx context.Context, c *service.Call, in *api.AddPermissionInput) (*api.AddPermissionOutput, error) {
	r, err := policyRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	st, err := statementOf(r, in)
	if err != nil {
		return nil, err
	}
	err = changeAt(ctx, s.store, r, r.policyKey(r.name, r.qualifier), func(p resourcePolicy, _ bool, get getter) (*resourcePolicy, error) {
		if ok, err := exists(get, r); err != nil || !ok {
			if err == nil {
				err = notFound(r.arn())
			}
			return nil, err
		}
		if smithy.Val(in.RevisionId) != "" && *in.RevisionId != p.Revision {
			return nil, staleRevision()
		}
		if err := p.add(st); err != nil {
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
	return nil, changeAt(ctx, s.store, r, r.policyKey(r.name, r.qualifier), func(p resourcePolicy, ok bool, _ getter) (*resourcePolicy, error) {
		if !ok {
			return nil, noResource("No policy is associated with the given resource.")
		}
		if smithy.Val(in.RevisionId) != "" && *in.RevisionId != p.Revision {
			return nil, staleRevision()
		}
		i := p.index(*in.StatementId)
		if i < 0 {
			return nil, noResource("Statement %s is not found in resource policy.", *in.StatementId)
		}
		p.Statements = slices.Delete(slices.Clone(p.Statements), i, i+1)
		if len(p.Statements) == 0 {
			return nil, nil
		}
		p.Revision = s.deps.Ident.UUID()
		return &p, nil
	})
}

func (s *Service) getPolicy(ctx context.Context, c *service.Call, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.function(ctx, r); err != nil {
		return nil, err
	}
	p, ok, err := s.store.policy(ctx, r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noResource("The resource you requested does not exist.")
	}
	doc, err := p.document()
	return &api.GetPolicyOutput{Policy: new(string(doc)), RevisionId: new(p.Revision)}, err
}
