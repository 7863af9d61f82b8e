package cognitoidp

import (
	"context"
	"math"
	"time"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

const groupsPerUserMax = 100

// group is what is stored of a group.
type group struct {
	Name, Description, RoleARN string
	Precedence                 *int32
	Created, Modified          time.Time
}

func (g *group) describe(poolID string) *api.GroupType {
	out := &api.GroupType{
		GroupName: ptr(g.Name), UserPoolId: ptr(poolID), Precedence: g.Precedence, LastModifiedDate: ptr(g.Modified), CreationDate: ptr(g.Created),
	}
	if g.Description != "" {
		out.Description = ptr(g.Description)
	}
	if g.RoleARN != "" {
		out.RoleArn = ptr(g.RoleARN)
	}
	return out
}

func errNoGroup() error { return api.ErrResourceNotFoundException("Group not found.") }

// passRole: who gives a group a role must be allowed to pass it on.
func passRole(ctx context.Context, c *service.Call, roleARN string) error {
	if roleARN == "" {
		return nil
	}
	return c.Judge(ctx, service.Check{
		Action: "iam:PassRole", Resource: roleARN,
		Context: policy.Keys{"iam:passedtoservice": {servicePrincipal}},
	})
}

func (s *Service) createGroup(ctx context.Context, c *service.Call, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	p := signed(c, in.UserPoolId)
	if err := passRole(ctx, c, smithy.Val(in.RoleArn)); err != nil {
		return nil, err
	}
	g := &group{
		Name: smithy.Val(in.GroupName), Description: smithy.Val(in.Description), RoleARN: smithy.Val(in.RoleArn), Precedence: in.Precedence,
		Created: c.Now, Modified: c.Now,
	}
	k := p.key(kindGroup, g.Name)
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.loadPool(txReader{tx}, p); err != nil {
			return err
		}
		taken, err := exists(txReader{tx}, k)
		if err != nil {
			return err
		}
		if taken {
			return api.ErrGroupExistsException("A group with the name already exists.")
		}
		return put(tx, k, g)
	}, k)
	return &api.CreateGroupOutput{Group: g.describe(p.Pool)}, err
}

func (s *Service) findGroup(r reader, p place, name string) (*group, error) {
	if _, err := s.loadPool(r, p); err != nil {
		return nil, err
	}
	g, err := find[group](r, p.key(kindGroup, name))
	if err == nil && g == nil {
		err = errNoGroup()
	}
	return g, err
}

func (s *Service) getGroup(ctx context.Context, c *service.Call, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	p := signed(c, in.UserPoolId)
	g, err := s.findGroup(s.reader(ctx), p, smithy.Val(in.GroupName))
	if err != nil {
		return nil, err
	}
	return &api.GetGroupOutput{Group: g.describe(p.Pool)}, nil
}

func (s *Service) updateGroup(ctx context.Context, c *service.Call, in *api.UpdateGroupInput) (*api.UpdateGroupOutput, error) {
	p := signed(c, in.UserPoolId)
	if err := passRole(ctx, c, smithy.Val(in.RoleArn)); err != nil {
		return nil, err
	}
	var g *group
	k := p.key(kindGroup, smithy.Val(in.GroupName))
	err := s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		var err error
		if g, err = s.findGroup(txReader{tx}, p, smithy.Val(in.GroupName)); err != nil {
			return err
		}
		if in.Description != nil {
			g.Description = *in.Description
		}
		if in.RoleArn != nil {
			g.RoleARN = *in.RoleArn
		}
		keep(&g.Precedence, in.Precedence)
		g.Modified = c.Now
		return put(tx, k, g)
	}, k)
	if err != nil {
		return nil, err
	}
	return &api.UpdateGroupOutput{Group: g.describe(p.Pool)}, nil
}

func (s *Service) deleteGroup(ctx context.Context, c *service.Call, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	p, name := signed(c, in.UserPoolId), smithy.Val(in.GroupName)
	return nil, s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.findGroup(txReader{tx}, p, name); err != nil {
			return err
		}
		if err := s.dropMembers(tx, p, name); err != nil {
			return err
		}
		return tx.Delete(p.key(kindGroup, name))
	}, p.key(kindGroup, name))
}

// dropMembers ends all memberships of a group. Beyond one page the rest is left
// to lie: memberships of a group that is gone count for nothing.
func (s *Service) dropMembers(tx *kv.Tx, p place, name string) error {
	prefix := p.key(kindMember, name)
	items, err := tx.Scan(kv.Prefix(prefix))
	if err != nil {
		return err
	}
	for _, it := range items {
		u, err := lastPart(prefix, it.Key)
		if err != nil {
			return err
		}
		if err := tx.Delete(p.key(kindOf, u, name)); err != nil {
			return err
		}
	}
	return dropPrefix(tx, prefix)
}

func (s *Service) listGroups(ctx context.Context, c *service.Call, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	p := signed(c, in.UserPoolId)
	if _, err := s.loadPool(s.reader(ctx), p); err != nil {
		return nil, err
	}
	prefix := p.key(kindGroup)
	after, err := s.openPage(in.NextToken, prefix)
	if err != nil {
		return nil, err
	}
	pg := page[api.GroupType]{limit: limitOf(in.Limit), items: []api.GroupType{}}
	err = each(ctx, s.d.KV, prefix, after, func(key []byte, g *group) (bool, error) { return pg.add(key, *g.describe(p.Pool)), nil })
	if err != nil {
		return nil, err
	}
	return &api.ListGroupsOutput{Groups: pg.items, NextToken: s.pageToken(pg.next)}, nil
}

