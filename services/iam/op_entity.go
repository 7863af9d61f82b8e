package iam

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/iam"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// made gives a new entity its id and checks what all kinds share.
func (s *Service) made(c *service.Call, k kind, name, path *string, tags []api.Tag) (entity, error) {
	e := entity{Name: smithy.Val(name), Path: orRoot(path), ID: k.idPrefix() + s.deps.Ident.Upper32(17), Created: c.Now.UTC().Truncate(time.Second)}
	if err := checkName(e.Name, e.Path); err != nil {
		return e, err
	}
	var err error
	e.Tags, err = mergeTags(nil, tags)
	return e, err
}

func (s *Service) createUser(ctx context.Context, c *service.Call, in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	e, err := s.made(c, user, in.UserName, in.Path, in.Tags)
	if err != nil {
		return nil, err
	}
	if e.Boundary, err = s.boundary(ctx, c, in.PermissionsBoundary); err != nil {
		return nil, err
	}
	if err := s.store.create(ctx, c.Account, user, e); err != nil {
		return nil, err
	}
	return &api.CreateUserOutput{User: new(userOf(c, e))}, nil
}

func (s *Service) createGroup(ctx context.Context, c *service.Call, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	e, err := s.made(c, group, in.GroupName, in.Path, nil)
	if err != nil {
		return nil, err
	}
	if err := s.store.create(ctx, c.Account, group, e); err != nil {
		return nil, err
	}
	return &api.CreateGroupOutput{Group: new(groupOf(c, e))}, nil
}

func (s *Service) createRole(ctx context.Context, c *service.Call, in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	e, err := s.made(c, role, in.RoleName, in.Path, in.Tags)
	if err != nil {
		return nil, err
	}
	e.Trust, e.Description = *in.AssumeRolePolicyDocument, smithy.Val(in.Description)
	if e.MaxSession = smithy.Val(in.MaxSessionDuration); e.MaxSession == 0 {
		e.MaxSession = maxSessionDefault
	}
	if err := checkTrust(e.Trust); err != nil {
		return nil, err
	}
	if e.Boundary, err = s.boundary(ctx, c, in.PermissionsBoundary); err != nil {
		return nil, err
	}
	if err := s.store.create(ctx, c.Account, role, e); err != nil {
		return nil, err
	}
	return &api.CreateRoleOutput{Role: new(roleOf(c, e))}, nil
}

func checkTrust(doc string) error {
	if policySize(doc) > trustBytes {
		return api.ErrLimitExceededException("Cannot exceed quota for ACLSizePerRole: %d", trustBytes)
	}
	return checkDocument(doc, policy.Trust)
}

// boundary checks that the policy of a permissions boundary exists.
func (s *Service) boundary(ctx context.Context, c *service.Call, policyARN *string) (string, error) {
	if policyARN == nil {
		return "", nil
	}
	return *policyARN, attachable(s.store.now(ctx), c.Account, *policyARN)
}

func (s *Service) getUser(ctx context.Context, c *service.Call, in *api.GetUserInput) (*api.GetUserOutput, error) {
	if in.UserName == nil && c.Caller.Kind == policy.Root {
		return &api.GetUserOutput{User: &api.User{Arn: new(c.Caller.ARN), UserId: new(c.Caller.UserID), UserName: new("root"), Path: new("/"), CreateDate: &rootCreated}}, nil
	}
	name, err := callerOr(c, in.UserName)
	if err != nil {
		return nil, err
	}
	e, err := s.store.entity(ctx, c.Account, user, name)
	if err != nil {
		return nil, err
	}
	return &api.GetUserOutput{User: new(userOf(c, e))}, nil
}

// callerOr is the named user, or the user who asks.
func callerOr(c *service.Call, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	if c.Caller.UserName == "" {
		return "", invalid("Must specify userName when calling with non-User credentials")
	}
	return c.Caller.UserName, nil
}

