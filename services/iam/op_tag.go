package iam

import (
	"context"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

func (s *Service) tag(ctx context.Context, c *service.Call, k kind, name string, set []api.Tag, remove []string) error {
	return s.store.change(ctx, c.Account, k, name, func(_ *kv.Tx, e *entity) error {
		tags, err := mergeTags(e.Tags, set)
		if err != nil {
			return err
		}
		for _, key := range remove {
			delete(tags, key)
		}
		e.Tags = tags
		return nil
	})
}

func (s *Service) tagged(ctx context.Context, c *service.Call, k kind, name string, marker *string, max *int32) ([]api.Tag, *string, error) {
	e, err := s.store.entity(ctx, c.Account, k, name)
	if err != nil {
		return nil, nil, err
	}
	return pageInOrder(tagList(e.Tags), marker, max)
}

func (s *Service) tagUser(ctx context.Context, c *service.Call, in *api.TagUserInput) (*api.TagUserOutput, error) {
	return nil, s.tag(ctx, c, user, *in.UserName, in.Tags, nil)
}

func (s *Service) untagUser(ctx context.Context, c *service.Call, in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	return nil, s.tag(ctx, c, user, *in.UserName, nil, in.TagKeys)
}

func (s *Service) listUserTags(ctx context.Context, c *service.Call, in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	tags, marker, err := s.tagged(ctx, c, user, *in.UserName, in.Marker, in.MaxItems)
	return &api.ListUserTagsOutput{Tags: tags, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) tagRole(ctx context.Context, c *service.Call, in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	return nil, s.tag(ctx, c, role, *in.RoleName, in.Tags, nil)
}

func (s *Service) untagRole(ctx context.Context, c *service.Call, in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	return nil, s.tag(ctx, c, role, *in.RoleName, nil, in.TagKeys)
}

func (s *Service) listRoleTags(ctx context.Context, c *service.Call, in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	tags, marker, err := s.tagged(ctx, c, role, *in.RoleName, in.Marker, in.MaxItems)
	return &api.ListRoleTagsOutput{Tags: tags, Marker: marker, IsTruncated: new(marker != nil)}, err
}

func (s *Service) tagPolicy(ctx context.Context, c *service.Call, in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	return nil, s.changeTags(ctx, c, *in.PolicyArn, in.Tags, nil)
}

func (s *Service) untagPolicy(ctx context.Context, c *service.Call, in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	return nil, s.changeTags(ctx, c, *in.PolicyArn, nil, in.TagKeys)
}

func (s *Service) changeTags(ctx context.Context, c *service.Call, policyARN string, set []api.Tag, remove []string) error {
	return s.store.changeManaged(ctx, c.Account, policyARN, func(_ *kv.Tx, m *managed) error {
		tags, err := mergeTags(m.Tags, set)
		if err != nil {
			return err
		}
		for _, key := range remove {
			delete(tags, key)
		}
		m.Tags = tags
		return nil
	})
}

func (s *Service) listPolicyTags(ctx context.Context, c *service.Call, in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	m, err := s.findManaged(ctx, c.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	tags, marker, err := pageInOrder(tagList(m.Tags), in.Marker, in.MaxItems)
	return &api.ListPolicyTagsOutput{Tags: tags, Marker: marker, IsTruncated: new(marker != nil)}, err
}