func (s *Service) adminAddUserToGroup(ctx context.Context, c *service.Call, in *api.AdminAddUserToGroupInput) (*api.AdminAddUserToGroupOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	name := smithy.Val(in.GroupName)
	return nil, s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.findGroup(txReader{tx}, t.place, name); err != nil {
			return err
		}
		if ok, err := exists(txReader{tx}, t.place.key(kindUser, t.key)); err != nil || !ok {
			return orNoUser(err)
		}
		groups, err := groupsOf(tx, t.place, t.key)
		if err != nil {
			return err
		}
		if len(groups) >= groupsPerUserMax {
			return api.ErrLimitExceededException("Exceeded the limit of %d groups per user.", groupsPerUserMax)
		}
		if err := tx.Put(t.place.key(kindMember, name, t.key), nil); err != nil {
			return err
		}
		return tx.Put(t.place.key(kindOf, t.key, name), nil)
	})
}

func orNoUser(err error) error {
	if err != nil {
		return err
	}
	return errNoUser()
}

func (s *Service) adminRemoveUserFromGroup(ctx context.Context, c *service.Call, in *api.AdminRemoveUserFromGroupInput) (*api.AdminRemoveUserFromGroupOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	name := smithy.Val(in.GroupName)
	return nil, s.d.KV.Update(ctx, func(tx *kv.Tx) error {
		if _, err := s.findGroup(txReader{tx}, t.place, name); err != nil {
			return err
		}
		if err := tx.Delete(t.place.key(kindMember, name, t.key)); err != nil {
			return err
		}
		return tx.Delete(t.place.key(kindOf, t.key, name))
	})
}

// groupsOf names the groups that a user is a member of.
func groupsOf(tx *kv.Tx, p place, userKey string) ([]string, error) {
	prefix := p.key(kindOf, userKey)
	items, err := tx.Scan(kv.Prefix(prefix))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, it := range items {
		name, err := lastPart(prefix, it.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

func (s *Service) adminListGroupsForUser(ctx context.Context, c *service.Call, in *api.AdminListGroupsForUserInput) (*api.AdminListGroupsForUserOutput, error) {
	t, err := s.targetOf(ctx, c, in.UserPoolId, in.Username)
	if err != nil {
		return nil, err
	}
	prefix := t.place.key(kindOf, t.key)
	after, err := s.openPage(in.NextToken, prefix)
	if err != nil {
		return nil, err
	}
	pg := page[api.GroupType]{limit: limitOf(in.Limit), items: []api.GroupType{}}
	err = s.eachName(ctx, prefix, after, func(key []byte, name string) (bool, error) {
		g, err := find[group](s.reader(ctx), t.place.key(kindGroup, name))
		if err != nil || g == nil {
			return true, err
		}
		return pg.add(key, *g.describe(t.Pool)), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.AdminListGroupsForUserOutput{Groups: pg.items, NextToken: s.pageToken(pg.next)}, nil
}

func (s *Service) listUsersInGroup(ctx context.Context, c *service.Call, in *api.ListUsersInGroupInput) (*api.ListUsersInGroupOutput, error) {
	p := signed(c, in.UserPoolId)
	if _, err := s.findGroup(s.reader(ctx), p, smithy.Val(in.GroupName)); err != nil {
		return nil, err
	}
	prefix := p.key(kindMember, smithy.Val(in.GroupName))
	after, err := s.openPage(in.NextToken, prefix)
	if err != nil {
		return nil, err
	}
	pg := page[api.UserType]{limit: limitOf(in.Limit), items: []api.UserType{}}
	err = s.eachName(ctx, prefix, after, func(key []byte, name string) (bool, error) {
		u, err := find[user](s.reader(ctx), p.key(kindUser, name))
		if err != nil || u == nil {
			return true, err
		}
		return pg.add(key, u.describe(nil)), nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ListUsersInGroupOutput{Users: pg.items, NextToken: s.pageToken(pg.next)}, nil
}

// eachName calls fn with the last parts of the keys below prefix.
func (s *Service) eachName(ctx context.Context, prefix, after []byte, fn func(key []byte, name string) (bool, error)) error {
	r := kv.Prefix(prefix)
	if after != nil {
		r = r.After(after)
	}
	return s.d.KV.Each(ctx, r, func(it kv.Item) (bool, error) {
		name, _, err := tuple.DecodeString(it.Key[len(prefix):])
		if err != nil {
			return false, err
		}
		return fn(it.Key, name)
	})
}

// grantsOf is what a user's groups put into its tokens.
func (s *Service) grantsOf(ctx context.Context, p place, userKey string) (grants, error) {
	var groups []group
	err := s.eachName(ctx, p.key(kindOf, userKey), nil, func(_ []byte, name string) (bool, error) {
		g, err := find[group](s.reader(ctx), p.key(kindGroup, name))
		if g != nil {
			groups = append(groups, *g)
		}
		return true, err
	})
	return grantsFrom(groups), err
}

// grantsFrom: the preferred role is that of the lowest precedence, and none
// where two groups of that precedence have different roles.
func grantsFrom(groups []group) grants {
	var out grants
	lowest := int64(math.MaxInt64)
	seen := map[string]bool{}
	for _, g := range groups {
		out.groups = append(out.groups, g.Name)
		if g.RoleARN == "" {
			continue
		}
		if !seen[g.RoleARN] {
			seen[g.RoleARN] = true
			out.roles = append(out.roles, g.RoleARN)
		}
		precedence := int64(math.MaxInt64 - 1)
		if g.Precedence != nil {
			precedence = int64(*g.Precedence)
		}
		switch {
		case precedence < lowest:
			lowest, out.preferred = precedence, g.RoleARN
		case precedence == lowest && out.preferred != g.RoleARN:
			out.preferred = ""
		}
	}
	return out
}
