package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	api "moln.dev/moln/api/lambda"
	s3 "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/archive"
)

// Limits of a package as it comes.
const (
	zippedInlineMax = 50 << 20
	zippedMax       = 250 << 20
)

// packages keeps functions' packages: their bytes as blobs, their unpacked form
// as directories that can be made again.
type packages struct {
	blobs *blob.Store
	dir   string // "" where nothing is to be unpacked

	mu    sync.Mutex
	locks map[string]*sync.Mutex // one unpacking at a time, by hash
}

// source is where a request says that the code is.
type source struct {
	zip                  []byte
	bucket, key, version *string
	mode, image, kms     *string
}

// parcel is a package on its way in.
type parcel struct {
	io.ReaderAt
	bytes int64
	sum   [sha256.Size]byte
	file  *os.File // to be removed, or nil
}

func (p *parcel) sha256() string { return base64.StdEncoding.EncodeToString(p.sum[:]) }

func (p *parcel) close() {
	if p.file != nil {
		_ = p.file.Close()
		_ = os.Remove(p.file.Name())
	}
}

// fetch gets the code that a request names. S3 is asked as the caller.
func (s *Service) fetch(ctx context.Context, c *service.Call, src source, operation string) (*parcel, error) {
	fromS3 := src.bucket != nil || src.key != nil
	switch {
	case src.image != nil:
		return nil, unsupported("container images: package the function as a zip file")
	case smithy.Val(src.kms) != "":
		return nil, unsupported("SourceKMSKeyArn")
	case smithy.Val(src.mode) != "" && *src.mode != api.S3ObjectStorageModeCopy:
		return nil, unsupported("S3ObjectStorageMode %s", *src.mode)
	case fromS3 && src.zip != nil:
		return nil, invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case fromS3 && (smithy.Val(src.bucket) == "" || smithy.Val(src.key) == ""):
		return nil, invalid("Please provide a source for function code.")
	case fromS3:
		return s.fetchS3(ctx, c, src)
	case src.zip == nil:
		return nil, invalid("Please provide a source for function code.")
	case len(src.zip) == 0:
		return nil, invalid("%s", archive.ErrEmpty)
	case len(src.zip) > zippedInlineMax:
		return nil, api.ErrRequestTooLargeException("Request must be smaller than 70167211 bytes for the %s operation", operation)
	}
	return &parcel{ReaderAt: bytes.NewReader(src.zip), bytes: int64(len(src.zip)), sum: sha256.Sum256(src.zip)}, nil
}

func (s *Service) fetchS3(ctx context.Context, c *service.Call, src source) (*parcel, error) {
	out, err := service.Invoke(ctx, c, s3.GetObject, &s3.GetObjectInput{Bucket: src.bucket, Key: src.key, VersionId: src.version})
	if f := fault.As(err); f != nil {
		if f.Status == 403 {
			return nil, accessDenied("Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. S3 Error Code: %s. S3 Error Message: %s", *src.bucket, *src.key, f.Code, f.Message)
		}
		return nil, invalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", f.Code, f.Message)
	}
	if err != nil {
		return nil, err
	}
	if closer, ok := out.Body.(io.Closer); ok {
		defer closer.Close()
	}
	if smithy.Val(out.ContentLength) > zippedMax {
		return nil, invalid("%s", archive.ErrBig)
	}
	return s.packages.receive(out.Body)
}

