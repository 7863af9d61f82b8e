package layers

import (
	"context"
	"errors"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code"
	"moln.dev/moln/services/lambda/fn"
)

// timeLayout is CreatedDate's.
const timeLayout = "2006-01-02T15:04:05.000+0000"

// Layers answers requests about layers. Safe for concurrent use.
type Layers struct {
	store    fn.Store
	packages *code.Packages
	ids      *ident.Source
	location func(c *service.Call, b blob.Ref) string
}

// New keeps layers in st; location makes a URL from which a blob can be fetched.
func New(st fn.Store, packages *code.Packages, ids *ident.Source, location func(c *service.Call, b blob.Ref) string) *Layers {
	return &Layers{store: st, packages: packages, ids: ids, location: location}
}

// counter is a layer's record: the newest number ever given (Y1).
type counter struct {
	Published int64 `json:"published"`
}

// version is one version of a layer.
type version struct {
	Number        int64     `json:"number"`
	Description   *string   `json:"description,omitempty"`
	License       *string   `json:"license,omitempty"`
	Runtimes      []string  `json:"runtimes,omitempty"`
	Architectures []string  `json:"architectures,omitempty"`
	Created       time.Time `json:"created"`
	Code          fn.Code   `json:"code"`
}

func (v *version) matches(runtime, architecture *string) bool {
	return fits(v.Runtimes, runtime) && fits(v.Architectures, architecture)
}

func fits(list []string, want *string) bool {
	if smithy.Val(want) == "" {
		return true
	}
	for _, have := range list {
		if have == *want {
			return true
		}
	}
	return false
}

const noResource = "The resource you requested does not exist."

// refOf reads the layer and version that a request names.
func refOf(c *service.Call, name *string, number *int64) (fn.LayerRef, error) {
	r := fn.ParseLayer(fn.PlaceOf(c), smithy.Val(name))
	if r.Region != c.Region {
		return r, fn.NoResource("%s", noResource)
	}
	if number != nil {
		if r.Number = *number; r.Number < 1 {
			return r, fn.Invalid("Layer Version Cannot be less than 1")
		}
	}
	return r, nil
}

func (l *Layers) load(ctx context.Context, r fn.LayerRef) (*version, bool, error) {
	v, ok, err := fn.Read[version](l.store.Reader(ctx), r.VersionKey())
	return &v, ok, err
}

