package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"io"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/blob"
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
	// Size is how long the body says it is; 0: it does not.
	Size int64
	// AsBlob keeps small bodies out of the key-value store as well (parts).
	AsBlob bool
	// Protect says how the body's data key is kept.
	Protect Protection
}

// Receive reads a body to its end. It holds InlineBytesMax, one block of the
// blob store and as many as asidePieces in memory, whatever the body's size.
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
	limited := io.LimitReader(src, in.Max+1)
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
	var first []byte
	if !in.AsBlob && in.Size <= InlineBytesMax {
		if first, err = readFirst(limited, in.Size); err != nil {
			return nil, err
		}
		if len(first) <= InlineBytesMax {
			_, _ = d.Write(first) // a hash never fails
			stream.XORKeyStream(first, first)
			r.Inline, r.Check = first, checkOf(r.ID, first)
			return r, finish(int64(len(first)))
		}
		limited = io.MultiReader(bytes.NewReader(first), limited)
	}
	w, err := s.blobs.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	n, err := s.receiveBlob(w, limited, d, stream, in.Size)
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

// receiveBlob encrypts src into w and sums it, large bodies beside the reading.
func (s *Store) receiveBlob(w *blob.Writer, src io.Reader, d io.Writer, stream cipher.Stream, size int64) (int64, error) {
	if size < asideBytesMin {
		return w.ReadFrom(cipher.StreamReader{S: stream, R: io.TeeReader(src, d)})
	}
	a := sumAside(d, &s.pieces)
	defer a.wait()
	return w.ReadFrom(cipher.StreamReader{S: stream, R: io.TeeReader(src, a)})
}

// readFirst reads up to one byte more than what is kept inline. size is a guess.
func readFirst(src io.Reader, size int64) ([]byte, error) {
	buf := make([]byte, 0, min(max(size, bytes.MinRead), InlineBytesMax)+1)
	for len(buf) <= InlineBytesMax {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, InlineBytesMax+1), buf...)
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return buf, nil
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