// receive spools a body to a file: packages are read more than once.
func (k *packages) receive(body io.Reader) (*parcel, error) {
	if k.dir != "" {
		if err := os.MkdirAll(k.dir, 0o755); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(k.dir, "incoming-*")
	if err != nil {
		return nil, err
	}
	p := &parcel{ReaderAt: f, file: f}
	hash := sha256.New()
	p.bytes, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(body, zippedMax+1))
	hash.Sum(p.sum[:0])
	if err == nil && p.bytes > zippedMax {
		err = invalid("%s", archive.ErrBig)
	}
	if err == nil && p.bytes == 0 {
		err = invalid("%s", archive.ErrEmpty)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// admit checks and unpacks a package and stores its bytes (L1).
func (k *packages) admit(ctx context.Context, p *parcel, store bool) (code, error) {
	out := code{SHA256: p.sha256(), Bytes: p.bytes}
	var err error
	var bad archive.Fault
	if out.Unpacked, err = k.unpack(p, p.bytes, p.sum[:]); errors.As(err, &bad) {
		return code{}, invalid("%s", bad)
	}
	if err != nil || !store {
		return out, err
	}
	out.Blob, err = k.blobs.Put(ctx, io.NewSectionReader(p, 0, p.bytes))
	return out, err
}

// path is the directory of a package.
func (k *packages) path(sum []byte) string {
	return filepath.Join(k.dir, "code", hex.EncodeToString(sum))
}

// unpack makes the directory of a package, unless it is there.
func (k *packages) unpack(r io.ReaderAt, size int64, sum []byte) (int64, error) {
	if k.dir == "" {
		return archive.Unpack(r, size, "")
	}
	unlock := k.lock(string(sum))
	defer unlock()
	final := k.path(sum)
	if _, err := os.Stat(final); err == nil {
		return archive.Unpack(r, size, "")
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return 0, err
	}
	temp, err := os.MkdirTemp(k.dir, "unpack-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return 0, err
	}
	n, err := archive.Unpack(r, size, temp)
	if err != nil {
		return 0, err
	}
	if err := archive.Sync(temp); err != nil {
		return 0, err
	}
	return n, os.Rename(temp, final)
}

func (k *packages) lock(sum string) (unlock func()) {
	k.mu.Lock()
	l := k.locks[sum]
	if l == nil {
		l = new(sync.Mutex)
		k.locks[sum] = l
	}
	k.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// open returns the directory of a version's code, made again from its blob
// where it is missing.
func (k *packages) open(ctx context.Context, g *config) (string, error) {
	sum, err := base64.StdEncoding.DecodeString(g.Code.SHA256)
	if err != nil {
		return "", err
	}
	final := k.path(sum)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	body, err := k.blobs.Open(ctx, g.Code.Blob, 0, -1)
	if err != nil {
		return "", fmt.Errorf("code of %s: %w", g.Name, err)
	}
	defer body.Close()
	p, err := k.receive(body)
	if err != nil {
		return "", err
	}
	defer p.close()
	if p.sha256() != g.Code.SHA256 {
		return "", fmt.Errorf("code of %s: the stored package is not the one that was uploaded", g.Name)
	}
	_, err = k.unpack(p, p.bytes, sum)
	return final, err
}

// sweepAfter is how long a directory is left alone: it may be on its way in.
const sweepAfter = time.Hour

// sweep removes directories of packages that no version names, and what a
// crash left behind, if they are old enough. now is real time, as files have it.
func (k *packages) sweep(alive map[string]bool, now time.Time) error {
	left, _ := filepath.Glob(filepath.Join(k.dir, "*-*"))
	dirs, _ := filepath.Glob(filepath.Join(k.dir, "code", "*"))
	for _, dir := range dirs {
		sum, err := hex.DecodeString(filepath.Base(dir))
		if err != nil || !alive[base64.StdEncoding.EncodeToString(sum)] {
			left = append(left, dir)
		}
	}
	for _, name := range left {
		if st, err := os.Stat(name); err != nil || now.Sub(st.ModTime()) < sweepAfter {
			continue
		}
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes blobs that no version names any more.
func (s *Service) drop(ctx context.Context, c *service.Call, list []blob.Ref) {
	for _, b := range list {
		if err := s.deps.Blobs.Delete(ctx, b); err != nil {
			c.Log.Warn("delete a function's old package", "blob", b.ID, "error", err)
		}
	}
}