// Publish stores the next version of a layer.
func (l *Layers) Publish(ctx context.Context, c *service.Call, in *api.PublishLayerVersionInput) (*api.PublishLayerVersionOutput, error) {
	r, err := refOf(c, in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	p, err := l.packages.Fetch(ctx, c, code.Source{
		Zip: in.Content.ZipFile, Bucket: in.Content.S3Bucket, Key: in.Content.S3Key, Version: in.Content.S3ObjectVersion,
		Mode: in.Content.S3ObjectStorageMode,
	}, "PublishLayerVersion")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	v := version{
		Description: in.Description, License: in.LicenseInfo, Runtimes: in.CompatibleRuntimes, Architectures: in.CompatibleArchitectures,
		Created: c.Now,
	}
	if v.Code, err = l.packages.Admit(ctx, p, true); err != nil {
		return nil, err
	}
	err = l.store.DB.Update(ctx, func(tx *kv.Tx) error {
		n, _, err := fn.Read[counter](tx.Get, r.Key())
		if err != nil {
			return err
		}
		n.Published++
		v.Number, r.Number = n.Published, n.Published
		return errors.Join(
			fn.Write(tx, fn.LayerRef{Place: r.Place, Name: r.Name}.Key(), n), fn.Write(tx, r.VersionKey(), v),
			tx.Put(r.BlobKey(v.Code.Blob.ID), []byte(v.Code.SHA256)),
		)
	}, r.Key())
	if err != nil {
		return nil, err
	}
	out := api.PublishLayerVersionOutput(*l.describe(c, r, &v))
	return &out, nil
}

func (l *Layers) describe(c *service.Call, r fn.LayerRef, v *version) *api.GetLayerVersionOutput {
	return &api.GetLayerVersionOutput{
		Content:  &api.LayerVersionContentOutput{Location: new(l.location(c, v.Code.Blob)), CodeSha256: new(v.Code.SHA256), CodeSize: new(v.Code.Bytes)},
		LayerArn: new(fn.LayerRef{Place: r.Place, Name: r.Name}.ARN()), LayerVersionArn: new(r.ARN()), Version: new(v.Number),
		Description: v.Description, CreatedDate: new(v.Created.UTC().Format(timeLayout)), LicenseInfo: v.License,
		CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures,
	}
}

// Get describes a version by its layer and number.
func (l *Layers) Get(ctx context.Context, c *service.Call, in *api.GetLayerVersionInput) (*api.GetLayerVersionOutput, error) {
	r, err := refOf(c, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return l.get(ctx, c, r)
}

// GetByARN describes a version by its ARN.
func (l *Layers) GetByARN(ctx context.Context, c *service.Call, in *api.GetLayerVersionByArnInput) (*api.GetLayerVersionByArnOutput, error) {
	r, ok := fn.ParseLayerVersion(*in.Arn)
	if !ok || r.Region != c.Region {
		return nil, fn.NoResource("%s", noResource)
	}
	return l.get(ctx, c, r)
}

func (l *Layers) get(ctx context.Context, c *service.Call, r fn.LayerRef) (*api.GetLayerVersionOutput, error) {
	v, ok, err := l.load(ctx, r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fn.NoResource("%s", noResource)
	}
	return l.describe(c, r, v), nil
}

// Delete removes a version and its policy. One that is not there is no error.
// Functions that have it keep its content (fn.LayerUse).
func (l *Layers) Delete(ctx context.Context, c *service.Call, in *api.DeleteLayerVersionInput) (*api.DeleteLayerVersionOutput, error) {
	r, err := refOf(c, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	var dropped []blob.Ref
	err = l.store.DB.Update(ctx, func(tx *kv.Tx) error {
		dropped = nil
		v, ok, err := fn.Read[version](tx.Get, r.VersionKey())
		if err != nil || !ok {
			return err
		}
		if dropped, err = fn.DropBlobKey(tx, r.BlobKey(v.Code.Blob.ID), v.Code.Blob); err != nil {
			return err
		}
		return errors.Join(tx.Delete(r.VersionKey()), tx.Delete(r.PolicyKey()))
	}, r.VersionKey())
	if err == nil {
		l.packages.Drop(ctx, c, dropped)
	}
	return nil, err
}

// Check says what a request is about: a layer, or a version with its policy. ok
// is false where the request is about no layer.
func (l *Layers) Check(ctx context.Context, c *service.Call, in any) (check service.Check, ok bool, err error) {
	var r fn.LayerRef
	switch in := in.(type) {
	case *api.ListLayersInput, *api.ListLayerVersionsInput:
		return service.Check{Resource: "*"}, true, nil
	case *api.PublishLayerVersionInput:
		r, err = refOf(c, in.LayerName, nil)
	case *api.GetLayerVersionInput:
		r, err = refOf(c, in.LayerName, in.VersionNumber)
	case *api.GetLayerVersionByArnInput:
		if r, ok = fn.ParseLayerVersion(smithy.Val(in.Arn)); !ok {
			return service.Check{Resource: "*"}, true, nil
		}
	case *api.DeleteLayerVersionInput:
		r, err = refOf(c, in.LayerName, in.VersionNumber)
	case *api.AddLayerVersionPermissionInput:
		r, err = refOf(c, in.LayerName, in.VersionNumber)
	case *api.RemoveLayerVersionPermissionInput:
		r, err = refOf(c, in.LayerName, in.VersionNumber)
	case *api.GetLayerVersionPolicyInput:
		r, err = refOf(c, in.LayerName, in.VersionNumber)
	default:
		return service.Check{}, false, nil
	}
	if err != nil {
		return service.Check{}, true, err
	}
	check, err = l.checkOn(ctx, r)
	return check, true, err
}

func (l *Layers) checkOn(ctx context.Context, r fn.LayerRef) (service.Check, error) {
	check := service.Check{Resource: r.ARN(), Account: r.Account, Context: policy.Keys{}}
	if r.Number == 0 {
		return check, nil
	}
	p, ok, err := fn.Read[fn.ResourcePolicy](l.store.Reader(ctx), r.PolicyKey())
	if err == nil && ok {
		check.Policy, err = p.Compile(r.ARN())
	}
	return check, err
}
