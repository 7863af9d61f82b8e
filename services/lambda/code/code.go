// Package code keeps functions' deployment packages: it takes them in from a
// request or from S3, checks them, stores their bytes as blobs, and unpacks them
// into directories that can be made again. It does not know what runs them.
package code

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
	"moln.dev/moln/engine/whole"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code/archive"
	"moln.dev/moln/services/lambda/fn"
)

// Limits of a package as it comes.
const (
	ZippedInlineMax = 50 << 20
	zippedMax       = 250 << 20
)

// Packages keeps functions' packages: their bytes as blobs, their unpacked form
// as directories that can be made again.
type Packages struct {
	blobs *blob.Store
	Dir   string // "" where nothing is to be unpacked

	mu    sync.Mutex
	locks map[string]*sync.Mutex // one unpacking at a time, by hash
}

// New keeps packages in blobs, and unpacked below dir; "" unpacks none.
func New(blobs *blob.Store, dir string) *Packages {
	return &Packages{blobs: blobs, Dir: dir, locks: map[string]*sync.Mutex{}}
}

// Source is where a request says that the code is.
type Source struct {
	Zip                  []byte
	Bucket, Key, Version *string
	Mode, KMSKey         *string
}

// Parcel is a package on its way in.
type Parcel struct {
	io.ReaderAt
	bytes int64
	sum   [sha256.Size]byte
	file  *os.File // to be removed, or nil
}

func (p *Parcel) sha256() string { return base64.StdEncoding.EncodeToString(p.sum[:]) }

// Close removes what was spooled.
func (p *Parcel) Close() {
	if p.file != nil {
		_ = p.file.Close()
		_ = os.Remove(p.file.Name())
	}
}

// Fetch gets the code that a request names. S3 is asked as the caller.
func (k *Packages) Fetch(ctx context.Context, c *service.Call, src Source, operation string) (*Parcel, error) {
	fromS3 := src.Bucket != nil || src.Key != nil
	switch {
	case smithy.Val(src.KMSKey) != "":
		return nil, fn.Unsupported("SourceKMSKeyArn")
	case smithy.Val(src.Mode) != "" && *src.Mode != api.S3ObjectStorageModeCopy:
		return nil, fn.Unsupported("S3ObjectStorageMode %s", *src.Mode)
	case fromS3 && src.Zip != nil:
		return nil, fn.Invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case fromS3 && (smithy.Val(src.Bucket) == "" || smithy.Val(src.Key) == ""):
		return nil, fn.Invalid("Please provide a source for function code.")
	case fromS3:
		return k.fetchS3(ctx, c, src)
	case src.Zip == nil:
		return nil, fn.Invalid("Please provide a source for function code.")
	case len(src.Zip) == 0:
		return nil, fn.Invalid("%s", archive.ErrEmpty)
	case len(src.Zip) > ZippedInlineMax:
		return nil, api.ErrRequestTooLargeException("Request must be smaller than 70167211 bytes for the %s operation", operation)
	}
	return &Parcel{ReaderAt: bytes.NewReader(src.Zip), bytes: int64(len(src.Zip)), sum: sha256.Sum256(src.Zip)}, nil
}

func (k *Packages) fetchS3(ctx context.Context, c *service.Call, src Source) (*Parcel, error) {
	out, err := service.Invoke(ctx, c, s3.GetObject, &s3.GetObjectInput{Bucket: src.Bucket, Key: src.Key, VersionId: src.Version})
	if f := fault.As(err); f != nil {
		if f.Status == 403 {
			return nil, fn.AccessDenied("Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. S3 Error Code: %s. S3 Error Message: %s", *src.Bucket, *src.Key, f.Code, f.Message)
		}
		return nil, fn.Invalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", f.Code, f.Message)
	}
	if err != nil {
		return nil, err
	}
	if closer, ok := out.Body.(io.Closer); ok {
		defer closer.Close()
	}
	if smithy.Val(out.ContentLength) > zippedMax {
		return nil, fn.Invalid("%s", archive.ErrBig)
	}
	return k.receive(out.Body)
}

