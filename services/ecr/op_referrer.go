package ecr

import (
	"context"
	"slices"

	api "moln.dev/moln/api/ecr"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
)

// listImageReferrers finds what was pushed about an image: signatures, bills of
// material. They are few, and so is what a repository holds; all are read.
func (s *Service) listImageReferrers(ctx context.Context, c *service.Call, in *api.ListImageReferrersInput) (*api.ListImageReferrersOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if !engine.IsDigest(*in.SubjectId.ImageDigest) {
		return nil, invalidParameter("imageDigest", "must satisfy regular expression 'sha256:[0-9a-f]{64}'")
	}
	list, err := s.store.images(ctx, r, "", 0)
	if err != nil {
		return nil, err
	}
	out := &api.ListImageReferrersOutput{Referrers: []api.ImageReferrer{}}
	for _, i := range list {
		if i.Subject != *in.SubjectId.ImageDigest || !wantedReferrer(in.Filter, &i) {
			continue
		}
		m, err := engine.Parse([]byte(i.Manifest), i.MediaType)
		if err != nil {
			return nil, err // it was checked when it was stored
		}
		out.Referrers = append(out.Referrers, api.ImageReferrer{
			Digest: &i.Digest, MediaType: &i.MediaType, ArtifactType: &i.Artifact, Size: new(int64(len(i.Manifest))),
			Annotations: m.Annotations, ArtifactStatus: new(api.ArtifactStatusActive),
		})
	}
	return out, nil
}

func wantedReferrer(f *api.ListImageReferrersFilter, i *image) bool {
	switch {
	case f == nil:
		return true
	case f.ArtifactStatus != nil && *f.ArtifactStatus != api.ArtifactStatusFilterActive && *f.ArtifactStatus != api.ArtifactStatusFilterAny:
		return false
	}
	return len(f.ArtifactTypes) == 0 || slices.Contains(f.ArtifactTypes, i.Artifact)
}
