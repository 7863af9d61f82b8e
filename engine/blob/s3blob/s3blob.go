// Package s3blob keeps blobs as objects PREFIX/SCOPE/ID in a bucket of any
// S3-compatible store: the driver of a cluster, whose nodes share it.
//
// It is as durable as the store: ask what yours keeps after a power cut. The
// bucket must not be versioned, or garbage is never gone, and should have a
// lifecycle rule that aborts incomplete multipart uploads, which a crash leaves
// and nothing here lists. Of an object uploaded in parts some stores tell the
// time its upload began: Sweep's olderThan must be longer than an upload takes.
//
// A stream that writes holds one part in memory (PartBytesFirst, from
// partsOfFirstSize on PartBytesLater); one that reads holds nothing.
package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"moln.dev/moln/engine/blob/driver"
)

const (
	// PartBytesFirst is the size of the first parts of an upload; what is
	// smaller is put at once.
	PartBytesFirst = 8 << 20
	// PartBytesLater is the size of the parts of a large upload, so that 10,000
	// parts, the most S3 takes, reach half a terabyte.
	PartBytesLater   = 64 << 20
	partsOfFirstSize = 1000
	partsMax         = 10_000
)

// Config says where the bucket is.
type Config struct {
	// Endpoint is a URL: http or https, host, port.
	Endpoint string
	Region   string
	Bucket   string
	// Prefix is put before the names of objects, with a slash between.
	Prefix string
	// AccessKey and SecretKey are left empty for anonymous access.
	AccessKey, SecretKey string
	// Transport, if not nil, makes the connections.
	Transport http.RoundTripper
}

// ErrBucket: there is no such bucket.
var ErrBucket = errors.New("s3blob: no such bucket")

type store struct {
	core   *minio.Core
	bucket string
	prefix string
	closed atomic.Bool
}

var _ driver.Driver = (*store)(nil)

// Open connects to the store and makes sure that the bucket exists.
func Open(ctx context.Context, c Config) (driver.Driver, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("s3blob: endpoint %q is no http or https URL", c.Endpoint)
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:    u.Scheme == "https",
		Region:    c.Region,
		Transport: c.Transport,
	})
	if err != nil {
		return nil, fmt.Errorf("s3blob: %w", err)
	}
	ok, err := core.BucketExists(ctx, c.Bucket)
	if err != nil {
		return nil, fmt.Errorf("s3blob: bucket %s: %w", c.Bucket, err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrBucket, c.Bucket)
	}
	prefix := strings.Trim(c.Prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &store{core: core, bucket: c.Bucket, prefix: prefix}, nil
}

func (s *store) name(key driver.Key) string { return s.prefix + key.Scope + "/" + key.ID }

func (s *store) Create(ctx context.Context, key driver.Key) (driver.Writer, error) {
	if s.closed.Load() {
		return nil, driver.ErrClosed
	}
	return &writer{store: s, ctx: ctx, name: s.name(key)}, nil
}

func (s *store) Open(ctx context.Context, key driver.Key, offset, length int64) (io.ReadCloser, error) {
	if s.closed.Load() {
		return nil, driver.ErrClosed
	}
	var opts minio.GetObjectOptions
	if length == 0 { // a range of nothing cannot be asked for
		_, err := s.core.StatObject(ctx, s.bucket, s.name(key), opts)
		return http.NoBody, known(err)
	}
	if err := opts.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	body, _, _, err := s.core.GetObject(ctx, s.bucket, s.name(key), opts)
	if err != nil && minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return http.NoBody, nil // stored is less than that: the caller finds it cut short
	}
	if err != nil {
		return nil, known(err)
	}
	return body, nil
}

// known gives an error of the store its name in the contract.
func known(err error) error {
	if err == nil {
		return nil
	}
	r := minio.ToErrorResponse(err)
	if r.Code == minio.NoSuchBucket {
		return fmt.Errorf("%w: %w", ErrBucket, err) // not that one blob is gone
	}
	if r.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w: %w", driver.ErrNotFound, err)
	}
	return err
}

func (s *store) Delete(ctx context.Context, key driver.Key) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	err := known(s.core.RemoveObject(ctx, s.bucket, s.name(key), minio.RemoveObjectOptions{}))
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}

func (s *store) List(ctx context.Context, scope string, fn func(driver.Info) error) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // which ends the goroutine behind the channel
	top := s.prefix + scope + "/"
	for o := range s.core.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: top, Recursive: true}) {
		if o.Err != nil {
			return o.Err
		}
		err := fn(driver.Info{
			Key:         driver.Key{Scope: scope, ID: strings.TrimPrefix(o.Key, top)},
			StoredBytes: o.Size, Modified: o.LastModified,
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *store) Close() error {
	s.closed.Store(true)
	return nil
}

// writer collects a part and uploads it when the next byte comes.
type writer struct {
	store  *store
	ctx    context.Context // of Create: bounds the uploads of parts
	name   string
	part   bytes.Buffer
	upload string // id of the multipart upload; empty before the second part
	parts  []minio.CompletePart
}

func (w *writer) partBytes() int {
	if len(w.parts) < partsOfFirstSize {
		return PartBytesFirst
	}
	return PartBytesLater
}

func (w *writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		room := w.partBytes() - w.part.Len()
		if room == 0 {
			if err := w.sendPart(w.ctx); err != nil {
				return written, err
			}
			continue
		}
		n, _ := w.part.Write(p[:min(room, len(p))]) // a Buffer does not fail
		written += n
		p = p[n:]
	}
	return written, nil
}

func (w *writer) sendPart(ctx context.Context) error {
	if w.upload == "" {
		id, err := w.store.core.NewMultipartUpload(ctx, w.store.bucket, w.name, minio.PutObjectOptions{})
		if err != nil {
			return err
		}
		w.upload = id
	}
	if len(w.parts) == partsMax {
		return fmt.Errorf("%w: more than %d parts", driver.ErrTooLarge, partsMax)
	}
	number := len(w.parts) + 1
	body := bytes.NewReader(w.part.Bytes())
	sent, err := w.store.core.PutObjectPart(ctx, w.store.bucket, w.name, w.upload, number, body, body.Size(), minio.PutObjectPartOptions{})
	if err != nil {
		return err
	}
	w.parts = append(w.parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
	w.part.Reset()
	return nil
}

func (w *writer) Commit(ctx context.Context) error {
	err := ctx.Err()
	if err == nil && w.store.closed.Load() {
		err = driver.ErrClosed
	}
	if err == nil {
		err = w.publish(ctx)
	}
	if err != nil {
		_ = w.Abort()
	}
	return err
}

func (w *writer) publish(ctx context.Context) error {
	if w.upload == "" {
		body := bytes.NewReader(w.part.Bytes())
		_, err := w.store.core.PutObject(ctx, w.store.bucket, w.name, body, body.Size(), "", "", minio.PutObjectOptions{})
		return err
	}
	if w.part.Len() > 0 {
		if err := w.sendPart(ctx); err != nil {
			return err
		}
	}
	_, err := w.store.core.CompleteMultipartUpload(ctx, w.store.bucket, w.name, w.upload, w.parts, minio.PutObjectOptions{})
	return err
}

// Abort also works when the context of the writing is done: that is when it is
// needed.
func (w *writer) Abort() error {
	w.part = bytes.Buffer{}
	if w.upload == "" {
		return nil
	}
	id := w.upload
	w.upload = ""
	return w.store.core.AbortMultipartUpload(context.WithoutCancel(w.ctx), w.store.bucket, w.name, id)
}
