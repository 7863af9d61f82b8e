package ecr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
)

func (s *Service) batchCheckLayerAvailability(ctx context.Context, c *service.Call, in *api.BatchCheckLayerAvailabilityInput) (*api.BatchCheckLayerAvailabilityOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.BatchCheckLayerAvailabilityOutput{Layers: []api.Layer{}, Failures: []api.LayerFailure{}}
	for _, digest := range in.LayerDigests {
		if !engine.IsDigest(digest) {
			out.Failures = append(out.Failures, api.LayerFailure{
				LayerDigest: &digest, FailureCode: new(api.LayerFailureCodeInvalidLayerDigest), FailureReason: new("Invalid layer digest: only sha256 is supported"),
			})
			continue
		}
		l, err := s.store.layer(ctx, r, digest)
		switch {
		case errors.Is(err, errAbsent):
			out.Layers = append(out.Layers, api.Layer{LayerDigest: &digest, LayerAvailability: new(api.LayerAvailabilityUnavailable)})
		case err != nil:
			return nil, err
		default:
			out.Layers = append(out.Layers, api.Layer{LayerDigest: &digest, LayerAvailability: new(api.LayerAvailabilityAvailable), LayerSize: &l.Bytes})
		}
	}
	return out, nil
}

func (s *Service) initiateLayerUpload(ctx context.Context, c *service.Call, in *api.InitiateLayerUploadInput) (*api.InitiateLayerUploadOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	u := &upload{ID: s.deps.Ident.UUID(), Created: c.Now}
	if err := s.store.putUpload(ctx, r, u); err != nil {
		return nil, err
	}
	return &api.InitiateLayerUploadOutput{UploadId: &u.ID, PartSize: new(int64(partBytesAdvised))}, nil
}

func (s *Service) uploadLayerPart(ctx context.Context, c *service.Call, in *api.UploadLayerPartInput) (*api.UploadLayerPartOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if *in.PartLastByte-*in.PartFirstByte+1 != int64(len(in.LayerPartBlob)) || len(in.LayerPartBlob) == 0 {
		return nil, invalidParameter("layerPartBlob", "The part does not have the bytes that partFirstByte and partLastByte say")
	}
	u, err := s.receive(ctx, c, r, *in.UploadId, *in.PartFirstByte, bytes.NewReader(in.LayerPartBlob), true)
	if err != nil {
		return nil, err
	}
	return &api.UploadLayerPartOutput{RegistryId: &r.at.account, RepositoryName: &r.Name, UploadId: &u.ID, LastByteReceived: new(u.Bytes - 1)}, nil
}

// receive appends bytes to an upload, from what must be its end; -1 is the end
// wherever that is. measured holds parts to ECR's least size.
func (s *Service) receive(ctx context.Context, c *service.Call, r *repository, id string, first int64, body io.Reader, measured bool) (*upload, error) {
	u, err := s.store.upload(ctx, r, id)
	if errors.Is(err, errAbsent) {
		return nil, noUpload(r, id)
	}
	if err != nil {
		return nil, err
	}
	if first >= 0 && first != u.Bytes {
		return nil, invalidPart(r, u)
	}
	hash := sha256.New()
	if len(u.Hash) > 0 {
		if err := hash.(hashState).UnmarshalBinary(u.Hash); err != nil {
			return nil, err
		}
	}
	ref, err := s.deps.Blobs.Put(ctx, io.TeeReader(io.LimitReader(body, layerBytesMax-u.Bytes+1), hash))
	if err != nil {
		return nil, err
	}
	if ref.Size == 0 {
		s.discard(ctx, c, []blob.Ref{ref})
		return u, nil
	}
	state, err := hash.(hashState).MarshalBinary()
	if err != nil {
		return nil, err
	}
	seen := u.Bytes
	err = s.store.addPart(ctx, r, id, func(now *upload) error {
		switch {
		case now.Bytes != seen: // another request was faster
			return invalidPart(r, now)
		case now.Bytes+ref.Size > layerBytesMax || len(now.Parts) >= partsMax:
			return api.ErrLimitExceededException("A layer can have up to %d bytes in %d parts.", int64(layerBytesMax), partsMax)
		}
		now.Short = now.Short || measured && len(now.Parts) > 0 && now.Parts[len(now.Parts)-1].Size < partBytesMin
		now.Parts, now.Hash = append(now.Parts, ref), state
		now.Bytes += ref.Size
		u = now
		return nil
	})
	if err != nil {
		s.discard(ctx, c, []blob.Ref{ref})
		return nil, err
	}
	return u, nil
}

