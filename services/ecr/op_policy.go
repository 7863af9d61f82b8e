package ecr

import (
	"context"
	"errors"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

func (s *Service) setRepositoryPolicy(ctx context.Context, c *service.Call, in *api.SetRepositoryPolicyInput) (*api.SetRepositoryPolicyOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse([]byte(*in.PolicyText), policy.ResourceImplied)
	if _, bad := errors.AsType[*policy.Malformed](err); bad {
		return nil, invalidParameter("PolicyText", "Invalid repository policy provided")
	}
	if err != nil {
		return nil, err
	}
	if !smithy.Val(in.Force) {
		err := c.Judge(ctx, service.Check{
			Action: "ecr:SetRepositoryPolicy", Resource: repositoryARN(r.at, r.Name), Account: r.at.account, Context: r.conditionKeys(), Policy: p.Named("new repository policy"),
			Fault: func(policy.Decision) error {
				return invalidParameter("PolicyText", "The new policy would not let you set the policy again; use force to set it nevertheless")
			},
		})
		if err != nil {
			return nil, err
		}
	}
	err = s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		r.Policy = *in.PolicyText
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.SetRepositoryPolicyOutput{RegistryId: &r.at.account, RepositoryName: &r.Name, PolicyText: in.PolicyText}, nil
}

func noPolicy(r *repository) error {
	return api.ErrRepositoryPolicyNotFoundException("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", r.Name, r.at.account)
}

func (s *Service) getRepositoryPolicy(ctx context.Context, c *service.Call, in *api.GetRepositoryPolicyInput) (*api.GetRepositoryPolicyOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if r.Policy == "" {
		return nil, noPolicy(r)
	}
	return &api.GetRepositoryPolicyOutput{RegistryId: &r.at.account, RepositoryName: &r.Name, PolicyText: &r.Policy}, nil
}

func (s *Service) deleteRepositoryPolicy(ctx context.Context, c *service.Call, in *api.DeleteRepositoryPolicyInput) (*api.DeleteRepositoryPolicyOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteRepositoryPolicyOutput{RegistryId: &r.at.account, RepositoryName: &r.Name}
	err = s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		if r.Policy == "" {
			return noPolicy(r)
		}
		out.PolicyText, r.Policy = new(r.Policy), ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
