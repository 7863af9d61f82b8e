package events

import (
	"context"
	"reflect"
	"strings"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

const putEventsAction = "events:PutEvents"

// authorize names the buses and rules that a request is about, with the policies
// of the buses. Requests about none are on "*".
func (s *Service) authorize(ctx context.Context, c *service.Call, op *smithy.Operation, in any) ([]service.Check, error) {
	checks, err := s.checks(ctx, c, in)
	if err != nil {
		return nil, err
	}
	for i := range checks {
		checks[i].Action = op.Actions[0] // each has one
	}
	return checks, nil
}

func (s *Service) checks(ctx context.Context, c *service.Call, in any) ([]service.Check, error) {
	switch in := in.(type) {
	case *api.PutEventsInput:
		return s.putChecks(ctx, c, in)
	case *api.CreateEventBusInput:
		return []service.Check{{Resource: busKey{placeOf(c), *in.Name}.arn(), Context: requestTags(policy.Keys{}, in.Tags)}}, nil
	case *api.DescribeEventBusInput:
		return s.busCheck(ctx, busOf(c, in.Name))
	case *api.DeleteEventBusInput:
		return s.busCheck(ctx, busOf(c, in.Name))
	case *api.UpdateEventBusInput:
		return s.busCheck(ctx, busOf(c, in.Name))
	case *api.PutPermissionInput:
		return s.busCheck(ctx, busOf(c, in.EventBusName))
	case *api.RemovePermissionInput:
		return s.busCheck(ctx, busOf(c, in.EventBusName))
	case *api.ListRulesInput:
		return s.busCheck(ctx, busOf(c, in.EventBusName))
	case *api.ListRuleNamesByTargetInput:
		return s.busCheck(ctx, busOf(c, in.EventBusName))
	case *api.PutRuleInput:
		return s.ruleCheck(ctx, keyOf(c, in.Name, in.EventBusName), requestTags(policy.Keys{"events:creatoraccount": {c.Account}}, in.Tags))
	case *api.PutTargetsInput:
		keys := policy.Keys{}
		for _, t := range in.Targets {
			keys["events:targetarn"] = append(keys["events:targetarn"], *t.Arn)
		}
		return s.ruleCheck(ctx, keyOf(c, in.Rule, in.EventBusName), keys)
	}
	if resource := archiveNamed(c, in); resource != "" {
		return []service.Check{{Resource: resource}}, nil
	}
	if k, ok := ruleNamed(c, in); ok {
		return s.ruleCheck(ctx, k, policy.Keys{})
	}
	return s.tagCheck(ctx, in)
}

// archiveNamed is the ARN of the archive or replay that a request names.
func archiveNamed(c *service.Call, in any) string {
	p := placeOf(c)
	switch in := in.(type) {
	case *api.CreateArchiveInput:
		return archiveKey{p, *in.ArchiveName}.arn()
	case *api.UpdateArchiveInput:
		return archiveKey{p, *in.ArchiveName}.arn()
	case *api.DeleteArchiveInput:
		return archiveKey{p, *in.ArchiveName}.arn()
	case *api.DescribeArchiveInput:
		return archiveKey{p, *in.ArchiveName}.arn()
	case *api.StartReplayInput:
		return replayKey{p, *in.ReplayName}.arn()
	case *api.CancelReplayInput:
		return replayKey{p, *in.ReplayName}.arn()
	case *api.DescribeReplayInput:
		return replayKey{p, *in.ReplayName}.arn()
	}
	return ""
}

// ruleNamed is the rule that a request names in Name or Rule.
func ruleNamed(c *service.Call, in any) (ruleKey, bool) {
	switch in := in.(type) {
	case *api.DeleteRuleInput:
		return keyOf(c, in.Name, in.EventBusName), true
	case *api.DescribeRuleInput:
		return keyOf(c, in.Name, in.EventBusName), true
	case *api.EnableRuleInput:
		return keyOf(c, in.Name, in.EventBusName), true
	case *api.DisableRuleInput:
		return keyOf(c, in.Name, in.EventBusName), true
	case *api.RemoveTargetsInput:
		return keyOf(c, in.Rule, in.EventBusName), true
	case *api.ListTargetsByRuleInput:
		return keyOf(c, in.Rule, in.EventBusName), true
	}
	return ruleKey{}, false
}

// tagCheck is for requests that name their subject by ARN, and for those about
// none.
func (s *Service) tagCheck(ctx context.Context, in any) ([]service.Check, error) {
	f := reflect.ValueOf(in).Elem().FieldByName("ResourceARN")
	if !f.IsValid() {
		return []service.Check{{Resource: "*"}}, nil
	}
	arn, _ := f.Interface().(*string)
	at, err := resourceOf(arn)
	if err != nil {
		return []service.Check{{Resource: smithy.Val(arn)}}, nil // the handler refuses it
	}
	keys := policy.Keys{}
	switch in := in.(type) {
	case *api.TagResourceInput:
		requestTags(keys, in.Tags)
	case *api.UntagResourceInput:
		keys["aws:tagkeys"] = in.TagKeys
	}
	if at.rule != nil {
		return s.ruleCheck(ctx, *at.rule, keys)
	}
	checks, err := s.busCheck(ctx, at.bus)
	for i := range checks {
		for k, v := range keys {
			checks[i].Context[k] = v
		}
	}
	return checks, err
}

func requestTags(keys policy.Keys, tags []api.Tag) policy.Keys {
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(*t.Key)] = []string{smithy.Val(t.Value)}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], *t.Key)
	}
	return keys
}