func (s *Service) getRole(ctx context.Context, c *service.Call, in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	e, err := s.store.entity(ctx, c.Account, role, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.GetRoleOutput{Role: new(roleOf(c, e))}, nil
}

func (s *Service) getGroup(ctx context.Context, c *service.Call, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	e, err := s.store.entity(ctx, c.Account, group, *in.GroupName)
	if err != nil {
		return nil, err
	}
	users, err := all[entity](ctx, s.store, c.Account, string(user))
	if err != nil {
		return nil, err
	}
	users = slices.DeleteFunc(users, func(u entity) bool { return !slices.Contains(u.Groups, e.Name) })
	page, marker, err := pageOf(users, entityName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.GetGroupOutput{Group: new(groupOf(c, e)), Users: []api.User{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, u := range page {
		out.Users = append(out.Users, userOf(c, u))
	}
	return out, nil
}

func (s *Service) listUsers(ctx context.Context, c *service.Call, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	page, marker, err := s.listed(ctx, c, user, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListUsersOutput{Users: []api.User{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, e := range page {
		out.Users = append(out.Users, userOf(c, e))
	}
	return out, nil
}

func (s *Service) listRoles(ctx context.Context, c *service.Call, in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	page, marker, err := s.listed(ctx, c, role, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListRolesOutput{Roles: []api.Role{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, e := range page {
		r := roleOf(c, e)
		r.Tags = nil // ListRoles leaves them out
		out.Roles = append(out.Roles, r)
	}
	return out, nil
}

func (s *Service) listGroups(ctx context.Context, c *service.Call, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	page, marker, err := s.listed(ctx, c, group, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupsOutput{Groups: []api.Group{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, e := range page {
		out.Groups = append(out.Groups, groupOf(c, e))
	}
	return out, nil
}

func (s *Service) listGroupsForUser(ctx context.Context, c *service.Call, in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	u, err := s.store.entity(ctx, c.Account, user, *in.UserName)
	if err != nil {
		return nil, err
	}
	names, marker, err := pageOf(slices.Clone(u.Groups), strings.ToLower, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupsForUserOutput{Groups: []api.Group{}, Marker: marker, IsTruncated: new(marker != nil)}
	for _, name := range names {
		g, err := s.store.entity(ctx, c.Account, group, name)
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, groupOf(c, g))
	}
	return out, nil
}

func (s *Service) listed(ctx context.Context, c *service.Call, k kind, prefix, marker *string, max *int32) ([]entity, *string, error) {
	found, err := all[entity](ctx, s.store, c.Account, string(k))
	if err != nil {
		return nil, nil, err
	}
	found = slices.DeleteFunc(found, func(e entity) bool { return !strings.HasPrefix(e.Path, smithy.Val(prefix)) })
	return pageOf(found, entityName, marker, max)
}

func entityName(e entity) string { return strings.ToLower(e.Name) }

// pageOf cuts a page out of a list ordered by name. Markers are names.
func pageOf[T any](list []T, name func(T) string, marker *string, max *int32) ([]T, *string, error) {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
	if marker != nil {
		i, _ := slices.BinarySearchFunc(list, *marker, func(v T, m string) int { return cmp.Compare(name(v), m) })
		list = list[i:]
	}
	n := int(smithy.Val(max))
	if n == 0 {
		n = pageDefault
	}
	if len(list) <= n {
		return list, nil, nil
	}
	return list[:n], new(name(list[n])), nil
}

// pageInOrder cuts a page out of a list whose order says more than names do.
// Markers are places.
func pageInOrder[T any](list []T, marker *string, max *int32) ([]T, *string, error) {
	start := 0
	if marker != nil {
		var err error
		if start, err = strconv.Atoi(*marker); err != nil || start < 0 || start > len(list) {
			return nil, nil, invalid("Invalid Marker.")
		}
	}
	n := int(smithy.Val(max))
	if n == 0 {
		n = pageDefault
	}
	if end := start + n; end < len(list) {
		return list[start:end], new(strconv.Itoa(end)), nil
	}
	return list[start:], nil, nil
}

func (s *Service) deleteUser(ctx context.Context, c *service.Call, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	return nil, s.store.remove(ctx, c.Account, user, *in.UserName, func(_ *kv.Tx, e *entity) error {
		switch {
		case len(e.Keys) > 0:
			return api.ErrDeleteConflictException("Cannot delete entity, must delete access keys first.")
		case len(e.Groups) > 0:
			return api.ErrDeleteConflictException("Cannot delete entity, must remove users from group first.")
		}
		return bare(e)
	})
}

func (s *Service) deleteRole(ctx context.Context, c *service.Call, in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	profiles, err := all[entity](ctx, s.store, c.Account, string(profile))
	if err != nil {
		return nil, err
	}
	for _, p := range profiles {
		if slices.Contains(p.Roles, *in.RoleName) {
			return nil, api.ErrDeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
		}
	}
	return nil, s.store.remove(ctx, c.Account, role, *in.RoleName, func(_ *kv.Tx, e *entity) error { return bare(e) })
}

func (s *Service) deleteGroup(ctx context.Context, c *service.Call, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	return nil, s.store.remove(ctx, c.Account, group, *in.GroupName, func(tx *kv.Tx, e *entity) error {
		users, err := within[entity](tx, c.Account, string(user))
		if err != nil {
			return err
		}
		for _, u := range users {
			if slices.Contains(u.Groups, e.Name) {
				return api.ErrDeleteConflictException("Cannot delete entity, must remove users from group first.")
			}
		}
		return bare(e)
	})
}

// bare refuses entities that policies still hang on.
func bare(e *entity) error {
	switch {
	case len(e.Attached) > 0:
		return api.ErrDeleteConflictException("Cannot delete entity, must detach all policies first.")
	case len(e.Inline) > 0:
		return api.ErrDeleteConflictException("Cannot delete entity, must delete policies first.")
	}
	return nil
}

func (s *Service) updateRole(ctx context.Context, c *service.Call, in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	return &api.UpdateRoleOutput{}, s.store.change(ctx, c.Account, role, *in.RoleName, func(_ *kv.Tx, e *entity) error {
		if in.Description != nil {
			e.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			e.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
}

func (s *Service) updateRoleDescription(ctx context.Context, c *service.Call, in *api.UpdateRoleDescriptionInput) (*api.UpdateRoleDescriptionOutput, error) {
	out := &api.UpdateRoleDescriptionOutput{}
	return out, s.store.change(ctx, c.Account, role, *in.RoleName, func(_ *kv.Tx, e *entity) error {
		e.Description = *in.Description
		out.Role = new(roleOf(c, *e))
		return nil
	})
}

func (s *Service) updateAssumeRolePolicy(ctx context.Context, c *service.Call, in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	if err := checkTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, s.store.change(ctx, c.Account, role, *in.RoleName, func(_ *kv.Tx, e *entity) error {
		e.Trust = *in.PolicyDocument
		return nil
	})
}

func (s *Service) addUserToGroup(ctx context.Context, c *service.Call, in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	return nil, s.store.change(ctx, c.Account, user, *in.UserName, func(tx *kv.Tx, e *entity) error {
		g, err := load[entity](tx, entityKey(c.Account, group, *in.GroupName), noSuch(group, *in.GroupName))
		if err != nil {
			return err
		}
		if slices.Contains(e.Groups, g.Name) {
			return nil
		}
		if len(e.Groups) >= groupsPerUser {
			return api.ErrLimitExceededException("Cannot exceed quota for GroupsPerUser: %d", groupsPerUser)
		}
		e.Groups = append(e.Groups, g.Name)
		return nil
	})
}

func (s *Service) removeUserFromGroup(ctx context.Context, c *service.Call, in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	g, err := s.store.entity(ctx, c.Account, group, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return nil, s.store.change(ctx, c.Account, user, *in.UserName, func(_ *kv.Tx, e *entity) error {
		e.Groups = slices.DeleteFunc(e.Groups, func(name string) bool { return name == g.Name })
		return nil
	})
}

// mergeTags puts tags over have, within the quota.
func mergeTags(have map[string]string, tags []api.Tag) (map[string]string, error) {
	if len(tags) == 0 {
		return have, nil
	}
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, api.ErrInvalidInputException("Tag keys that begin with aws: are reserved.")
		}
		out[*t.Key] = *t.Value
	}
	if len(out) > tagsMax {
		return nil, api.ErrLimitExceededException("The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func tagList(tags map[string]string) []api.Tag {
	out := make([]api.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}
