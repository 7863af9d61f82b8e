package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"io"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/s3err"
)

// Received is a body that was taken in: encrypted, summed, and, where it is a
// blob, durable.
type Received struct {
	Body
	Inline []byte // encrypted; nil where the body is a blob
	ETag   string
	Sums   checksum.Values
}

// Intake says what a body must be.
type Intake struct {
	Expect     checksum.Expectation
	Trailer    func(string) string
	Algorithms []string // checksums wanted besides those expected
	Max        int64
	// AsBlob keeps small bodies out of the key-value store as well (parts).
	AsBlob bool
	// Protect says how the body's data key is kept.
	Protect Protection
}

// Receive reads a body to its end. It holds InlineBytesMax and one block of the
// blob store in memory, whatever the body's size.
func (s *Store) Receive(ctx context.Context, src io.Reader, in Intake) (*Received, error) {
	d := checksum.NewDigester(append(in.Expect.Algorithms(), in.Algorithms...)...)
	r := &Received{Body: Body{ID: s.ids.Sortable()}}
	key, sealed, err := s.newDataKey(r.ID, in.Protect)
	if err != nil {
		return nil, err
	}
	r.DataKey, r.Locked = sealed, in.Protect.Outer != nil
	stream, err := keystream(key, 0)
	if err != nil {
		return nil, err
	}
	src = io.TeeReader(io.LimitReader(src, in.Max+1), d)
	first, err := readFirst(src)
	if err != nil {
		return nil, err
	}
	finish := func(size int64) error {
		if size > in.Max {
			return s3err.EntityTooLarge()
		}
		r.Size, r.ETag, r.Sums = size, d.ETag(), d.Sums()
		if r.Locked {
			r.ETag = s.ids.Hex(etagBytes) // an MD5 would tell of the plaintext
		}
		return d.Check(in.Expect, in.Trailer)
	}
	if len(first) <= InlineBytesMax && !in.AsBlob {
		stream.XORKeyStream(first, first)
		r.Inline, r.Check = first, checkOf(r.ID, first)
		return r, finish(int64(len(first)))
	}
	w, err := s.blobs.Create(ctx)
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

// etagBytes is half the digits of an ETag.
const etagBytes = 16

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

// Discard drops a received body that nothing names. If that fails it is left for
// Collect.
func (s *Store) Discard(ctx context.Context, r *Received) {
	if !r.Blob.IsZero() {
		_ = s.blobs.Delete(context.WithoutCancel(ctx), r.Blob)
	}
}

// Undo discards a received body whose metadata was refused. After any other
// error the transaction may have happened, and the sweep finds out.
func (s *Store) Undo(ctx context.Context, r *Received, err error) {
	if fault.As(err) != nil {
		s.Discard(ctx, r)
	}
}
