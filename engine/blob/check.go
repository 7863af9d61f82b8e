package blob

import (
	"context"
	"fmt"
	"io"
)

// Check reads all of a stored blob and reports what is wrong with its blocks.
// It needs no Ref, so it cannot tell whether whole blocks are missing at the
// end, which Verify does.
func (s *Store) Check(ctx context.Context, i Info) error {
	const stored = BlockBytes + checksumBytes
	ref := Ref{ID: i.ID, Size: i.StoredBytes/stored*BlockBytes + max(0, i.StoredBytes%stored-checksumBytes)}
	if !ref.valid() {
		return fmt.Errorf("%w: %.100q", ErrRef, ref.String())
	}
	if rest := i.StoredBytes % stored; rest > 0 && rest <= checksumBytes {
		return &CorruptError{Ref: ref, Block: i.StoredBytes / stored, Reason: "cut short"}
	}
	if ref.Size == 0 {
		return nil
	}
	r := newReader(ctx, s.pool, s.key(ref.ID), ref, 0, ref.Size)
	r.whole = nil // nothing says what it should be
	from, length := r.span()
	src, err := s.drv.Open(ctx, s.key(ref.ID), from, length)
	if err != nil {
		return fmt.Errorf("blob: open %s: %w", ref, err)
	}
	r.src = src
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}
