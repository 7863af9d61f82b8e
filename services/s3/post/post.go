// Package post takes uploads by HTML form: a POST to a bucket. It is a data
// plane, since the API's model has no such operation: it asks the gateway who
// signed the form's policy, and has PutObject carried out as that caller, with
// everything that goes with it. The form's language is in package form.
package post

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/form"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/restxml"
)

// Uploads takes forms. It is safe for concurrent use.
type Uploads struct{ store *store.Store }

// New returns one over a store.
func New(st *store.Store) *Uploads { return &Uploads{st} }

// Endpoint answers POSTs of forms to buckets.
func (u *Uploads) Endpoint() service.Endpoint {
	return service.Endpoint{
		Name:    "s3-post",
		Streams: true,
		Match: func(r *http.Request, host string) bool {
			return form.IsForm(r) && r.Header.Get("Authorization") == "" && bucketOf(r, host) != ""
		},
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
			w.Header().Set("x-amz-request-id", c.RequestID)
			w.Header().Set("x-amz-id-2", c.RequestID)
			if err := u.upload(w, r, c, bucketOf(r, host)); err != nil {
				fail(w, c, err)
			}
		},
	}
}

// bucketOf finds the bucket of a POST: in its host, where nothing may be in the
// path, or alone in its path.
func bucketOf(r *http.Request, host string) string {
	path := strings.Trim(r.URL.Path, "/")
	for _, mark := range []string{".s3.", ".s3-"} {
		at := strings.Index(host, mark)
		if at > 0 && !strings.HasPrefix(host[at:], ".s3-website") && path == "" {
			return host[:at]
		}
	}
	suffixed := strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".localhost")
	if suffixed && !strings.HasPrefix(host, "s3.") && !strings.HasPrefix(host, "s3-") {
		return ""
	}
	if naming.ValidBucket(path) || strings.HasSuffix(path, naming.AliasSuffix) {
		return path
	}
	return ""
}

func (u *Uploads) upload(w http.ResponseWriter, r *http.Request, c *service.Call, bucket string) error {
	ctx := r.Context()
	u.allowOrigin(ctx, w, c, bucket)
	f, err := form.Read(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	r.SetPathValue(bucketField, bucket)
	r.SetPathValue(keyField, f.Get("key"))
	file, err := u.admit(ctx, c, f, bucket)
	if err != nil {
		return err
	}
	in, err := input(r, c, f, bucket, file)
	if err != nil {
		return err
	}
	out, err := service.Serve(ctx, c, api.PutObject, in)
	if err != nil {
		return err
	}
	if out.VersionId != nil {
		w.Header().Set("x-amz-version-id", *out.VersionId)
	}
	for alg, sum := range op.GivenSums(out) {
		w.Header().Set("x-amz-checksum-"+strings.ToLower(alg), sum)
	}
	w.Header().Set("x-amz-checksum-type", smithy.Val(out.ChecksumType))
	f.Answer(w, form.Stored{
		Bucket: bucket, Key: f.Get("key"), ETag: smithy.Val(out.ETag), Location: location(r, f.Get("key")),
	})
	return nil
}

// The path values of a request under which Aim finds what it was about.
const (
	bucketField = "moln-s3-bucket"
	keyField    = "moln-s3-key"
)

// Aim is the bucket and the key of a form that was answered, as far as it could
// be read.
func Aim(r *http.Request) (bucket, key string) {
	return r.PathValue(bucketField), r.PathValue(keyField)
}

// allowOrigin lets the page that sent the form read the answer, where the
// bucket's rules do. A bucket that is not there is told later.
func (u *Uploads) allowOrigin(ctx context.Context, w http.ResponseWriter, c *service.Call, bucket string) {
	b, err := u.store.Bucket(ctx, bucket)
	if err != nil {
		return
	}
	op.AllowOrigin(c, b)
	for name, values := range c.HTTP.Header {
		w.Header()[name] = values
	}
}

// admit proves who signed, and gives the file within the bounds that he set.
// Without a signature the caller stays nobody, whom only the bucket's policy or
// list may let in.
func (u *Uploads) admit(ctx context.Context, c *service.Call, f *form.Form, bucket string) (io.Reader, error) {
	signed, err := f.Signed()
	if err != nil || signed == nil {
		return f.File, err
	}
	p, err := form.ParsePolicy(signed.Policy)
	if err != nil {
		return nil, err
	}
	if err := c.Authenticate(ctx, service.Proof{
		AccessKeyID: signed.AccessKeyID, Token: signed.Token, Date: signed.Date, Region: signed.Region,
		Service: signed.Service, Text: signed.Policy, Signature: signed.Signature,
		Expires: p.Expires, Expired: form.ErrExpired(),
	}); err != nil {
		return nil, err
	}
	if err := p.Check(f, bucket); err != nil {
		return nil, err
	}
	return p.Limit(f.File), nil
}

// input makes the PutObject that the form means, and lets the call look as if
// it had come with the form's fields as headers: condition keys, checksums and
// encryption are read from there.
func input(r *http.Request, c *service.Call, f *form.Form, bucket string, file io.Reader) (*api.PutObjectInput, error) {
	header := f.Headers()
	tags, err := f.Tagging()
	if err != nil {
		return nil, err
	}
	if tags != "" {
		header.Set("X-Amz-Tagging", tags)
	}
	for _, name := range []string{"User-Agent", "Referer", "Origin"} {
		if v := r.Header.Get(name); v != "" {
			header.Set(name, v)
		}
	}
	put := r.Clone(r.Context())
	put.Header, put.Body = header, nil
	c.HTTP.Request, c.HTTP.Body, c.HTTP.Form = put, file, true
	in := new(api.PutObjectInput)
	_, model := api.PutObject.Of()
	err = restxml.Codec{}.Decode(&api.Schema, model, &wire.Request{
		HTTP: put, Labels: map[string]string{"Bucket": bucket, "Key": f.Get("key")}, Query: url.Values{}, Stream: file,
	}, in)
	return in, err
}

// location is the URL of what was stored, as the client reaches it.
func location(r *http.Request, key string) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + strings.TrimSuffix(r.URL.EscapedPath(), "/") + "/" + naming.URLEncode(key)
}

// fail answers an error as S3's API does.
func fail(w http.ResponseWriter, c *service.Call, err error) {
	f := fault.As(err)
	if f == nil {
		if !errors.Is(err, context.Canceled) {
			c.Log.Error("form upload", "error", err)
		}
		f = fault.New("InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again.")
	}
	_, model := api.PutObject.Of()
	resp := &wire.Response{Status: f.Status, Header: http.Header{}}
	if err := (restxml.Codec{}).EncodeFault(&api.Schema, model, f, c.RequestID, resp); err != nil {
		c.Log.Error("encode fault", "code", f.Code, "error", err)
		resp.Status, resp.Body = http.StatusInternalServerError, nil
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.Status)
	_, _ = w.Write(resp.Body) // a client that went away
}
