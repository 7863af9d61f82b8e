package s3

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"io"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
)

// received is a body that was taken in: encrypted, summed, and, where it is a
// blob, durable.
type received struct {
	body
	inline []byte // encrypted; nil where the body is a blob
	etag   string
	sums   checksum.Values
}

// intake says what a body must be.
type intake struct {
	expect  checksum.Expectation
	trailer func(string) string
	algs    []string // checksums wanted besides those expected
	max     int64
	// asBlob keeps small bodies out of the key-value store as well (parts).
	asBlob bool
}

// receive reads a body to its end. It holds InlineBytesMax and one block of the
// blob store in memory, whatever the body's size.
func (s *Service) receive(ctx context.Context, src io.Reader, in intake) (*received, error) {
	d := checksum.NewDigester(append(in.expect.Algorithms(), in.algs...)...)
	r := &received{body: body{ID: s.deps.Ident.Sortable()}}
	key, sealed := s.newDataKey(r.ID)
	r.Key = sealed
	stream, err := keystream(key, 0)
	if err != nil {
		return nil, err
	}
	src = io.TeeReader(io.LimitReader(src, in.max+1), d)
	first, err := readFirst(src)
	if err != nil {
		return nil, err
	}
	finish := func(size int64) error {
		if size > in.max {
			return entityTooLarge()
		}
		r.Size, r.etag, r.sums = size, d.ETag(), d.Sums()
		return d.Check(in.expect, in.trailer)
	}
	if len(first) <= InlineBytesMax && !in.asBlob {
		stream.XORKeyStream(first, first)
		r.inline = first
		return r, finish(int64(len(first)))
	}
	w, err := s.deps.Blobs.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	n, err := w.ReadFrom(cipher.StreamReader{S: stream, R: io.MultiReader(bytes.NewReader(first), src)})
	if err != nil {
		return nil, err
	}
	if err := finish(n); err != nil {
		return nil, err
	}
	r.Blob, err = w.Commit(ctx)
	return r, err
}

// readFirst reads up to one byte more than what is kept inline.
func readFirst(src io.Reader) ([]byte, error) {
	var buf bytes.Buffer
	_, err := io.CopyN(&buf, src, InlineBytesMax+1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	first := buf.Bytes()
	if first == nil {
		first = []byte{}
	}
	return first, err
}

// discard deletes blobs that nothing names. What fails is left for the sweep.
func (s *Service) discard(ctx context.Context, refs ...blob.Ref) {
	for _, ref := range refs {
		if !ref.IsZero() {
			_ = s.deps.Blobs.Delete(context.WithoutCancel(ctx), ref)
		}
	}
}

// undo discards a received body whose metadata was refused. After any other
// error the transaction may have happened, and the sweep finds out.
func (s *Service) undo(ctx context.Context, r *received, err error) {
	if fault.As(err) != nil {
		s.discard(ctx, r.Blob)
	}
}

// announced is the length that the client says its body has, or -1.
func announced(c *service.Call) int64 {
	if c.HTTP == nil {
		return 0
	}
	if c.HTTP.DecodedLength > 0 || c.HTTP.Request.Header.Get("X-Amz-Decoded-Content-Length") != "" {
		return c.HTTP.DecodedLength
	}
	return c.HTTP.Request.ContentLength
}

// open reads a part of an object's body, decrypted.
func (s *Service) open(ctx context.Context, o *object, at condition.Span) (io.ReadCloser, error) {
	if at.Length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if o.Parts > 0 {
		parts, err := s.store.parts(ctx, o.ID)
		if err != nil {
			return nil, err
		}
		return s.openParts(ctx, parts, at)
	}
	return s.openBody(ctx, o.body, at)
}

func (s *Service) openBody(ctx context.Context, b body, at condition.Span) (io.ReadCloser, error) {
	key, err := s.openDataKey(b.ID, b.Key)
	if err != nil {
		return nil, err
	}
	stream, err := keystream(key, at.Offset)
	if err != nil {
		return nil, err
	}
	if b.Blob.IsZero() {
		all, err := s.store.inline(ctx, b.ID)
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
	src, err := s.deps.Blobs.Open(ctx, b.Blob, at.Offset, at.Length)
	if err != nil {
		return nil, err
	}
	return decrypter{cipher.StreamReader{S: stream, R: src}, src}, nil
}

// openParts opens the first part at once, so that a body which is gone is
// noticed before the answer begins, and the others in their turn.
func (s *Service) openParts(ctx context.Context, parts []part, at condition.Span) (io.ReadCloser, error) {
	r := &partReader{ctx: ctx, s: s}
	start := int64(0)
	for _, p := range parts {
		from, to := max(at.Offset, start), min(at.Offset+at.Length, start+p.Size)
		if from < to {
			r.left = append(r.left, piece{p.body, condition.Span{Offset: from - start, Length: to - from}})
		}
		start += p.Size
	}
	return r, r.advance()
}

type piece struct {
	body
	at condition.Span
}

// partReader reads pieces of bodies one after the other.
type partReader struct {
	ctx  context.Context
	s    *Service
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
	next, err := r.s.openBody(r.ctx, r.left[0].body, r.left[0].at)
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

// isGone reports that bytes were deleted after their record was read.
func isGone(err error) bool {
	return errors.Is(err, kv.ErrNotFound) || errors.Is(err, blob.ErrNotFound)
}