func resourceTags(keys policy.Keys, tags map[string]string) {
	for k, v := range tags {
		keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
}

// busCheck is a check on a bus, or where there is none on the ARN it would have.
func (s *Service) busCheck(ctx context.Context, k busKey) ([]service.Check, error) {
	check := service.Check{Resource: k.arn(), Account: k.account, Context: policy.Keys{}}
	b, err := s.store.bus(ctx, k)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	if err == nil {
		check.Policy = b.compiled
		resourceTags(check.Context, b.Tags)
	}
	return []service.Check{check}, nil
}

// ruleCheck is a check on a rule; the policy of its bus may let other accounts
// make rules.
func (s *Service) ruleCheck(ctx context.Context, k ruleKey, keys policy.Keys) ([]service.Check, error) {
	checks, err := s.busCheck(ctx, k.busKey)
	if err != nil {
		return nil, err
	}
	check := service.Check{Resource: k.arn(), Account: k.account, Context: keys, Policy: checks[0].Policy}
	check.More = func() (policy.Keys, error) {
		r, err := decode[rule](s.store.db.Get(ctx, k.key()))
		if isAbsent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		more := policy.Keys{}
		resourceTags(more, r.Tags)
		return more, nil
	}
	return []service.Check{check}, nil
}

// putChecks are one for each bus, source and detail type among the entries.
func (s *Service) putChecks(ctx context.Context, c *service.Call, in *api.PutEventsInput) ([]service.Check, error) {
	type subject struct {
		bus          busKey
		source, kind string
	}
	seen := map[subject]bool{}
	var out []service.Check
	for i := range in.Entries {
		e := &in.Entries[i]
		one := subject{busOf(c, e.EventBusName), smithy.Val(e.Source), smithy.Val(e.DetailType)}
		if seen[one] {
			continue
		}
		seen[one] = true
		check, err := s.putCheck(ctx, c, one.bus, one.source, one.kind)
		if err != nil {
			return nil, err
		}
		out = append(out, check)
	}
	return out, nil
}

// putCheck is the check on putting events. Services may put those of their own
// source on the default bus of the account that they act for, as AWS's do.
func (s *Service) putCheck(ctx context.Context, c *service.Call, k busKey, source, detailType string) (service.Check, error) {
	checks, err := s.busCheck(ctx, k)
	if err != nil {
		return service.Check{}, err
	}
	check := checks[0]
	check.Context["events:source"], check.Context["events:detail-type"] = []string{source}, []string{detailType}
	who := &c.Caller
	if who.Kind == policy.Service && k.name == defaultBus && who.SourceAccount == k.account && strings.HasPrefix(source, reservedSource) && mayPut(*who, source) {
		own, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"`+who.Service+`"},"Action":"`+putEventsAction+`","Resource":"*"}}`), policy.Resource)
		if err != nil {
			return check, err
		}
		own = own.Named("services put their own events")
		if check.Policy != nil {
			own = check.Policy.With(own)
		}
		check.Policy = own
	}
	return check, nil
}
