package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Limits bound an unpacked image.
type Limits struct {
	Bytes   int64 // of all files of all layers together, those that are replaced too
	Entries int
}

// windowMax bounds the memory of zstd's decoder.
const windowMax = 128 << 20

// Unpack writes the layers of an image, the lowest first, into dir, which must
// be empty; Sync makes them durable. open gives the bytes of a layer as they are
// in a registry. Where it fails, what is in dir is of no use.
func Unpack(ctx context.Context, dir string, m *Manifest, c *Config, open func(Descriptor) (io.ReadCloser, error), limits Limits) error {
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return bad("the configuration names %d layers and the manifest %d", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := newUnpacker(root, limits, len(m.Layers))
	for i, d := range m.Layers {
		if d.Foreign() {
			return bad("layer %s is kept elsewhere", d.Digest)
		}
		if err := u.layer(ctx, d, c.RootFS.DiffIDs[i], open); err != nil {
			return fmt.Errorf("layer %s: %w", d.Digest, err)
		}
	}
	return u.finish()
}

// newUnpacker sets what an image of so many layers may cost. All together cannot
// hold more than their files and what tar puts around them: a stream that goes
// on is made to waste time.
func newUnpacker(root *os.Root, limits Limits, layers int) *unpacker {
	return &unpacker{
		root: root, left: limits, names: namesBytesMax, work: workMax, modes: map[string]directory{},
		plain: limits.Bytes + int64(limits.Entries)*entryBytesMax + int64(layers)*trailerMax,
	}
}

// layer unpacks one layer and checks its digests (I3).
func (u *unpacker) layer(ctx context.Context, d Descriptor, diffID string, open func(Descriptor) (io.ReadCloser, error)) error {
	body, err := open(d)
	if err != nil {
		return err
	}
	defer body.Close()
	stored := newDigester(&contextReader{ctx, io.LimitReader(body, d.Size+1)})
	plain, err := decompress(stored)
	if err != nil {
		return err
	}
	defer plain.Close()
	diff := newDigester(io.LimitReader(plain, u.plain))
	defer func() { u.plain -= diff.bytes }()
	if err := u.apply(diff); err != nil {
		return err
	}
	// What follows a tar's end belongs to the layer as well.
	rest, err := io.Copy(io.Discard, io.LimitReader(diff, trailerMax+1))
	if err != nil {
		return damaged(err)
	}
	if _, err := io.Copy(io.Discard, stored); err != nil {
		return err
	}
	switch {
	case rest > trailerMax:
		return bad("more than %d bytes follow the end of the layer", trailerMax)
	case stored.bytes != d.Size || stored.digest() != d.Digest:
		return bad("the layer's bytes are not those of its digest")
	case diff.digest() != diffID:
		return bad("the layer's content is not that of its diff id %s", diffID)
	}
	return nil
}

// trailerMax is what may follow the end of a tar archive: padding.
const trailerMax = 1 << 20

// entryBytesMax is what an entry takes beside its content: headers, padding.
const entryBytesMax = 16 << 10

// namesBytesMax is how long the names of all entries may be together: they are
// held while a layer is unpacked.
const namesBytesMax = 256 << 20

// workMax is how many looks at the file system an image may cost: some for each
// directory in a name, and one for each file where a directory is emptied.
const workMax = 100_000_000

// damaged words what a decoder or the tar reader found.
func damaged(err error) error {
	var path *os.PathError
	var link *os.LinkError
	ours := errors.As(err, &path) || errors.As(err, &link) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if ours && (errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ENOTDIR)) {
		ours = false // no system could have such a file
	}
	if err == nil || IsBad(err) || ours {
		return err
	}
	return bad("the layer is damaged: %s", err)
}

// decompress tells by the first bytes how a layer is compressed.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		return z, damaged(err)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowMax))
		if err != nil {
			return nil, damaged(err)
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}

// digester hashes and counts what is read through it.
type digester struct {
	r     io.Reader
	hash  hash.Hash
	bytes int64
}

func newDigester(r io.Reader) *digester { return &digester{r: r, hash: sha256.New()} }

func (d *digester) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	_, _ = d.hash.Write(p[:n])
	d.bytes += int64(n)
	return n, err
}

func (d *digester) digest() string { return "sha256:" + hex.EncodeToString(d.hash.Sum(nil)) }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// apply puts the entries of one layer over what is there.
func (u *unpacker) apply(r io.Reader) error {
	u.own = map[string]bool{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
		if u.left.Entries--; u.left.Entries < 0 {
			return bad("the image has too many entries")
		}
		if u.names -= len(h.Name); u.names < 0 {
			return bad("the names in the image are too long")
		}
		if err := u.entry(h, t); err != nil {
			return fmt.Errorf("entry %.200q: %w", h.Name, damaged(err))
		}
	}
}
