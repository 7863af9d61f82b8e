package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"syscall"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/seal"
)

// ErrDamaged: stored bytes are not those that were written, or are missing. It
// is always a *DamageError.
var ErrDamaged = errors.New("s3: damaged")

// DamageError names the object whose bytes cannot be read.
type DamageError struct {
	Bucket, Key, Version string
	Part                 int    // number of the part; 0: the object has none
	Reason               string // what is wrong
}

func (e *DamageError) Error() string {
	where := fmt.Sprintf("s3: damaged: bucket %s, key %q, version %s", e.Bucket, e.Key, e.Version)
	if e.Part > 0 {
		where += fmt.Sprintf(", part %d", e.Part)
	}
	return where + ": " + e.Reason
}

// Is makes errors.Is(err, ErrDamaged) true. What is damaged is not gone, so the
// cause is told but not unwrapped.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// partError says in which part reading failed.
type partError struct {
	number int
	error
}

func (e *partError) Unwrap() error { return e.error }

// errBody: what is stored of a small body, or of a list of parts, is wrong.
var errBody = errors.New("stored body is damaged")

// isRot tells what is wrong for good from what may work the next time, such as
// a store that does not answer.
func isRot(err error) bool {
	for _, rot := range []error{errBody, blob.ErrCorrupt, kv.ErrCorrupt, seal.ErrMalformed, seal.ErrNotAuthentic, seal.ErrUnknownKey, syscall.EIO} {
		if errors.Is(err, rot) {
			return true
		}
	}
	return IsGone(err)
}

// damage turns the error of a read into one that names the object, if stored
// bytes are the cause and the object is still there.
func (s *Store) damage(ctx context.Context, b *Bucket, o *Object, err error) error {
	if ctx.Err() != nil || !isRot(err) {
		return err
	}
	if IsGone(err) {
		now, lookErr := s.Version(ctx, b, o.Key, o.Version)
		if lookErr != nil || now == nil || now.ID != o.ID {
			return err // replaced or deleted since
		}
	}
	d := &DamageError{Bucket: b.Name, Key: o.Key, Version: o.Version, Reason: err.Error()}
	if p := (*partError)(nil); errors.As(err, &p) {
		d.Part, d.Reason = p.number, p.error.Error()
	}
	return d
}

// checkOf sums an encrypted inline body under its id: a body of another object
// does not pass.
func checkOf(id string, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum([]byte(id), table), table, body)
}
