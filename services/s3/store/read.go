package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/services/s3/condition"
)

// Open reads a part of an object's body, decrypted. Every byte that it hands
// out was checked; what cannot be read is a *DamageError, which is logged, or
// IsGone where the object was replaced since o was loaded. The first block is
// read by Open, so that its damage is an answer of its own.
//
// A read that has begun goes on to its end, however long it takes, whatever
// becomes of the object: see lease. It holds one block of a blob and one chunk
// of parts in memory.
func (s *Store) Open(ctx context.Context, b *Bucket, o *Object, at condition.Span) (io.ReadCloser, error) {
	if at.Length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	r := &objectReader{ctx: ctx, s: s, b: b, o: o}
	var err error
	if o.Parts > 0 {
		r.src, err = s.openParts(ctx, o.PartsID(), o.outer, at)
	} else {
		r.src, err = s.openBody(ctx, o.Body, o.small, at)
	}
	if err == nil {
		if r.ready, err = r.src.Next(); err != nil {
			r.src.Close()
		}
	}
	if err != nil {
		return nil, r.failed(err)
	}
	if o.Parts > 0 || !o.Blob.IsZero() {
		r.lease = s.lease(o.ID)
	}
	return r, nil
}

// source gives the bytes of a range piece by piece. A piece is the caller's
// until the next call or Close; io.EOF comes at the end.
type source interface {
	Next() ([]byte, error)
	io.Closer
}

// objectReader reads an object and names it when that fails.
type objectReader struct {
	ctx   context.Context
	s     *Store
	b     *Bucket
	o     *Object
	src   source
	ready []byte // not handed out yet
	lease *lease
}

// Read implements io.Reader.
func (r *objectReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: bytes go out from where they were decrypted.
func (r *objectReader) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		err := r.fill()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(r.ready)
		total += int64(n)
		r.ready = r.ready[n:]
		if err != nil {
			return total, err
		}
	}
}

// fill makes ready not empty, or fails; with io.EOF at the end.
func (r *objectReader) fill() error {
	for len(r.ready) == 0 {
		var err error
		if r.ready, err = r.src.Next(); err != nil {
			if !errors.Is(err, io.EOF) {
				err = r.failed(err)
			}
			return err
		}
	}
	return nil
}

// Close implements io.Closer.
func (r *objectReader) Close() error {
	if r.lease != nil {
		r.lease.end()
	}
	r.ready = nil
	return r.src.Close()
}

func (r *objectReader) failed(err error) error {
	err = r.s.damage(r.ctx, r.b, r.o, err)
	if d := (*DamageError)(nil); errors.As(err, &d) {
		r.s.log.Error("object is damaged", "bucket", d.Bucket, "key", d.Key, "version", d.Version, "part", d.Part, "reason", d.Reason)
	}
	return err
}

func (s *Store) openBody(ctx context.Context, b Body, small []byte, at condition.Span) (source, error) {
	key, err := s.openDataKey(b)
	if err != nil {
		return nil, err
	}
	stream, err := keystream(key, at.Offset)
	if err != nil {
		return nil, err
	}
	if b.Blob.IsZero() {
		all, err := s.inline(ctx, b, small)
		if err != nil {
			return nil, err
		}
		some := make([]byte, at.Length)
		stream.XORKeyStream(some, all[at.Offset:at.Offset+at.Length])
		return &inlineSource{some}, nil
	}
	src, err := s.blobs.Open(ctx, b.Blob, at.Offset, at.Length)
	if err != nil {
		return nil, err
	}
	return decrypter{src, stream}, nil
}

// inlineSource is a small body, decrypted.
type inlineSource struct{ rest []byte }

// Next implements source.
func (i *inlineSource) Next() ([]byte, error) {
	if len(i.rest) == 0 {
		return nil, io.EOF
	}
	all := i.rest
	i.rest = nil
	return all, nil
}

// Close implements io.Closer.
func (i *inlineSource) Close() error { return nil }

// decrypter decrypts a blob where it was read to.
type decrypter struct {
	*blob.Reader
	stream cipher.Stream
}

// Next implements source.
func (d decrypter) Next() ([]byte, error) {
	block, err := d.Reader.Next()
	d.stream.XORKeyStream(block, block)
	return block, err
}

// inline returns the stored bytes of a small body, checked.
func (s *Store) inline(ctx context.Context, b Body, small []byte) ([]byte, error) {
	all := small
	if all == nil {
		var err error
		if all, err = s.kv.Get(ctx, keyInline(b.ID)); err != nil {
			return nil, err
		}
	}
	if int64(len(all)) != b.Size {
		return nil, fmt.Errorf("%w: %d bytes of %d", errBody, len(all), b.Size)
	}
	if b.Check != 0 && checkOf(b.ID, all) != b.Check {
		return nil, fmt.Errorf("%w: checksum does not match", errBody)
	}
	return all, nil
}

// openParts opens the part that a range begins in at once, so that a body which
// is gone is noticed before the answer begins, and the others in their turn.
func (s *Store) openParts(ctx context.Context, id string, outer []byte, at condition.Span) (source, error) {
	list, err := s.partList(ctx, id)
	if err != nil {
		return nil, err
	}
	n := list.index.chunkAt(at.Offset)
	r := &partReader{ctx: ctx, list: list, outer: outer, next: n, skip: at.Offset - list.index.Starts[n], left: at.Length}
	if err := r.advance(); err != nil {
		return nil, err
	}
	return r, nil
}

// partReader reads a range of parts one after the other.
type partReader struct {
	ctx    context.Context
	list   *partList
	outer  []byte // see Object.Unlock
	next   int    // chunk to load next
	chunk  []Part // of the loaded chunk, those not opened yet
	skip   int64  // bytes before the range, from the next part on
	left   int64  // bytes of the range in parts not opened yet
	now    source
	number int // of the part that is read now
}

// advance opens the next part that holds some of the range; io.EOF if none does.
func (r *partReader) advance() error {
	if r.now != nil {
		r.now.Close()
		r.now = nil
	}
	for r.left > 0 {
		if len(r.chunk) == 0 {
			chunk, err := r.list.chunk(r.next)
			if err != nil {
				return err
			}
			if len(chunk) == 0 {
				return fmt.Errorf("%w: there are fewer bytes in the parts than in the object", errBody)
			}
			r.chunk = chunk
			r.next++
		}
		p := r.chunk[0]
		r.chunk = r.chunk[1:]
		if r.skip >= p.Size {
			r.skip -= p.Size
			continue
		}
		at := condition.Span{Offset: r.skip, Length: min(p.Size-r.skip, r.left)}
		src, err := r.list.s.openBody(r.ctx, p.Body.under(r.outer), nil, at)
		if err != nil {
			return &partError{p.Number, err}
		}
		r.now, r.number, r.skip = src, p.Number, 0
		r.left -= at.Length
		return nil
	}
	return io.EOF
}

// Next implements source.
func (r *partReader) Next() ([]byte, error) {
	for r.now != nil {
		block, err := r.now.Next()
		if err == nil {
			return block, nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, &partError{r.number, err}
		}
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// Close implements io.Closer.
func (r *partReader) Close() error {
	r.left = 0
	if r.now == nil {
		return nil
	}
	return r.now.Close()
}