// receive spools a body to a file: packages are read more than once.
func (k *Packages) receive(body io.Reader) (*Parcel, error) {
	if k.Dir != "" {
		if err := os.MkdirAll(k.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(k.Dir, "incoming-*")
	if err != nil {
		return nil, err
	}
	p := &Parcel{ReaderAt: f, file: f}
	hash := sha256.New()
	p.bytes, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(body, zippedMax+1))
	hash.Sum(p.sum[:0])
	if err == nil && p.bytes > zippedMax {
		err = fn.Invalid("%s", archive.ErrBig)
	}
	if err == nil && p.bytes == 0 {
		err = fn.Invalid("%s", archive.ErrEmpty)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Admit checks and unpacks a package and stores its bytes (L1).
func (k *Packages) Admit(ctx context.Context, p *Parcel, store bool) (fn.Code, error) {
	out := fn.Code{SHA256: p.sha256(), Bytes: p.bytes}
	var bad archive.Fault
	content, err := k.unpack(p, p.bytes, p.sum[:])
	if errors.As(err, &bad) {
		return fn.Code{}, fn.Invalid("%s", bad)
	}
	out.Unpacked, out.X86, out.ARM = content.Bytes, content.Machines.X86, content.Machines.ARM
	if err != nil || !store {
		return out, err
	}
	out.Blob, err = k.blobs.Put(ctx, io.NewSectionReader(p, 0, p.bytes))
	return out, err
}

// path is the directory of a package.
func (k *Packages) path(sum []byte) string {
	return filepath.Join(k.Dir, "code", hex.EncodeToString(sum))
}

// unpack makes the directory of a package, unless it is there.
func (k *Packages) unpack(r io.ReaderAt, size int64, sum []byte) (archive.Content, error) {
	if k.Dir == "" {
		return archive.Unpack(r, size, "")
	}
	unlock := k.lock(string(sum))
	defer unlock()
	final := k.path(sum)
	if _, err := os.Stat(final); err == nil {
		return archive.Unpack(r, size, "")
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return archive.Content{}, err
	}
	var content archive.Content
	err := whole.Make(k.Dir, final, func(temp string) (err error) {
		content, err = archive.Unpack(r, size, temp)
		return err
	})
	return content, err
}

func (k *Packages) lock(sum string) (unlock func()) {
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

// Open returns the directory of a version's code, made again from its blob
// where it is missing.
func (k *Packages) Open(ctx context.Context, g *fn.Config) (string, error) {
	return k.open(ctx, g.Name, g.Code)
}

// open is Open for the code of anything by its name.
func (k *Packages) open(ctx context.Context, name string, c fn.Code) (string, error) {
	sum, err := base64.StdEncoding.DecodeString(c.SHA256)
	if err != nil {
		return "", err
	}
	final := k.path(sum)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	body, err := k.blobs.Open(ctx, c.Blob, 0, -1)
	if err != nil {
		return "", fmt.Errorf("code of %s: %w", name, err)
	}
	defer body.Close()
	p, err := k.receive(body)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if p.sha256() != c.SHA256 {
		return "", fmt.Errorf("code of %s: the stored package is not the one that was uploaded", name)
	}
	_, err = k.unpack(p, p.bytes, sum)
	return final, err
}

// Unpacks says that there is a directory to sweep.
func (k *Packages) Unpacks() bool { return k.Dir != "" }

// sweepAfter is how long a directory is left alone: it may be on its way in.
const sweepAfter = time.Hour

// Sweep removes directories of packages that no version names, and what a
// crash left behind, if they are old enough. now is real time, as files have it.
func (k *Packages) Sweep(alive map[string]bool, now time.Time) error {
	left, _ := filepath.Glob(filepath.Join(k.Dir, "*-*"))
	dirs, _ := filepath.Glob(filepath.Join(k.Dir, "code", "*"))
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

// Drop deletes blobs that no version names any more.
func (k *Packages) Drop(ctx context.Context, c *service.Call, list []blob.Ref) {
	for _, b := range list {
		if err := k.blobs.Delete(ctx, b); err != nil {
			c.Log.Warn("delete a function's old package", "blob", b.ID, "error", err)
		}
	}
}
