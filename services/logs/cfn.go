package logs

import (
	"context"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// groupProperties are AWS::Logs::LogGroup's. KmsKeyId, DataProtectionPolicy and
// field indexes are not there.
type groupProperties struct {
	LogGroupName              *string
	RetentionInDays           *int32
	LogGroupClass             *string
	DeletionProtectionEnabled *bool
	Tags                      []struct{ Key, Value string }
}

func resources() []service.ResourceType {
	return []service.ResourceType{{
		Name:    "AWS::Logs::LogGroup",
		New:     func() any { return new(groupProperties) },
		Replace: []string{"LogGroupName", "LogGroupClass"},
		Create:  createGroupResource, Update: updateGroupResource, Delete: deleteGroupResource,
	}, {
		Name:    "AWS::Logs::ResourcePolicy",
		New:     func() any { return new(policyProperties) },
		Replace: []string{"PolicyName"},
		Create:  putPolicyResource, Update: putPolicyResource, Delete: deletePolicyResource,
	}}
}

func createGroupResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*groupProperties)
	if p.LogGroupName == nil {
		p.LogGroupName = new(r.GeneratedName(512))
	}
	tags := r.TagsWith(p.Tags)
	in := &api.CreateLogGroupInput{LogGroupName: p.LogGroupName, LogGroupClass: p.LogGroupClass, DeletionProtectionEnabled: p.DeletionProtectionEnabled}
	if len(tags) > 0 {
		in.Tags = tags
	}
	if _, err := service.Invoke(ctx, c, api.CreateLogGroup, in); err != nil {
		return err
	}
	r.PhysicalID = *p.LogGroupName
	r.Attributes = map[string]any{"Arn": groupARN(c, r.PhysicalID) + ":*"}
	return setRetention(ctx, c, r.PhysicalID, p.RetentionInDays)
}

func setRetention(ctx context.Context, c *service.Call, name string, days *int32) error {
	if days == nil {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.PutRetentionPolicy, &api.PutRetentionPolicyInput{LogGroupName: &name, RetentionInDays: days})
	return err
}

func updateGroupResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*groupProperties), r.Old.(*groupProperties)
	r.Attributes = map[string]any{"Arn": groupARN(c, r.PhysicalID) + ":*"}
	if smithy.Val(p.DeletionProtectionEnabled) != smithy.Val(old.DeletionProtectionEnabled) {
		return fault.New("InvalidRequest", 400, "moln does not change DeletionProtectionEnabled of a log group that exists")
	}
	if err := updateTags(ctx, c, r, p, old); err != nil {
		return err
	}
	if p.RetentionInDays == nil {
		_, err := service.Invoke(ctx, c, api.DeleteRetentionPolicy, &api.DeleteRetentionPolicyInput{LogGroupName: &r.PhysicalID})
		return err
	}
	return setRetention(ctx, c, r.PhysicalID, p.RetentionInDays)
}

func updateTags(ctx context.Context, c *service.Call, r *service.Resource, p, old *groupProperties) error {
	resource := groupARN(c, r.PhysicalID)
	if gone := r.TagsGone(p.Tags, old.Tags); len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{ResourceArn: &resource, TagKeys: gone}); err != nil {
			return err
		}
	}
	tags := r.TagsWith(p.Tags)
	if len(tags) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{ResourceArn: &resource, Tags: tags})
	return err
}

func deleteGroupResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteLogGroup, &api.DeleteLogGroupInput{LogGroupName: &r.PhysicalID})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}
