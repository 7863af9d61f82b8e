package kms

import (
	"context"
	"maps"
	"slices"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// keyProperties are AWS::KMS::Key's. RotationPeriodInDays needs
// EnableKeyRotation; PendingWindowInDays bears on the deletion only.
type keyProperties struct {
	Description, KeySpec, KeyUsage, Origin *string
	KeyPolicy                              any
	Enabled, EnableKeyRotation             *bool
	MultiRegion                            *bool
	BypassPolicyLockoutSafetyCheck         *bool
	PendingWindowInDays                    *int32
	RotationPeriodInDays                   *int32
	Tags                                   []struct{ Key, Value string }
}

// aliasProperties are AWS::KMS::Alias's.
type aliasProperties struct {
	AliasName, TargetKeyId string
}

// replicaProperties are AWS::KMS::ReplicaKey's. The stack is in the replica's
// region, the primary key in another.
type replicaProperties struct {
	PrimaryKeyArn       string
	KeyPolicy           any
	Description         *string
	Enabled             *bool
	PendingWindowInDays *int32
	Tags                []struct{ Key, Value string }
}

// key is a replica's properties as a key has them.
func (p *replicaProperties) key() *keyProperties {
	return &keyProperties{KeyPolicy: p.KeyPolicy, Description: p.Description, Enabled: p.Enabled, PendingWindowInDays: p.PendingWindowInDays, Tags: p.Tags}
}

func resources() []service.ResourceType {
	return []service.ResourceType{
		{
			Name: "AWS::KMS::ReplicaKey", New: func() any { return new(replicaProperties) },
			Replace: []string{"PrimaryKeyArn"},
			Create:  createReplicaResource, Update: updateReplicaResource, Delete: deleteReplicaResource,
		},
		{
			Name: "AWS::KMS::Key", New: func() any { return new(keyProperties) },
			Replace: []string{"KeySpec", "KeyUsage", "MultiRegion", "Origin"},
			Create:  createKeyResource, Update: updateKeyResource, Delete: deleteKeyResource,
		},
		{
			Name: "AWS::KMS::Alias", New: func() any { return new(aliasProperties) },
			Replace: []string{"AliasName"},
			Create:  createAliasResource, Update: updateAliasResource, Delete: deleteAliasResource,
		},
	}
}

// tags are the stack's with the resource's own over them.
func (p *keyProperties) tags(r *service.Resource) []api.Tag {
	all := r.TagsWith(p.Tags)
	var out []api.Tag
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, api.Tag{TagKey: &k, TagValue: new(all[k])})
	}
	return out
}

func createKeyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*keyProperties)
	doc, err := service.Document(p.KeyPolicy)
	if err != nil {
		return err
	}
	out, err := service.Invoke(ctx, c, api.CreateKey, &api.CreateKeyInput{
		Policy: doc, Description: p.Description, KeySpec: p.KeySpec, KeyUsage: p.KeyUsage, Origin: p.Origin, MultiRegion: p.MultiRegion,
		BypassPolicyLockoutSafetyCheck: p.BypassPolicyLockoutSafetyCheck, Tags: p.tags(r),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.KeyMetadata.KeyId
	r.Attributes = map[string]any{"Arn": *out.KeyMetadata.Arn, "KeyId": r.PhysicalID}
	if err := setRotation(ctx, c, r.PhysicalID, p, &keyProperties{}); err != nil {
		return err
	}
	return setEnabled(ctx, c, r.PhysicalID, p, &keyProperties{})
}

// setRotation turns rotation on or off where old says otherwise.
func setRotation(ctx context.Context, c *service.Call, id string, p, old *keyProperties) error {
	on, was := smithy.Val(p.EnableKeyRotation), smithy.Val(old.EnableKeyRotation)
	var err error
	switch {
	case on && (!was || smithy.Val(p.RotationPeriodInDays) != smithy.Val(old.RotationPeriodInDays)):
		_, err = service.Invoke(ctx, c, api.EnableKeyRotation, &api.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: p.RotationPeriodInDays})
	case !on && was:
		_, err = service.Invoke(ctx, c, api.DisableKeyRotation, &api.DisableKeyRotationInput{KeyId: &id})
	}
	return err
}

func setEnabled(ctx context.Context, c *service.Call, id string, p, old *keyProperties) error {
	enabled := func(p *keyProperties) bool { return p.Enabled == nil || *p.Enabled }
	var err error
	switch {
	case enabled(p) && !enabled(old):
		_, err = service.Invoke(ctx, c, api.EnableKey, &api.EnableKeyInput{KeyId: &id})
	case !enabled(p) && enabled(old):
		_, err = service.Invoke(ctx, c, api.DisableKey, &api.DisableKeyInput{KeyId: &id})
	}
	return err
}

func updateKeyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*keyProperties), r.Old.(*keyProperties)
	id := r.PhysicalID
	r.Attributes = map[string]any{"Arn": keyARN(c.Account, c.Region, id), "KeyId": id}
	doc, err := service.Document(p.KeyPolicy)
	if err != nil {
		return err
	}
	if doc == nil {
		doc = new(defaultPolicy(c.Account, c.Region))
	}
	if _, err := service.Invoke(ctx, c, api.PutKeyPolicy, &api.PutKeyPolicyInput{KeyId: &id, Policy: doc, BypassPolicyLockoutSafetyCheck: p.BypassPolicyLockoutSafetyCheck}); err != nil {
		return err
	}
	if _, err := service.Invoke(ctx, c, api.UpdateKeyDescription, &api.UpdateKeyDescriptionInput{KeyId: &id, Description: new(smithy.Val(p.Description))}); err != nil {
		return err
	}
	if err := updateKeyTags(ctx, c, r, p, old); err != nil {
		return err
	}
	// A disabled key's rotation cannot be changed: enable first, disable last.
	if p.Enabled == nil || *p.Enabled {
		if err := setEnabled(ctx, c, id, p, old); err != nil {
			return err
		}
		return setRotation(ctx, c, id, p, old)
	}
	if err := setRotation(ctx, c, id, p, old); err != nil {
		return err
	}
	return setEnabled(ctx, c, id, p, old)
}

func updateKeyTags(ctx context.Context, c *service.Call, r *service.Resource, p, old *keyProperties) error {
	if gone := r.TagsGone(p.Tags, old.Tags); len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{KeyId: &r.PhysicalID, TagKeys: gone}); err != nil {
			return err
		}
	}
	tags := p.tags(r)
	if len(tags) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{KeyId: &r.PhysicalID, Tags: tags})
	return err
}

func deleteKeyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*keyProperties)
	_, err := service.Invoke(ctx, c, api.ScheduleKeyDeletion, &api.ScheduleKeyDeletionInput{KeyId: &r.PhysicalID, PendingWindowInDays: p.PendingWindowInDays})
	if fault.Is(err, "NotFoundException", "KMSInvalidStateException") {
		return nil
	}
	return err
}

func createReplicaResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*replicaProperties)
	primary, err := arn.Parse(p.PrimaryKeyArn)
	if err != nil {
		return api.ErrInvalidArnException("Invalid ARN %s", p.PrimaryKeyArn)
	}
	doc, err := service.Document(p.KeyPolicy)
	if err != nil {
		return err
	}
	there := *c
	there.Region = primary.Region
	out, err := service.Invoke(ctx, &there, api.ReplicateKey, &api.ReplicateKeyInput{
		KeyId: &p.PrimaryKeyArn, ReplicaRegion: &c.Region, Policy: doc, Description: p.Description, Tags: p.key().tags(r),
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.ReplicaKeyMetadata.KeyId
	r.Attributes = map[string]any{"Arn": *out.ReplicaKeyMetadata.Arn, "KeyId": r.PhysicalID}
	return setEnabled(ctx, c, r.PhysicalID, p.key(), &keyProperties{})
}

// asKey carries out f with the properties of a replica as those of a key.
func asKey(r *service.Resource, f func(*service.Resource) error) error {
	d := *r
	d.Properties = r.Properties.(*replicaProperties).key()
	if r.Old != nil {
		d.Old = r.Old.(*replicaProperties).key()
	}
	err := f(&d)
	r.Attributes = d.Attributes
	return err
}

func updateReplicaResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	return asKey(r, func(r *service.Resource) error { return updateKeyResource(ctx, c, r) })
}

func deleteReplicaResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	return asKey(r, func(r *service.Resource) error { return deleteKeyResource(ctx, c, r) })
}

func createAliasResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*aliasProperties)
	_, err := service.Invoke(ctx, c, api.CreateAlias, &api.CreateAliasInput{AliasName: &p.AliasName, TargetKeyId: &p.TargetKeyId})
	r.PhysicalID = p.AliasName
	return err
}

func updateAliasResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*aliasProperties)
	_, err := service.Invoke(ctx, c, api.UpdateAlias, &api.UpdateAliasInput{AliasName: &p.AliasName, TargetKeyId: &p.TargetKeyId})
	return err
}

func deleteAliasResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteAlias, &api.DeleteAliasInput{AliasName: &r.PhysicalID})
	if fault.Is(err, "NotFoundException") {
		return nil
	}
	return err
}
