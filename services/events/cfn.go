package events

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

type tags []struct{ Key, Value string }

// of are the resource's own tags over the stack's.
func (t tags) of(r *service.Resource) []api.Tag {
	all := r.TagsWith(t)
	var out []api.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, api.Tag{Key: &key, Value: new(all[key])})
	}
	return out
}

// ruleProperties are AWS::Events::Rule's.
type ruleProperties struct {
	Name, Description, EventBusName, RoleArn, ScheduleExpression, State *string
	EventPattern                                                        any
	Targets                                                             []targetProperties
	Tags                                                                tags
}

// targetProperties are those of the targets that there are here.
type targetProperties struct {
	Arn, Id, Input, InputPath, RoleArn *string
	InputTransformer                   *api.InputTransformer
	SqsParameters                      *api.SqsParameters
	RetryPolicy                        *api.RetryPolicy
	DeadLetterConfig                   *api.DeadLetterConfig
}

type busProperties struct {
	Name, Description *string
	Policy            any
	DeadLetterConfig  *api.DeadLetterConfig
	Tags              tags
}

type policyProperties struct {
	EventBusName, StatementId, Action, Principal *string
	Condition                                    *api.Condition
	Statement                                    any
}

func resources() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::Events::Rule", New: func() any { return new(ruleProperties) }, Replace: []string{"Name", "EventBusName"},
			Create: createRuleResource, Update: updateRuleResource, Delete: deleteRuleResource,
		},
		{
			Name: "AWS::Events::EventBus", New: func() any { return new(busProperties) }, Replace: []string{"Name"},
			Create: createBusResource, Update: updateBusResource, Delete: deleteBusResource,
		},
		{
			Name: "AWS::Events::EventBusPolicy", New: func() any { return new(policyProperties) }, Replace: []string{"EventBusName", "StatementId"},
			Create: putPolicyResource, Update: putPolicyResource, Delete: deletePolicyResource,
		},
		{
			Name: "AWS::Events::Archive", New: func() any { return new(archiveProperties) }, Replace: []string{"ArchiveName", "SourceArn"},
			Create: createArchiveResource, Update: updateArchiveResource, Delete: deleteArchiveResource,
		},
	}
}

// ruleID is a rule's physical id: its name, with that of its bus before it where
// that is not the default one.
func ruleID(k ruleKey) string {
	if k.name == defaultBus {
		return k.rule
	}
	return k.name + "|" + k.rule
}

func ruleOfID(c *service.Call, id string) ruleKey {
	if busName, name, ok := strings.Cut(id, "|"); ok {
		return keyOf(c, &name, &busName)
	}
	return keyOf(c, &id, nil)
}

const ruleNameMax = 64

func createRuleResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*ruleProperties)
	if p.Name == nil {
		p.Name = new(r.GeneratedName(ruleNameMax))
	} else {
		_, err := service.Invoke(ctx, c, api.DescribeRule, &api.DescribeRuleInput{Name: p.Name, EventBusName: p.EventBusName})
		if err == nil {
			return fault.New("AlreadyExists", 400, "%s already exists", *p.Name)
		}
		if !fault.Is(err, "ResourceNotFoundException") {
			return err
		}
	}
	k := keyOf(c, p.Name, p.EventBusName)
	if err := putRuleResource(ctx, c, r, p.Tags.of(r)); err != nil {
		return err
	}
	r.PhysicalID, r.Attributes = ruleID(k), map[string]any{"Arn": k.arn()}
	return putTargetsResource(ctx, c, k, p)
}

func putRuleResource(ctx context.Context, c *service.Call, r *service.Resource, own []api.Tag) error {
	p := r.Properties.(*ruleProperties)
	pattern, err := service.Document(p.EventPattern)
	if err != nil {
		return err
	}
	_, err = service.Invoke(ctx, c, api.PutRule, &api.PutRuleInput{
		Name: p.Name, EventBusName: p.EventBusName, EventPattern: pattern, ScheduleExpression: p.ScheduleExpression, State: p.State,
		Description: p.Description, RoleArn: p.RoleArn, Tags: own,
	})
	return err
}

