package ecr

import (
	"context"
	"time"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/ecr/lifecycle"
)

func (s *Service) putLifecyclePolicy(ctx context.Context, c *service.Call, in *api.PutLifecyclePolicyInput) (*api.PutLifecyclePolicyOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if _, err := lifecycle.Parse(*in.LifecyclePolicyText); err != nil {
		return nil, invalidParameter("LifecyclePolicyText", "Lifecycle policy validation failure: "+err.Error())
	}
	err = s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		r.Lifecycle, r.Evaluated = *in.LifecyclePolicyText, time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutLifecyclePolicyOutput{RegistryId: &r.at.account, RepositoryName: &r.Name, LifecyclePolicyText: in.LifecyclePolicyText}, nil
}

func noLifecycle(r *repository) error {
	return api.ErrLifecyclePolicyNotFoundException("Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", r.Name, r.at.account)
}

// evaluated is when a policy was carried out last; nil: not yet.
func (r *repository) evaluated() *time.Time {
	if r.Evaluated.IsZero() {
		return nil
	}
	return &r.Evaluated
}

func (s *Service) getLifecyclePolicy(ctx context.Context, c *service.Call, in *api.GetLifecyclePolicyInput) (*api.GetLifecyclePolicyOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if r.Lifecycle == "" {
		return nil, noLifecycle(r)
	}
	return &api.GetLifecyclePolicyOutput{RegistryId: &r.at.account, RepositoryName: &r.Name, LifecyclePolicyText: &r.Lifecycle, LastEvaluatedAt: r.evaluated()}, nil
}

func (s *Service) deleteLifecyclePolicy(ctx context.Context, c *service.Call, in *api.DeleteLifecyclePolicyInput) (*api.DeleteLifecyclePolicyOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteLifecyclePolicyOutput{RegistryId: &r.at.account, RepositoryName: &r.Name}
	err = s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		if r.Lifecycle == "" {
			return noLifecycle(r)
		}
		out.LifecyclePolicyText, out.LastEvaluatedAt = new(r.Lifecycle), r.evaluated()
		r.Lifecycle, r.Evaluated = "", time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// expire carries out a repository's lifecycle policy.
func (s *Service) expire(ctx context.Context, r *repository, now time.Time) error {
	p, err := lifecycle.Parse(r.Lifecycle)
	if err != nil {
		return err // it was checked when it was stored
	}
	list, err := s.store.images(ctx, r, "", 0)
	if err != nil {
		return err
	}
	var images []lifecycle.Image
	for _, i := range list {
		if len(i.Parents) == 0 { // what is part of an index goes after it
			images = append(images, lifecycle.Image{Digest: i.Digest, Tags: i.Tags, Pushed: i.Pushed, Pulled: i.Pulled})
		}
	}
	for _, gone := range p.Judge(images, now) {
		if _, err := s.store.deleteImage(ctx, r, gone.Digest, ""); err != nil && !isGone(err) {
			return err
		}
	}
	return s.store.change(ctx, r, func(_ *kv.Tx, r *repository) error {
		r.Evaluated = now
		return nil
	})
}
