package ecr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/smithy"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// readImage makes an image of a manifest.
func readImage(manifest, mediaType string, now time.Time) (*image, error) {
	m, err := engine.Parse([]byte(manifest), mediaType)
	if err != nil {
		return nil, invalidParameter("imageManifest", err.Error())
	}
	i := &image{Digest: digestOf([]byte(manifest)), MediaType: m.MediaType, Manifest: manifest, Artifact: m.Artifact(), Pushed: now}
	for _, d := range m.Layers {
		if !d.Foreign() {
			i.Layers = append(i.Layers, d.Digest)
			i.Bytes += d.Size
		}
	}
	if m.Config != nil {
		i.Layers = append(i.Layers, m.Config.Digest)
	}
	for _, d := range m.Manifests {
		i.Children = append(i.Children, d.Digest)
	}
	if m.Subject != nil {
		i.Subject = m.Subject.Digest
	}
	return i, nil
}

func (s *Service) putImage(ctx context.Context, c *service.Call, in *api.PutImageInput) (*api.PutImageOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	i, err := readImage(*in.ImageManifest, smithy.Val(in.ImageManifestMediaType), c.Now)
	if err != nil {
		return nil, err
	}
	if want := smithy.Val(in.ImageDigest); want != "" && want != i.Digest {
		return nil, api.ErrImageDigestDoesNotMatchException("The specified image digest '%s' does not match the digest '%s' that ECR calculated for the image", want, i.Digest)
	}
	tag := smithy.Val(in.ImageTag)
	if tag != "" && !tagForm.MatchString(tag) {
		return nil, invalidParameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'")
	}
	err = s.store.putImage(ctx, r, i, tag, func(now *repository, have *image, tagged string) error {
		return admitImage(now, i, have, tag, tagged)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutImageOutput{Image: describeManifest(r, i, tag)}, nil
}

// admitImage says whether an image may be stored under a tag. have is the same
// image as it is in the repository, tagged what the tag names.
func admitImage(r *repository, i, have *image, tag, tagged string) error {
	switch {
	case have != nil && (tag == "" || tagged == i.Digest):
		named := tag
		if named == "" {
			named = "null"
		}
		return api.ErrImageAlreadyExistsException("Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", i.Digest, named, r.Name, r.at.account)
	case tagged != "" && !r.mutable(tag):
		return api.ErrImageTagAlreadyExistsException("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, r.Name)
	case have != nil && len(have.Tags) >= tagsPerImageMax:
		return api.ErrLimitExceededException("An image can have up to %d tags.", tagsPerImageMax)
	}
	return nil
}

func describeManifest(r *repository, i *image, tag string) *api.Image {
	id := imageID{i.Digest, tag}.api()
	return &api.Image{
		RegistryId: &r.at.account, RepositoryName: &r.Name, ImageId: &id, ImageManifest: &i.Manifest, ImageManifestMediaType: &i.MediaType,
	}
}

// pulledEvery is how exactly the time of the last pull is kept.
const pulledEvery = time.Hour

func (s *Service) batchGetImage(ctx context.Context, c *service.Call, in *api.BatchGetImageInput) (*api.BatchGetImageOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.BatchGetImageOutput{Images: []api.Image{}, Failures: []api.ImageFailure{}}
	for _, one := range in.ImageIds {
		id := idOf(one)
		i, missing, err := s.look(ctx, r, id)
		if err != nil {
			return nil, err
		}
		if missing != nil {
			out.Failures = append(out.Failures, missing.api(id))
			continue
		}
		if c.Now.Sub(i.Pulled) > pulledEvery {
			if err := s.store.pulled(ctx, r, i.Digest, c.Now); err != nil && !errors.Is(err, errAbsent) {
				return nil, err
			}
		}
		out.Images = append(out.Images, *describeManifest(r, i, id.tag))
	}
	return out, nil
}

func (s *Service) batchDeleteImage(ctx context.Context, c *service.Call, in *api.BatchDeleteImageInput) (*api.BatchDeleteImageOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.BatchDeleteImageOutput{ImageIds: []api.ImageIdentifier{}, Failures: []api.ImageFailure{}}
	for _, one := range in.ImageIds {
		id := idOf(one)
		gone, missing, err := s.remove(ctx, r, id)
		if err != nil {
			return nil, err
		}
		if missing != nil {
			out.Failures = append(out.Failures, missing.api(id))
		}
		for _, g := range gone {
			out.ImageIds = append(out.ImageIds, g.api())
		}
	}
	return out, nil
}

// remove deletes one image, or one of its tags where id names one.
func (s *Service) remove(ctx context.Context, r *repository, id imageID) ([]imageID, *failure, error) {
	i, missing, err := s.look(ctx, r, id)
	if err != nil || missing != nil {
		return nil, missing, err
	}
	tag := id.tag
	if id.digest != "" {
		tag = "" // named by its digest it goes whole
	}
	gone, err := s.store.deleteImage(ctx, r, i.Digest, tag)
	switch {
	case errors.Is(err, errAbsent):
		return nil, &failure{api.ImageFailureCodeImageNotFound, "Requested image not found"}, nil
	case errors.Is(err, errReferenced):
		return nil, &failure{api.ImageFailureCodeImageReferencedByManifestList, "Requested image referenced by manifest list: [" + i.Parents[0] + "]"}, nil
	}
	return gone, nil, err
}

func (s *Service) describeImages(ctx context.Context, c *service.Call, in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeImagesOutput{ImageDetails: []api.ImageDetail{}}
	if len(in.ImageIds) > 0 {
		if in.NextToken != nil || in.MaxResults != nil || in.Filter != nil {
			return nil, api.ErrInvalidParameterException("Invalid request parameters: nextToken, maxResults and filter cannot be used with imageIds")
		}
		for _, one := range in.ImageIds {
			i, missing, err := s.look(ctx, r, idOf(one))
			if err != nil {
				return nil, err
			}
			if missing != nil {
				return nil, noImage(r, idOf(one))
			}
			out.ImageDetails = append(out.ImageDetails, describeImage(r, i))
		}
		return out, nil
	}
	status := wanted{}
	if in.Filter != nil {
		status = wanted{smithy.Val(in.Filter.TagStatus), smithy.Val(in.Filter.ImageStatus)}
	}
	list, next, err := s.images(ctx, r, smithy.Val(in.NextToken), limitOf(in.MaxResults), status)
	if err != nil {
		return nil, err
	}
	out.NextToken = next
	for i := range list {
		out.ImageDetails = append(out.ImageDetails, describeImage(r, &list[i]))
	}
	return out, nil
}

// wanted filters images; "" is any.
type wanted struct{ tags, status string }

func (w wanted) has(i *image) bool {
	switch {
	case w.status == api.ImageStatusFilterArchived, w.status == api.ImageStatusFilterActivating:
		return false // nothing is archived here
	case w.tags == api.TagStatusTagged:
		return len(i.Tags) > 0
	case w.tags == api.TagStatusUntagged:
		return len(i.Tags) == 0
	}
	return true
}

// images is a page of a repository's images after a digest.
func (s *Service) images(ctx context.Context, r *repository, after string, limit int, w wanted) ([]image, *string, error) {
	var out []image
	for {
		list, err := s.store.images(ctx, r, after, limit)
		if err != nil {
			return nil, nil, err
		}
		more := len(list) > limit
		for n := range list[:min(limit, len(list))] {
			after = list[n].Digest
			if !w.has(&list[n]) {
				continue
			}
			if out = append(out, list[n]); len(out) == limit && (more || n+1 < len(list)) {
				return out, new(after), nil
			}
		}
		if !more {
			return out, nil, nil
		}
	}
}

func (s *Service) listImages(ctx context.Context, c *service.Call, in *api.ListImagesInput) (*api.ListImagesOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	status := wanted{}
	if in.Filter != nil {
		status = wanted{smithy.Val(in.Filter.TagStatus), smithy.Val(in.Filter.ImageStatus)}
	}
	list, next, err := s.images(ctx, r, smithy.Val(in.NextToken), limitOf(in.MaxResults), status)
	if err != nil {
		return nil, err
	}
	out := &api.ListImagesOutput{ImageIds: []api.ImageIdentifier{}, NextToken: next}
	for _, i := range list {
		if len(i.Tags) == 0 {
			out.ImageIds = append(out.ImageIds, imageID{i.Digest, ""}.api())
		}
		for _, tag := range i.Tags {
			out.ImageIds = append(out.ImageIds, imageID{i.Digest, tag}.api())
		}
	}
	return out, nil
}
