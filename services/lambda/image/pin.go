package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"

	ecr "moln.dev/moln/api/ecr"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

const servicePrincipal = "lambda.amazonaws.com"

// Architecture is this host's, as Lambda calls it.
func Architecture() string {
	if runtime.GOARCH == "arm64" {
		return api.ArchitectureArm64
	}
	return api.ArchitectureX8664
}

// Pin finds the image that a URI names now, for a function of the architecture,
// and unpacks it. The caller must be allowed to read it, and so must Lambda.
func (m *Images) Pin(ctx context.Context, c *service.Call, r fn.Ref, uri, architecture string) (*fn.Image, error) {
	_, own, _ := strings.Cut(m.deps.Site.Endpoint, "://")
	src, ok := parse(uri, own, r.Account, r.Region)
	if !ok {
		return nil, fn.Invalid("Source image %s is not valid. Provide a valid source image.", uri)
	}
	if src.region != r.Region {
		return nil, fn.Invalid("Source image %s is not valid. Provide a source image of the function's region, %s.", uri, r.Region)
	}
	if architecture != Architecture() {
		return nil, fn.Unsupported("images for %s on this host, whose architecture is %s", architecture, Architecture())
	}
	found, err := get(ctx, c, src, ecr.ImageIdentifier{ImageTag: nonEmpty(src.tag), ImageDigest: nonEmpty(src.digest)})
	if err != nil {
		return nil, word(err, uri)
	}
	image := &fn.Image{
		URI: uri, Resolved: withDigest(uri, *found.ImageId.ImageDigest),
		Account: src.account, Region: src.region, Repository: src.repository, Digest: *found.ImageId.ImageDigest,
	}
	if err := m.grant(ctx, c, r, image); err != nil {
		return nil, word(err, uri)
	}
	if image.Digest, err = m.pick(ctx, m.lambda(r), image, found); err != nil {
		return nil, word(err, uri)
	}
	if _, _, err := m.Open(ctx, r, image); err != nil {
		return nil, word(err, uri)
	}
	return image, nil
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// errMissing: the registry has no such image.
var errMissing = errors.New("image: there is no such image")

// word says why an image cannot be had, as Lambda does.
func word(err error, uri string) error {
	f := fault.As(err)
	var bad engine.Error
	switch {
	case errors.As(err, &bad):
		return fn.Invalid("The image manifest, config or layer media type for the source image %s is not supported. (%s)", uri, err)
	case errors.Is(err, errMissing), f != nil && (f.Code == "RepositoryNotFoundException" || f.Code == "LayersNotFoundException"):
		return fn.Invalid("Source image %s does not exist. Provide a valid source image.", uri)
	case f != nil && f.Code == "AccessDeniedException" && !strings.HasPrefix(f.Message, "Lambda "):
		return fn.AccessDenied("Lambda does not have permission to access the ECR image. Check the ECR permissions. (%s)", f.Message)
	}
	return err
}

// get asks the registry for one manifest.
func get(ctx context.Context, c *service.Call, src source, id ecr.ImageIdentifier) (*ecr.Image, error) {
	out, err := service.Invoke(ctx, c, ecr.BatchGetImage, &ecr.BatchGetImageInput{
		RegistryId: &src.account, RepositoryName: &src.repository, ImageIds: []ecr.ImageIdentifier{id},
	})
	if err != nil {
		return nil, err
	}
	if len(out.Images) != 1 {
		return nil, errMissing
	}
	return &out.Images[0], nil
}

func sourceOf(i *fn.Image) source {
	return source{account: i.Account, region: i.Region, repository: i.Repository, digest: i.Digest}
}

// lambda is a call of Lambda itself for a function.
func (m *Images) lambda(r fn.Ref) *service.Call {
	return m.deps.System(r.Account, r.Region).As(identity.Service(servicePrincipal, r.Account, r.Unqualified().ARN()))
}

// pick gives the digest of the manifest for this host: found's own, or that of
// the one of an index.
func (m *Images) pick(ctx context.Context, c *service.Call, image *fn.Image, found *ecr.Image) (string, error) {
	manifest, err := engine.Parse([]byte(*found.ImageManifest), *found.ImageManifestMediaType)
	if err != nil {
		return "", err
	}
	if !manifest.IsIndex() {
		return image.Digest, nil
	}
	for _, d := range manifest.Manifests {
		if d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH {
			_, err := get(ctx, c, sourceOf(image), ecr.ImageIdentifier{ImageDigest: &d.Digest})
			return d.Digest, err
		}
	}
	return "", engine.Error(fmt.Sprintf("the index has no image for linux/%s", runtime.GOARCH))
}

// grant makes sure that Lambda may read the image. Where the repository's policy
// does not say so, the caller may: a statement is added to it in his name.
func (m *Images) grant(ctx context.Context, c *service.Call, r fn.Ref, image *fn.Image) error {
	err := m.readable(ctx, r, image)
	if f := fault.As(err); f == nil || f.Code != "AccessDeniedException" {
		return err
	}
	if allowErr := allow(ctx, c, r, image); allowErr != nil {
		if fault.As(allowErr) == nil {
			return allowErr
		}
		return fn.AccessDenied("Lambda does not have permission to access the ECR image. Check the ECR permissions.")
	}
	return m.readable(ctx, r, image)
}

// readable asks whether Lambda may have the manifest and the layers.
func (m *Images) readable(ctx context.Context, r fn.Ref, image *fn.Image) error {
	c := m.lambda(r)
	if _, err := get(ctx, c, sourceOf(image), ecr.ImageIdentifier{ImageDigest: &image.Digest}); err != nil {
		return err
	}
	// A layer that is not there is told only to who may ask for it.
	_, err := service.Invoke(ctx, c, ecr.GetDownloadUrlForLayer, &ecr.GetDownloadUrlForLayerInput{
		RegistryId: &image.Account, RepositoryName: &image.Repository, LayerDigest: &image.Digest,
	})
	if f := fault.As(err); f != nil && f.Code == "LayersNotFoundException" {
		return nil
	}
	return err
}

// statementID is what AWS's Lambda calls the statement it adds.
const statementID = "LambdaECRImageRetrievalPolicy"

// allow adds to the repository's policy that Lambda may read it for functions of
// the account.
func allow(ctx context.Context, c *service.Call, r fn.Ref, image *fn.Image) error {
	out, err := service.Invoke(ctx, c, ecr.GetRepositoryPolicy, &ecr.GetRepositoryPolicyInput{RegistryId: &image.Account, RepositoryName: &image.Repository})
	text := ""
	switch f := fault.As(err); {
	case f != nil && f.Code == "RepositoryPolicyNotFoundException":
	case err != nil:
		return err
	default:
		text = *out.PolicyText
	}
	doc, err := withStatement(text, arn.PartitionOf(r.Region), r.Region, r.Account)
	if err != nil {
		return err
	}
	_, err = service.Invoke(ctx, c, ecr.SetRepositoryPolicy, &ecr.SetRepositoryPolicyInput{RegistryId: &image.Account, RepositoryName: &image.Repository, PolicyText: &doc})
	return err
}

// withStatement is a policy, "" for none, with the statement for Lambda in it.
func withStatement(text, partition, region, account string) (string, error) {
	doc := map[string]json.RawMessage{"Version": json.RawMessage(`"2008-10-17"`)}
	var statements []json.RawMessage
	if text != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return "", err
		}
		if err := json.Unmarshal(doc["Statement"], &statements); err != nil {
			statements = []json.RawMessage{doc["Statement"]} // one may stand for itself
		}
	}
	kept := statements[:0]
	for _, s := range statements {
		var named struct{ Sid string }
		if json.Unmarshal(s, &named) != nil || named.Sid != statementID {
			kept = append(kept, s)
		}
	}
	own, err := json.Marshal(map[string]any{
		"Sid": statementID, "Effect": "Allow", "Principal": map[string]string{"Service": servicePrincipal},
		"Action":    []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
		"Condition": map[string]any{"StringLike": map[string]string{"aws:sourceArn": "arn:" + partition + ":lambda:" + region + ":" + account + ":function:*"}},
	})
	if err != nil {
		return "", err
	}
	if doc["Statement"], err = json.Marshal(append(kept, own)); err != nil {
		return "", err
	}
	out, err := json.Marshal(doc)
	return string(out), err
}
