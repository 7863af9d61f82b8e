package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"io"

	"moln.dev/moln/services/s3/condition"
)

// Open reads a part of an object's body, decrypted.
func (s *Store) Open(ctx context.Context, o *Object, at condition.Span) (io.ReadCloser, error) {
	if at.Length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if o.Parts > 0 {
		parts, err := s.Parts(ctx, o.ID)
		if err != nil {
			return nil, err
		}
		return s.openParts(ctx, parts, at)
	}
	return s.openBody(ctx, o.Body, at)
}

func (s *Store) openBody(ctx context.Context, b Body, at condition.Span) (io.ReadCloser, error) {
	key, err := s.openDataKey(b.ID, b.DataKey)
	if err != nil {
		return nil, err
	}
	stream, err := keystream(key, at.Offset)
	if err != nil {
		return nil, err
	}
	if b.Blob.IsZero() {
		all, err := s.inline(ctx, b.ID)
		if err != nil {
			return nil, err
		}
		if int64(len(all)) != b.Size {
			return nil, errors.New("s3: inline body has another size than its record")
		}
		some := all[at.Offset : at.Offset+at.Length]
		stream.XORKeyStream(some, some)
		return io.NopCloser(bytes.NewReader(some)), nil
	}
	src, err := s.blobs.Open(ctx, b.Blob, at.Offset, at.Length)
	if err != nil {
		return nil, err
	}
	return decrypter{cipher.StreamReader{S: stream, R: src}, src}, nil
}

// openParts opens the first part at once, so that a body which is gone is
// noticed before the answer begins, and the others in their turn.
func (s *Store) openParts(ctx context.Context, parts []Part, at condition.Span) (io.ReadCloser, error) {
	r := &partReader{ctx: ctx, s: s}
	start := int64(0)
	for _, p := range parts {
		from, to := max(at.Offset, start), min(at.Offset+at.Length, start+p.Size)
		if from < to {
			r.left = append(r.left, piece{p.Body, condition.Span{Offset: from - start, Length: to - from}})
		}
		start += p.Size
	}
	return r, r.advance()
}

type piece struct {
	Body
	at condition.Span
}

// partReader reads pieces of bodies one after the other.
type partReader struct {
	ctx  context.Context
	s    *Store
	left []piece
	now  io.ReadCloser
}

func (r *partReader) advance() error {
	if r.now != nil {
		r.now.Close()
		r.now = nil
	}
	if len(r.left) == 0 {
		return io.EOF
	}
	next, err := r.s.openBody(r.ctx, r.left[0].Body, r.left[0].at)
	r.now, r.left = next, r.left[1:]
	if err != nil {
		r.now = nil
	}
	return err
}

// Read implements io.Reader.
func (r *partReader) Read(p []byte) (int, error) {
	for r.now != nil {
		n, err := r.now.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		err = r.advance()
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// Close implements io.Closer.
func (r *partReader) Close() error {
	r.left = nil
	if r.now == nil {
		return nil
	}
	return r.now.Close()
}

// inline returns the stored bytes of a small body.
func (s *Store) inline(ctx context.Context, id string) ([]byte, error) {
	return s.kv.Get(ctx, keyInline(id))
}
