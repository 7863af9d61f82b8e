package cfn

import (
	"context"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// layerProperties are AWS::Lambda::LayerVersion's. Every change makes a new one.
type layerProperties struct {
	CompatibleArchitectures []string
	CompatibleRuntimes      []string
	Content                 *struct{ S3Bucket, S3Key, S3ObjectVersion *string }
	Description             *string
	LayerName               *string
	LicenseInfo             *string
}

const layerNameMax = 140

func createLayerResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*layerProperties)
	if p.Content == nil {
		return fn.Invalid("Please provide a source for function code.")
	}
	name := p.LayerName
	if name == nil {
		name = new(r.GeneratedName(layerNameMax))
	}
	out, err := service.Invoke(ctx, c, api.PublishLayerVersion, &api.PublishLayerVersionInput{
		LayerName: name, Description: p.Description, LicenseInfo: p.LicenseInfo,
		CompatibleArchitectures: p.CompatibleArchitectures, CompatibleRuntimes: p.CompatibleRuntimes,
		Content: &api.LayerVersionContentInput{S3Bucket: p.Content.S3Bucket, S3Key: p.Content.S3Key, S3ObjectVersion: p.Content.S3ObjectVersion},
	})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.LayerVersionArn
	r.Attributes = map[string]any{"LayerVersionArn": r.PhysicalID}
	return nil
}

func deleteLayerResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	at, ok := fn.ParseLayerVersion(r.PhysicalID)
	if !ok {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.DeleteLayerVersion, &api.DeleteLayerVersionInput{LayerName: &at.Name, VersionNumber: &at.Number})
	return unlessGone(err)
}

// layerPermissionProperties are AWS::Lambda::LayerVersionPermission's. Every
// change makes a new one.
type layerPermissionProperties struct {
	Action          *string
	LayerVersionArn *string
	OrganizationId  *string
	Principal       *string
}

func createLayerPermissionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*layerPermissionProperties)
	at, ok := layerVersionOf(p.LayerVersionArn)
	if !ok {
		return fn.Invalid("LayerVersionArn must be the ARN of a layer's version.")
	}
	sid := r.GeneratedName(statementIDMax)
	_, err := service.Invoke(ctx, c, api.AddLayerVersionPermission, &api.AddLayerVersionPermissionInput{
		LayerName: new(layerARN(at)), VersionNumber: &at.Number, StatementId: &sid,
		Action: p.Action, Principal: p.Principal, OrganizationId: p.OrganizationId,
	})
	if err != nil {
		return err
	}
	r.PhysicalID = at.ARN() + idSplit + sid
	r.Attributes = map[string]any{"Id": r.PhysicalID}
	return nil
}

func layerVersionOf(text *string) (fn.LayerRef, bool) {
	if text == nil {
		return fn.LayerRef{}, false
	}
	return fn.ParseLayerVersion(*text)
}

func layerARN(at fn.LayerRef) string {
	at.Number = 0
	return at.ARN()
}

func deleteLayerPermissionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	text, sid, _ := strings.Cut(r.PhysicalID, idSplit)
	at, ok := fn.ParseLayerVersion(text)
	if !ok {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.RemoveLayerVersionPermission, &api.RemoveLayerVersionPermissionInput{LayerName: new(layerARN(at)), VersionNumber: &at.Number, StatementId: &sid})
	return unlessGone(err)
}