func putTargetsResource(ctx context.Context, c *service.Call, k ruleKey, p *ruleProperties) error {
	if len(p.Targets) == 0 {
		return nil
	}
	in := &api.PutTargetsInput{Rule: &k.rule, EventBusName: p.EventBusName}
	for _, t := range p.Targets {
		in.Targets = append(in.Targets, api.Target{
			Id: t.Id, Arn: t.Arn, Input: t.Input, InputPath: t.InputPath, InputTransformer: t.InputTransformer, RoleArn: t.RoleArn,
			SqsParameters: t.SqsParameters, RetryPolicy: t.RetryPolicy, DeadLetterConfig: t.DeadLetterConfig,
		})
	}
	_, err := service.Invoke(ctx, c, api.PutTargets, in)
	return err
}

func updateRuleResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*ruleProperties), r.Old.(*ruleProperties)
	k := ruleOfID(c, r.PhysicalID)
	p.Name, r.Attributes = &k.rule, map[string]any{"Arn": k.arn()}
	if err := putRuleResource(ctx, c, r, nil); err != nil {
		return err
	}
	if err := updateTags(ctx, c, r, k.arn(), p.Tags, old.Tags); err != nil {
		return err
	}
	var gone []string
	for _, t := range old.Targets {
		if !slices.ContainsFunc(p.Targets, func(n targetProperties) bool { return smithy.Val(n.Id) == smithy.Val(t.Id) }) {
			gone = append(gone, smithy.Val(t.Id))
		}
	}
	if len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.RemoveTargets, &api.RemoveTargetsInput{Rule: &k.rule, EventBusName: p.EventBusName, Ids: gone}); err != nil {
			return err
		}
	}
	return putTargetsResource(ctx, c, k, p)
}

func updateTags(ctx context.Context, c *service.Call, r *service.Resource, arn string, own, old tags) error {
	if gone := r.TagsGone(own, old); len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{ResourceARN: &arn, TagKeys: gone}); err != nil {
			return err
		}
	}
	want := own.of(r)
	if len(want) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{ResourceARN: &arn, Tags: want})
	return err
}

// deleteRuleResource removes the rule's targets as well, whoever added them.
func deleteRuleResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	k := ruleOfID(c, r.PhysicalID)
	busName := &k.name
	out, err := service.Invoke(ctx, c, api.ListTargetsByRule, &api.ListTargetsByRuleInput{Rule: &k.rule, EventBusName: busName})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	if err != nil {
		return err
	}
	var ids []string
	for _, t := range out.Targets {
		ids = append(ids, *t.Id)
	}
	if len(ids) > 0 {
		if _, err := service.Invoke(ctx, c, api.RemoveTargets, &api.RemoveTargetsInput{Rule: &k.rule, EventBusName: busName, Ids: ids}); err != nil {
			return err
		}
	}
	_, err = service.Invoke(ctx, c, api.DeleteRule, &api.DeleteRuleInput{Name: &k.rule, EventBusName: busName})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}

func createBusResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*busProperties)
	if p.Name == nil {
		return invalid("The property Name is required.")
	}
	out, err := service.Invoke(ctx, c, api.CreateEventBus, &api.CreateEventBusInput{
		Name: p.Name, Description: p.Description, DeadLetterConfig: p.DeadLetterConfig, Tags: p.Tags.of(r),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *p.Name
	r.Attributes = map[string]any{"Arn": *out.EventBusArn, "Name": *p.Name}
	return putBusPolicy(ctx, c, r)
}

func putBusPolicy(ctx context.Context, c *service.Call, r *service.Resource) error {
	doc, err := service.Document(r.Properties.(*busProperties).Policy)
	if err != nil || doc == nil {
		return err
	}
	r.Attributes["Policy"] = *doc
	_, err = service.Invoke(ctx, c, api.PutPermission, &api.PutPermissionInput{EventBusName: &r.PhysicalID, Policy: doc})
	return err
}

func updateBusResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*busProperties), r.Old.(*busProperties)
	in := &api.UpdateEventBusInput{Name: &r.PhysicalID, Description: p.Description, DeadLetterConfig: p.DeadLetterConfig}
	if in.Description == nil {
		in.Description = new("")
	}
	if in.DeadLetterConfig == nil {
		in.DeadLetterConfig = &api.DeadLetterConfig{}
	}
	out, err := service.Invoke(ctx, c, api.UpdateEventBus, in)
	if err != nil {
		return err
	}
	r.Attributes = map[string]any{"Arn": *out.Arn, "Name": r.PhysicalID}
	if err := updateTags(ctx, c, r, *out.Arn, p.Tags, old.Tags); err != nil {
		return err
	}
	if p.Policy == nil && old.Policy != nil {
		_, err := service.Invoke(ctx, c, api.RemovePermission, &api.RemovePermissionInput{EventBusName: &r.PhysicalID, RemoveAllPermissions: new(true)})
		return err
	}
	return putBusPolicy(ctx, c, r)
}

func deleteBusResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteEventBus, &api.DeleteEventBusInput{Name: &r.PhysicalID})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}

// putPolicyResource puts a statement into the policy of a bus: one of the older
// form as PutPermission does, or a whole one.
func putPolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*policyProperties)
	if p.StatementId == nil {
		return invalid("The property StatementId is required.")
	}
	r.PhysicalID = *p.StatementId
	in := &api.PutPermissionInput{EventBusName: p.EventBusName, StatementId: p.StatementId, Action: p.Action, Principal: p.Principal, Condition: p.Condition}
	if p.Statement != nil {
		if p.Action != nil || p.Principal != nil || p.Condition != nil {
			return invalid("Statement cannot be used together with Action, Principal and Condition.")
		}
		doc, err := withStatement(ctx, c, p)
		if err != nil {
			return err
		}
		in = &api.PutPermissionInput{EventBusName: p.EventBusName, Policy: &doc}
	}
	_, err := service.Invoke(ctx, c, api.PutPermission, in)
	return err
}

// withStatement is the policy of a bus with the resource's statement.
func withStatement(ctx context.Context, c *service.Call, p *policyProperties) (string, error) {
	body, ok := p.Statement.(map[string]any)
	if !ok {
		return "", invalid("The property Statement must be an object.")
	}
	body = maps.Clone(body)
	body["Sid"] = *p.StatementId
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	have, err := service.Invoke(ctx, c, api.DescribeEventBus, &api.DescribeEventBusInput{Name: p.EventBusName})
	if err != nil {
		return "", err
	}
	return permit(smithy.Val(have.Policy), *p.StatementId, raw)
}

func deletePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*policyProperties)
	_, err := service.Invoke(ctx, c, api.RemovePermission, &api.RemovePermissionInput{EventBusName: p.EventBusName, StatementId: &r.PhysicalID})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}

// archiveProperties are AWS::Events::Archive's.
type archiveProperties struct {
	ArchiveName, Description, SourceArn *string
	EventPattern                        any
	RetentionDays                       *int32
}

const archiveNameMax = 48

func createArchiveResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*archiveProperties)
	if p.ArchiveName == nil {
		p.ArchiveName = new(r.GeneratedName(archiveNameMax))
	}
	pattern, err := service.Document(p.EventPattern)
	if err != nil {
		return err
	}
	_, err = service.Invoke(ctx, c, api.CreateArchive, &api.CreateArchiveInput{
		ArchiveName: p.ArchiveName, Description: p.Description, EventSourceArn: p.SourceArn, EventPattern: pattern, RetentionDays: p.RetentionDays,
	})
	if err != nil && (r.Generated() == "" || !fault.Is(err, "ResourceAlreadyExistsException")) {
		return err // else it was made by an earlier try
	}
	r.PhysicalID = *p.ArchiveName
	r.Attributes = map[string]any{"ArchiveName": r.PhysicalID, "Arn": archiveKey{placeOf(c), r.PhysicalID}.arn()}
	return nil
}

func updateArchiveResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*archiveProperties)
	pattern, err := service.Document(p.EventPattern)
	if err != nil {
		return err
	}
	in := &api.UpdateArchiveInput{ArchiveName: &r.PhysicalID, Description: p.Description, EventPattern: pattern, RetentionDays: p.RetentionDays}
	if in.Description == nil {
		in.Description = new("")
	}
	if in.EventPattern == nil {
		in.EventPattern = new("")
	}
	if in.RetentionDays == nil {
		in.RetentionDays = new(int32(0))
	}
	r.Attributes = map[string]any{"ArchiveName": r.PhysicalID, "Arn": archiveKey{placeOf(c), r.PhysicalID}.arn()}
	_, err = service.Invoke(ctx, c, api.UpdateArchive, in)
	return err
}

func deleteArchiveResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteArchive, &api.DeleteArchiveInput{ArchiveName: &r.PhysicalID})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}