func invalidPart(r *repository, u *upload) error {
	f := api.ErrInvalidLayerPartException("The layer part does not begin where the parts before it end, at byte %d", u.Bytes)
	return f.WithBody(&api.InvalidLayerPartException{
		RegistryId: &r.at.account, RepositoryName: &r.Name, UploadId: &u.ID, LastValidByteReceived: new(u.Bytes - 1),
	})
}

func (s *Service) completeLayerUpload(ctx context.Context, c *service.Call, in *api.CompleteLayerUploadInput) (*api.CompleteLayerUploadOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(in.LayerDigests) != 1 {
		return nil, invalidParameter("layerDigests", "moln takes one digest of a layer")
	}
	digest := in.LayerDigests[0]
	added, err := s.complete(ctx, c, r, *in.UploadId, digest)
	if err != nil {
		return nil, err
	}
	if !added {
		return nil, api.ErrLayerAlreadyExistsException("Layer with digest '%s' already exists in the repository with name '%s' in registry with id '%s'", digest, r.Name, r.at.account)
	}
	return &api.CompleteLayerUploadOutput{RegistryId: &r.at.account, RepositoryName: &r.Name, UploadId: in.UploadId, LayerDigest: &digest}, nil
}

// complete makes a layer of an upload (E2). added is false where the repository
// had it already.
func (s *Service) complete(ctx context.Context, c *service.Call, r *repository, id, digest string) (added bool, err error) {
	u, err := s.store.upload(ctx, r, id)
	switch {
	case errors.Is(err, errAbsent):
		return false, noUpload(r, id)
	case err != nil:
		return false, err
	case u.Bytes == 0:
		return false, api.ErrEmptyUploadException("The specified layer upload does not contain any layer parts.")
	case u.Short:
		return false, api.ErrLayerPartTooSmallException("Layer parts must be at least %d bytes in size.", partBytesMin)
	}
	hash := sha256.New()
	if err := hash.(hashState).UnmarshalBinary(u.Hash); err != nil {
		return false, err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != digest {
		return false, api.ErrInvalidLayerException("The layer digest '%s' does not match the digest '%s' of the bytes that were uploaded", digest, got)
	}
	garbage, added, err := s.store.completeUpload(ctx, r, u, digest, c.Now)
	if err == nil {
		s.discard(ctx, c, garbage)
	}
	return added, err
}

// discard deletes blobs that nothing names; what cannot be deleted is swept
// later.
func (s *Service) discard(ctx context.Context, c *service.Call, list []blob.Ref) {
	for _, ref := range list {
		if err := s.deps.Blobs.Delete(ctx, ref); err != nil {
			c.Log.Warn("delete a layer's bytes", "blob", ref.ID, "error", err)
		}
	}
}

func (s *Service) getDownloadURLForLayer(ctx context.Context, c *service.Call, in *api.GetDownloadUrlForLayerInput) (*api.GetDownloadUrlForLayerOutput, error) {
	r, err := s.find(ctx, c, in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	digest := smithy.Val(in.LayerDigest)
	if _, err := s.store.layer(ctx, r, digest); errors.Is(err, errAbsent) {
		return nil, noLayers(r, digest)
	} else if err != nil {
		return nil, err
	}
	return &api.GetDownloadUrlForLayerOutput{DownloadUrl: new(s.layerURL(c, r.at, digest)), LayerDigest: in.LayerDigest}, nil
}
