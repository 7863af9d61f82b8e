package events

import (
	"context"
	"slices"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

func (s *Service) putTargets(ctx context.Context, c *service.Call, in *api.PutTargetsInput) (*api.PutTargetsOutput, error) {
	k := keyOf(c, in.Rule, in.EventBusName)
	for i := range in.Targets {
		t := &in.Targets[i]
		if err := checkTarget(k, t); err != nil {
			return nil, err
		}
		if err := passRole(ctx, c, t.RoleArn); err != nil {
			return nil, err
		}
	}
	err := s.store.changeRule(ctx, k, func(_ *kv.Tx, old *rule) (*rule, error) {
		if old == nil {
			return nil, noRule(k)
		}
		now := *old
		now.Targets = slices.Clone(old.Targets)
		for _, t := range in.Targets {
			if there := now.target(*t.Id); there != nil {
				*there = t
			} else {
				now.Targets = append(now.Targets, t)
			}
		}
		if len(now.Targets) > targetsPerRuleMax {
			return nil, limitExceeded()
		}
		return &now, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutTargetsOutput{FailedEntryCount: new(int32(0)), FailedEntries: []api.PutTargetsResultEntry{}}, nil
}

func (s *Service) removeTargets(ctx context.Context, c *service.Call, in *api.RemoveTargetsInput) (*api.RemoveTargetsOutput, error) {
	k := keyOf(c, in.Rule, in.EventBusName)
	var failed []api.RemoveTargetsResultEntry
	err := s.store.changeRule(ctx, k, func(_ *kv.Tx, old *rule) (*rule, error) {
		if old == nil {
			return nil, noRule(k)
		}
		failed = []api.RemoveTargetsResultEntry{}
		now := *old
		now.Targets = slices.Clone(old.Targets)
		for _, id := range in.Ids {
			if now.target(id) == nil {
				failed = append(failed, api.RemoveTargetsResultEntry{
					TargetId: &id, ErrorCode: new("ResourceNotFoundException"),
					ErrorMessage: new("Rule " + k.rule + " does not have a target with the Id " + id + "."),
				})
				continue
			}
			now.Targets = slices.DeleteFunc(now.Targets, func(t api.Target) bool { return *t.Id == id })
		}
		return &now, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.RemoveTargetsOutput{FailedEntryCount: new(int32(len(failed))), FailedEntries: failed}, nil
}

func (s *Service) listTargetsByRule(ctx context.Context, c *service.Call, in *api.ListTargetsByRuleInput) (*api.ListTargetsByRuleOutput, error) {
	k := keyOf(c, in.Rule, in.EventBusName)
	if _, err := s.find(ctx, k.busKey); err != nil {
		return nil, err
	}
	r, err := s.store.rule(ctx, k)
	if err != nil {
		return nil, err
	}
	limit, after := pageSize(in.Limit), smithy.Val(in.NextToken)
	out := &api.ListTargetsByRuleOutput{Targets: []api.Target{}}
	at := 0
	if after != "" {
		at = 1 + slices.IndexFunc(r.Targets, func(t api.Target) bool { return *t.Id == after })
		if at == 0 {
			return nil, invalid("Parameter NextToken is not valid.")
		}
	}
	for _, t := range r.Targets[at:] {
		if len(out.Targets) == limit {
			out.NextToken = out.Targets[limit-1].Id
			break
		}
		out.Targets = append(out.Targets, t)
	}
	return out, nil
}
