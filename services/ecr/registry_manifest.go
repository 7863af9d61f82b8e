package ecr

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/ecr"
	"moln.dev/moln/aws/fault"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
)

// id is the image that the path names.
func (x *registryRequest) id() api.ImageIdentifier {
	if strings.Contains(x.ref, ":") {
		return imageID{digest: x.ref}.api()
	}
	return imageID{tag: x.ref}.api()
}

func (x *registryRequest) getManifest() error {
	out, err := service.Serve(x.r.Context(), x.c, api.BatchGetImage, &api.BatchGetImageInput{RepositoryName: &x.name, ImageIds: []api.ImageIdentifier{x.id()}})
	if err != nil {
		return err
	}
	if len(out.Images) == 0 {
		return registryError{http.StatusNotFound, "MANIFEST_UNKNOWN", *out.Failures[0].FailureReason}
	}
	i := out.Images[0]
	h := x.w.Header()
	h.Set("Content-Type", *i.ImageManifestMediaType)
	h.Set("Content-Length", strconv.Itoa(len(*i.ImageManifest)))
	h.Set("Docker-Content-Digest", *i.ImageId.ImageDigest)
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method != http.MethodHead {
		_, _ = io.WriteString(x.w, *i.ImageManifest)
	}
	return nil
}

func (x *registryRequest) putManifest() error {
	raw, err := io.ReadAll(io.LimitReader(x.r.Body, engine.ManifestBytesMax+1))
	if err != nil {
		return registryError{http.StatusBadRequest, "MANIFEST_INVALID", "the manifest was cut short"}
	}
	if len(raw) == 0 || len(raw) > engine.ManifestBytesMax {
		return registryError{http.StatusBadRequest, "MANIFEST_INVALID", fmt.Sprintf("a manifest has between 1 and %d bytes", engine.ManifestBytesMax)}
	}
	in := &api.PutImageInput{RepositoryName: &x.name, ImageManifest: new(string(raw))}
	if t, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";"); t != "" {
		in.ImageManifestMediaType = new(strings.TrimSpace(t))
	}
	id := x.id()
	in.ImageTag, in.ImageDigest = id.ImageTag, id.ImageDigest
	_, err = service.Serve(x.r.Context(), x.c, api.PutImage, in)
	if f := fault.As(err); f != nil && f.Code == "LayersNotFoundException" {
		return registryError{http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", f.Message}
	} else if f == nil || f.Code != "ImageAlreadyExistsException" {
		if err != nil {
			return err
		}
	}
	digest := digestOf(raw)
	if m, err := engine.Parse(raw, ""); err == nil && m.Subject != nil {
		x.w.Header().Set("Oci-Subject", m.Subject.Digest)
	}
	x.w.Header().Set("Docker-Content-Digest", digest)
	x.w.Header().Set("Location", "/v2/"+x.name+"/manifests/"+digest)
	x.w.WriteHeader(http.StatusCreated)
	return nil
}

func (x *registryRequest) deleteManifest() error {
	out, err := service.Serve(x.r.Context(), x.c, api.BatchDeleteImage, &api.BatchDeleteImageInput{RepositoryName: &x.name, ImageIds: []api.ImageIdentifier{x.id()}})
	if err != nil {
		return err
	}
	if len(out.ImageIds) == 0 {
		f := out.Failures[0]
		if *f.FailureCode == api.ImageFailureCodeImageReferencedByManifestList {
			return registryError{http.StatusConflict, "DENIED", *f.FailureReason}
		}
		return registryError{http.StatusNotFound, "MANIFEST_UNKNOWN", *f.FailureReason}
	}
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// page reads the parameters n and last.
func (x *registryRequest) page() (limit int32, after string, err error) {
	query := x.r.URL.Query()
	limit = pageDefault
	if n := query.Get("n"); n != "" {
		value, err := strconv.ParseInt(n, 10, 32)
		if err != nil || value < 1 {
			return 0, "", registryError{http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "n is not a number above 0"}
		}
		limit = int32(min(value, 1000))
	}
	return limit, query.Get("last"), nil
}

// link tells where a list goes on.
func (x *registryRequest) link(path string, limit int32, last string) {
	x.w.Header().Set("Link", fmt.Sprintf(`<%s?n=%d&last=%s>; rel="next"`, path, limit, url.QueryEscape(last)))
}

func (x *registryRequest) listTags() error {
	if x.ref != "list" {
		return registryError{http.StatusNotFound, "NAME_UNKNOWN", "there is nothing of this path"}
	}
	limit, after, err := x.page()
	if err != nil {
		return err
	}
	all := []string{}
	in := &api.ListImagesInput{RepositoryName: &x.name, Filter: &api.ListImagesFilter{TagStatus: new(api.TagStatusTagged)}, MaxResults: new(int32(1000))}
	for {
		out, err := service.Serve(x.r.Context(), x.c, api.ListImages, in)
		if err != nil {
			return err
		}
		for _, id := range out.ImageIds {
			if *id.ImageTag > after {
				all = append(all, *id.ImageTag)
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.Sort(all)
	if len(all) > int(limit) {
		all = all[:limit]
		x.link("/v2/"+x.name+"/tags/list", limit, all[limit-1])
	}
	return x.answer(http.StatusOK, map[string]any{"name": x.name, "tags": all})
}

func (x *registryRequest) referrers() error {
	out, err := service.Serve(x.r.Context(), x.c, api.ListImageReferrers, &api.ListImageReferrersInput{
		RepositoryName: &x.name, SubjectId: &api.SubjectIdentifier{ImageDigest: &x.ref},
	})
	if err != nil {
		return err
	}
	list := []engine.Descriptor{}
	wanted := x.r.URL.Query().Get("artifactType")
	for _, one := range out.Referrers {
		if wanted == "" || wanted == *one.ArtifactType {
			list = append(list, engine.Descriptor{MediaType: *one.MediaType, Digest: *one.Digest, Size: *one.Size, ArtifactType: *one.ArtifactType, Annotations: one.Annotations})
		}
	}
	if wanted != "" {
		x.w.Header().Set("Oci-Filters-Applied", "artifactType")
	}
	x.w.Header().Set("Content-Type", engine.OCIIndex)
	return x.answer(http.StatusOK, map[string]any{"schemaVersion": 2, "mediaType": engine.OCIIndex, "manifests": list})
}
