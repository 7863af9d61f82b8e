package ecr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	api "moln.dev/moln/api/ecr"
	engine "moln.dev/moln/engine/image"
	"moln.dev/moln/platform/service"
)

func (x *registryRequest) getBlob() error {
	action := "GetDownloadUrlForLayer"
	if x.r.Method == http.MethodHead {
		action = "BatchCheckLayerAvailability"
	}
	r, err := x.repository(action)
	if err != nil {
		return err
	}
	unknown := registryError{http.StatusNotFound, "BLOB_UNKNOWN", "the layer is not in the repository"}
	if !engine.IsDigest(x.ref) {
		return unknown
	}
	if _, err := x.s.store.layer(x.r.Context(), r, x.ref); errors.Is(err, errAbsent) {
		return unknown
	} else if err != nil {
		return err
	}
	err = x.s.sendContent(x.w, x.r, r.at, x.ref)
	if errors.Is(err, errAbsent) {
		return unknown
	}
	return err
}

// beginUpload opens an upload. It may name a layer that another repository has,
// or be the whole upload.
func (x *registryRequest) beginUpload() error {
	if x.ref != "" {
		return registryError{http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is nothing of this path"}
	}
	query := x.r.URL.Query()
	if digest, from := query.Get("mount"), query.Get("from"); digest != "" && from != "" {
		if mounted, err := x.mount(digest, from); err != nil || mounted {
			return err
		}
	}
	out, err := service.Serve(x.r.Context(), x.c, api.InitiateLayerUpload, &api.InitiateLayerUploadInput{RepositoryName: &x.name})
	if err != nil {
		return err
	}
	x.ref = *out.UploadId
	if digest := query.Get("digest"); digest != "" {
		return x.endUpload()
	}
	x.tell(0)
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// mount takes a layer over from another repository, if there is one and the
// caller may read it; if not, he uploads.
func (x *registryRequest) mount(digest, from string) (bool, error) {
	ctx := x.r.Context()
	if !engine.IsDigest(digest) || !registryName.MatchString(from) {
		return false, nil
	}
	to, err := x.repository("InitiateLayerUpload")
	if err != nil {
		return false, err
	}
	source, err := x.s.find(ctx, x.c, nil, &from)
	if err != nil || x.s.judge(ctx, x.c, "GetDownloadUrlForLayer", source) != nil || x.s.judge(ctx, x.c, "BatchCheckLayerAvailability", source) != nil {
		return false, nil
	}
	if err := x.s.judge(ctx, x.c, "CompleteLayerUpload", to); err != nil {
		return false, err
	}
	err = x.s.store.mountLayer(ctx, source, to, digest, x.c.Now)
	if errors.Is(err, errAbsent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	x.created(digest)
	return true, nil
}

// tell says how far an upload is.
func (x *registryRequest) tell(bytes int64) {
	h := x.w.Header()
	h.Set("Location", "/v2/"+x.name+"/blobs/uploads/"+x.ref)
	h.Set("Docker-Upload-Uuid", x.ref)
	h.Set("Range", fmt.Sprintf("0-%d", max(bytes-1, 0)))
}

func (x *registryRequest) created(digest string) {
	x.w.Header().Set("Location", "/v2/"+x.name+"/blobs/"+digest)
	x.w.Header().Set("Docker-Content-Digest", digest)
	x.w.WriteHeader(http.StatusCreated)
}

// part takes the body of a request.
func (x *registryRequest) part(r *repository) (*upload, error) {
	first := int64(-1)
	if span := x.r.Header.Get("Content-Range"); span != "" {
		from, _, _ := strings.Cut(strings.TrimPrefix(span, "bytes "), "-")
		n, err := strconv.ParseInt(from, 10, 64)
		if err != nil || n < 0 {
			return nil, registryError{http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "Content-Range is no range of bytes"}
		}
		first = n
	}
	return x.s.receive(x.r.Context(), x.c, r, x.ref, first, x.r.Body, false)
}

func (x *registryRequest) patchUpload() error {
	r, err := x.repository("UploadLayerPart")
	if err != nil {
		return err
	}
	u, err := x.part(r)
	if err != nil {
		return err
	}
	x.tell(u.Bytes)
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (x *registryRequest) endUpload() error {
	r, err := x.repository("CompleteLayerUpload")
	if err != nil {
		return err
	}
	digest := x.r.URL.Query().Get("digest")
	if !engine.IsDigest(digest) {
		return registryError{http.StatusBadRequest, "DIGEST_INVALID", "the digest is missing, or not one of sha256"}
	}
	if x.r.ContentLength != 0 {
		if err := x.s.judge(x.r.Context(), x.c, "UploadLayerPart", r); err != nil {
			return err
		}
		if _, err := x.part(r); err != nil {
			return err
		}
	}
	if _, err := x.s.complete(x.r.Context(), x.c, r, x.ref, digest); err != nil {
		return err
	}
	x.created(digest)
	return nil
}

func (x *registryRequest) askUpload() error {
	r, err := x.repository("UploadLayerPart")
	if err != nil {
		return err
	}
	u, err := x.s.store.upload(x.r.Context(), r, x.ref)
	if errors.Is(err, errAbsent) {
		return noUpload(r, x.ref)
	}
	if err != nil {
		return err
	}
	x.tell(u.Bytes)
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *registryRequest) cancelUpload() error {
	r, err := x.repository("UploadLayerPart")
	if err != nil {
		return err
	}
	garbage, err := x.s.store.dropUpload(x.r.Context(), r.at, r.ID, x.ref)
	if errors.Is(err, errAbsent) {
		return noUpload(r, x.ref)
	}
	if err != nil {
		return err
	}
	x.s.discard(context.WithoutCancel(x.r.Context()), x.c, garbage)
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
