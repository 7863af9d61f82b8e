package events

import (
	"context"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

func keyOf(c *service.Call, name, busName *string) ruleKey {
	return ruleKey{busOf(c, busName), smithy.Val(name)}
}

func (s *Service) putRule(ctx context.Context, c *service.Call, in *api.PutRuleInput) (*api.PutRuleOutput, error) {
	k := keyOf(c, in.Name, in.EventBusName)
	if smithy.Val(in.EventPattern) == "" && smithy.Val(in.ScheduleExpression) == "" {
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if err := checkSchedule(k.busKey, in.ScheduleExpression); err != nil {
		return nil, err
	}
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	if err := passRole(ctx, c, in.RoleArn); err != nil {
		return nil, err
	}
	err := s.store.changeRule(ctx, k, func(tx *kv.Tx, old *rule) (*rule, error) {
		now := &rule{
			Name: k.rule, Pattern: smithy.Val(in.EventPattern), Schedule: smithy.Val(in.ScheduleExpression), State: api.RuleStateEnabled,
			Description: smithy.Val(in.Description), Role: smithy.Val(in.RoleArn), CreatedBy: c.Account,
		}
		if in.State != nil {
			now.State = *in.State
		}
		if old == nil {
			var err error
			if now.Tags, err = mergeTags(nil, in.Tags); err != nil {
				return nil, err
			}
		} else { // tags of a rule that exists are not changed by PutRule
			now.Tags, now.Targets, now.Round, now.CreatedBy = old.Tags, old.Targets, old.Round, old.CreatedBy
		}
		return now, s.arm(tx, k, old, now, c.Now)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutRuleOutput{RuleArn: new(k.arn())}, nil
}

// passRole asks whether the caller may give EventBridge a role.
func passRole(ctx context.Context, c *service.Call, role *string) error {
	if smithy.Val(role) == "" {
		return nil
	}
	return c.Judge(ctx, service.Check{Action: "iam:PassRole", Resource: *role, Context: policy.Keys{"iam:passedtoservice": {servicePrincipal}}})
}

func (s *Service) deleteRule(ctx context.Context, c *service.Call, in *api.DeleteRuleInput) (*api.DeleteRuleOutput, error) {
	k := keyOf(c, in.Name, in.EventBusName)
	return nil, s.store.changeRule(ctx, k, func(tx *kv.Tx, old *rule) (*rule, error) {
		if old == nil {
			return nil, nil // deleting what is gone succeeds
		}
		if len(old.Targets) > 0 {
			return nil, invalid("Rule can't be deleted since it has targets.")
		}
		return nil, s.arm(tx, k, old, nil, c.Now)
	})
}

func (s *Service) describeRule(ctx context.Context, c *service.Call, in *api.DescribeRuleInput) (*api.DescribeRuleOutput, error) {
	k := keyOf(c, in.Name, in.EventBusName)
	if _, err := s.find(ctx, k.busKey); err != nil {
		return nil, err
	}
	r, err := s.store.rule(ctx, k)
	if err != nil {
		return nil, err
	}
	d := k.describe(r)
	return &api.DescribeRuleOutput{
		Name: d.Name, Arn: d.Arn, EventPattern: d.EventPattern, ScheduleExpression: d.ScheduleExpression, State: d.State, Description: d.Description,
		RoleArn: d.RoleArn, EventBusName: d.EventBusName, CreatedBy: &r.CreatedBy,
	}, nil
}

func (s *Service) enableRule(ctx context.Context, c *service.Call, in *api.EnableRuleInput) (*api.EnableRuleOutput, error) {
	return nil, s.setState(ctx, c, keyOf(c, in.Name, in.EventBusName), api.RuleStateEnabled)
}

func (s *Service) disableRule(ctx context.Context, c *service.Call, in *api.DisableRuleInput) (*api.DisableRuleOutput, error) {
	return nil, s.setState(ctx, c, keyOf(c, in.Name, in.EventBusName), api.RuleStateDisabled)
}

func (s *Service) setState(ctx context.Context, c *service.Call, k ruleKey, state string) error {
	return s.store.changeRule(ctx, k, func(tx *kv.Tx, old *rule) (*rule, error) {
		if old == nil {
			return nil, noRule(k)
		}
		now := *old
		now.State = state
		return &now, s.arm(tx, k, old, &now, c.Now)
	})
}

func (s *Service) listRules(ctx context.Context, c *service.Call, in *api.ListRulesInput) (*api.ListRulesOutput, error) {
	k := busOf(c, in.EventBusName)
	if _, err := s.find(ctx, k); err != nil {
		return nil, err
	}
	limit := pageSize(in.Limit)
	list, err := s.store.rulesOf(ctx, k, smithy.Val(in.NamePrefix), smithy.Val(in.NextToken), limit)
	if err != nil {
		return nil, err
	}
	out := &api.ListRulesOutput{Rules: []api.Rule{}}
	for i := range list {
		if len(out.Rules) == limit {
			out.NextToken = out.Rules[limit-1].Name
			break
		}
		out.Rules = append(out.Rules, ruleKey{k, list[i].Name}.describe(&list[i]))
	}
	return out, nil
}

func (s *Service) listRuleNamesByTarget(ctx context.Context, c *service.Call, in *api.ListRuleNamesByTargetInput) (*api.ListRuleNamesByTargetOutput, error) {
	k := busOf(c, in.EventBusName)
	if _, err := s.find(ctx, k); err != nil {
		return nil, err
	}
	list, err := s.store.rulesOf(ctx, k, "", smithy.Val(in.NextToken), 0)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.Limit)
	out := &api.ListRuleNamesByTargetOutput{RuleNames: []string{}}
	for _, r := range list {
		for _, t := range r.Targets {
			if *t.Arn != *in.TargetArn {
				continue
			}
			if len(out.RuleNames) == limit {
				out.NextToken = &out.RuleNames[limit-1]
				return out, nil
			}
			out.RuleNames = append(out.RuleNames, r.Name)
			break
		}
	}
	return out, nil
}
