package template

import (
	"context"
	"encoding/json"

	api "moln.dev/moln/api/s3control"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// pointProperties are the properties of AWS::S3::AccessPoint. What is refused of
// them (a VPC), the operation refuses.
type pointProperties struct {
	Bucket, BucketAccountId, Name  *string
	Policy                         any
	PublicAccessBlockConfiguration *api.PublicAccessBlockConfiguration
	VpcConfiguration               *api.VpcConfiguration
	Tags                           []api.Tag
}

// pointNameMax is the longest name of an access point.
const pointNameMax = 50

func pointType() service.ResourceType {
	return service.ResourceType{
		Name: "AWS::S3::AccessPoint", New: func() any { return new(pointProperties) },
		Replace: []string{"Bucket", "BucketAccountId", "Name", "PublicAccessBlockConfiguration", "VpcConfiguration"},
		Create:  createPoint, Update: updatePoint, Delete: deletePoint,
	}
}

func createPoint(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*pointProperties)
	name := smithy.Val(p.Name)
	if name == "" {
		name = lowerName(r.GeneratedName(pointNameMax))
	}
	out, err := service.Invoke(ctx, c, api.CreateAccessPoint, &api.CreateAccessPointInput{
		AccountId: new(c.Account), Name: new(name), Bucket: p.Bucket, BucketAccountId: p.BucketAccountId,
		PublicAccessBlockConfiguration: p.PublicAccessBlockConfiguration, VpcConfiguration: p.VpcConfiguration, Tags: p.Tags,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = name
	r.Attributes = map[string]any{"Alias": smithy.Val(out.Alias), "Arn": smithy.Val(out.AccessPointArn), "Name": name, "NetworkOrigin": "Internet"}
	return putPointPolicy(ctx, c, r.PhysicalID, p)
}

func updatePoint(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*pointProperties), r.Old.(*pointProperties)
	got, err := service.Invoke(ctx, c, api.GetAccessPoint, &api.GetAccessPointInput{AccountId: new(c.Account), Name: new(r.PhysicalID)})
	if err != nil {
		return err
	}
	arn := smithy.Val(got.AccessPointArn)
	r.Attributes = map[string]any{"Alias": smithy.Val(got.Alias), "Arn": arn, "Name": r.PhysicalID, "NetworkOrigin": smithy.Val(got.NetworkOrigin)}
	if err := setPointTags(ctx, c, arn, p.Tags, old.Tags); err != nil {
		return err
	}
	if p.Policy == nil && old.Policy != nil {
		_, err := service.Invoke(ctx, c, api.DeleteAccessPointPolicy, &api.DeleteAccessPointPolicyInput{AccountId: new(c.Account), Name: new(r.PhysicalID)})
		return err
	}
	return putPointPolicy(ctx, c, r.PhysicalID, p)
}

func setPointTags(ctx context.Context, c *service.Call, arn string, tags, old []api.Tag) error {
	var gone []string
	for _, t := range old {
		gone = append(gone, smithy.Val(t.Key))
	}
	if len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagResource, &api.UntagResourceInput{AccountId: new(c.Account), ResourceArn: new(arn), TagKeys: gone}); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagResource, &api.TagResourceInput{AccountId: new(c.Account), ResourceArn: new(arn), Tags: tags})
	return err
}

func putPointPolicy(ctx context.Context, c *service.Call, name string, p *pointProperties) error {
	if p.Policy == nil {
		return nil
	}
	document, isText := p.Policy.(string)
	if !isText {
		raw, err := json.Marshal(p.Policy)
		if err != nil {
			return err
		}
		document = string(raw)
	}
	_, err := service.Invoke(ctx, c, api.PutAccessPointPolicy, &api.PutAccessPointPolicyInput{AccountId: new(c.Account), Name: new(name), Policy: new(document)})
	return err
}

func deletePoint(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteAccessPoint, &api.DeleteAccessPointInput{AccountId: new(c.Account), Name: new(r.PhysicalID)})
	if fault.Is(err, "NoSuchAccessPoint") {
		return nil
	}
	return err
}
