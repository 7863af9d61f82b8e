// Package blob stores bytes that are too large for the key-value store: object
// bodies, code packages, long messages.
//
// A blob is written once, named by a Ref that its writer gets at Commit, and
// never changed. It has no name, owner, type or expiry: those are metadata,
// which the caller keeps in engine/kv under the Ref. So the order is always
//
//	write: Writer.Commit, which is durable when it returns, then the metadata
//	delete: the metadata, then Delete
//
// and what a crash leaves between the two is a blob nobody names, which Sweep
// removes. It is not a cache and not a file system.
//
// # Format
//
// Stored are blocks of BlockBytes (the last one is shorter), each followed by
// the CRC-32C of scope, id, block number and block. Every block is checked
// before any byte of it is handed out, so that damage, truncation and blocks of
// another blob give ErrCorrupt and never wrong bytes; reading all of a blob
// checks the Ref's own checksum too.
//
// A Store is safe for concurrent use; a Writer and a reader belong to one
// goroutine and hold one block each, besides what the driver says it holds.
package blob

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/minio/crc64nvme"
	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/ident"
)

const (
	// BlockBytes is what is checked at once, and the memory of one stream.
	BlockBytes = 64 << 10
	// checksumBytes follow each block.
	checksumBytes = 4
	// SizeMax is the size of the largest blob; a driver's may be smaller.
	SizeMax = 1 << 46
	// scopeBytesMax bounds the name of a scope.
	scopeBytesMax = 40
	// rootScope is that of a Store before Scope.
	rootScope = "root"
)

// Errors. They come wrapped; use errors.Is. ErrCorrupt is always a
// *CorruptError.
var (
	ErrNotFound = driver.ErrNotFound // no such blob
	ErrTooLarge = driver.ErrTooLarge // beyond SizeMax or the driver's limit
	ErrLocked   = driver.ErrLocked   // the directory is in use by another process
	ErrClosed   = driver.ErrClosed   // used after Close
	ErrFull     = driver.ErrFull     // there is no room for the blob
	ErrCorrupt  = errors.New("blob: corrupt")
	ErrRange    = errors.New("blob: range outside the blob")
	ErrFinished = errors.New("blob: writer is finished")
)

// CorruptError tells which blob is damaged, and where.
type CorruptError struct {
	Ref    Ref
	Block  int64 // number of the block; -1: the whole does not match the Ref
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("blob: corrupt: %s, block %d: %s", e.Ref, e.Block, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Store is a place for blobs, or one scope of it.
type Store struct {
	drv   driver.Driver
	ids   *ident.Source
	pool  *blocks
	scope string
}

// New returns a Store over d, which it owns from now on.
func New(d driver.Driver, ids *ident.Source) *Store {
	return &Store{drv: d, ids: ids, pool: new(blocks), scope: rootScope}
}

// Scope returns the part of the store that belongs to name, of lower-case
// letters, digits and '-'. Refs of one scope are not found in another, and
// Sweep sees its own scope only. Scopes do not nest. It panics on another name:
// names of scopes are constants of the program.
func (s *Store) Scope(name string) *Store {
	bad := func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') }
	if name == "" || len(name) > scopeBytesMax || strings.ContainsFunc(name, bad) {
		panic(fmt.Sprintf("blob: scope name %q", name))
	}
	return &Store{drv: s.drv, ids: s.ids, pool: s.pool, scope: name}
}

// Close closes the store, all scopes of it.
func (s *Store) Close() error { return s.drv.Close() }

func (s *Store) key(id string) driver.Key { return driver.Key{Scope: s.scope, ID: id} }

// Create begins a blob. ctx bounds all of its writing. Either Commit or Abort
// must follow; Abort after Commit does nothing, so it can be deferred.
func (s *Store) Create(ctx context.Context) (*Writer, error) {
	key := s.key(s.ids.Sortable())
	d, err := s.drv.Create(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("blob: create: %w", err)
	}
	return &Writer{drv: d, pool: s.pool, sums: newSummer(key), ref: Ref{ID: key.ID}, whole: crc64nvme.New()}, nil
}

// Put stores all that r has and commits it.
func (s *Store) Put(ctx context.Context, r io.Reader) (Ref, error) {
	w, err := s.Create(ctx)
	if err != nil {
		return Ref{}, err
	}
	defer w.Abort()
	if _, err := w.ReadFrom(r); err != nil {
		return Ref{}, err
	}
	return w.Commit(ctx)
}

// Open reads length bytes of a blob from offset; a length of -1 reads to the
// end. ErrNotFound and ErrRange come from Open, ErrCorrupt from reading.
func (s *Store) Open(ctx context.Context, ref Ref, offset, length int64) (*Reader, error) {
	if !ref.valid() {
		return nil, fmt.Errorf("%w: %.100q", ErrRef, ref.String())
	}
	if length == -1 {
		length = ref.Size - offset
	}
	if offset < 0 || length < 0 || offset > ref.Size-length {
		return nil, fmt.Errorf("%w: %d bytes from %d of %s", ErrRange, length, offset, ref)
	}
	r := newReader(ctx, s.pool, s.key(ref.ID), ref, offset, length)
	from, stored := r.span()
	src, err := s.drv.Open(ctx, s.key(ref.ID), from, stored)
	if err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", ref, err)
	}
	r.src = src
	return r, nil
}

// Verify reads all of a blob and reports what is wrong with it.
func (s *Store) Verify(ctx context.Context, ref Ref) error {
	r, err := s.Open(ctx, ref, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// Delete deletes a blob, which need not exist. No metadata may name it any
// more.
func (s *Store) Delete(ctx context.Context, ref Ref) error {
	if !ref.valid() {
		return fmt.Errorf("%w: %.100q", ErrRef, ref.String())
	}
	return s.deleteID(ctx, ref.ID)
}

func (s *Store) deleteID(ctx context.Context, id string) error {
	if err := s.drv.Delete(ctx, s.key(id)); err != nil {
		return fmt.Errorf("blob: delete %s: %w", id, err)
	}
	return nil
}

// Info is what List tells of a blob.
type Info struct {
	ID string
	// StoredBytes is its size with checksums.
	StoredBytes int64
	// Modified is real time, whatever an account's clock says.
	Modified time.Time
}

// List calls fn with the blobs of this scope, in no order, until it fails.
// Those created or deleted meanwhile may be missing.
func (s *Store) List(ctx context.Context, fn func(Info) error) error {
	return s.drv.List(ctx, s.scope, func(i driver.Info) error {
		return fn(Info{ID: i.ID, StoredBytes: i.StoredBytes, Modified: i.Modified})
	})
}

// Sweep deletes the blobs of this scope that were committed longer than
// olderThan ago and for which alive, given the ID of a Ref, returns false, and
// returns how many there were. An error of alive ends it: what is not known to
// be garbage stays.
//
// olderThan must be longer than any caller takes from Create until its metadata
// is stored, for in between a blob looks like garbage.
func (s *Store) Sweep(ctx context.Context, alive func(ctx context.Context, id string) (bool, error), olderThan time.Duration) (deleted int, err error) {
	// Real time: it is compared with that of files, and an account's clock
	// which is moved forward must not make a blob of this moment look old.
	before := time.Now().Add(-olderThan)
	err = s.drv.List(ctx, s.scope, func(i driver.Info) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i.Modified.After(before) || !validID(i.ID) {
			return nil
		}
		keep, err := alive(ctx, i.ID)
		if err != nil || keep {
			return err
		}
		if err := s.deleteID(ctx, i.ID); err != nil {
			return err
		}
		deleted++
		return nil
	})
	return deleted, err
}

// Writer takes the bytes of a new blob.
type Writer struct {
	drv   driver.Writer
	pool  *blocks
	sums  summer
	block []byte // the block that is being filled; allocated at first need
	whole hash.Hash64
	ref   Ref
	err   error // the first failure, or ErrFinished
}

// Write adds p to the blob. After an error the blob can only be aborted.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n := copy(w.room(), p)
		if err := w.filled(n); err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, w.err
}

// ReadFrom adds all that r has.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	total := int64(0)
	for {
		n, err := r.Read(w.room())
		total += int64(n)
		if fillErr := w.filled(n); fillErr != nil {
			return total, fillErr
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			w.err = err // what came so far is not all: never commit it
			return total, err
		}
	}
}

// room is the unfilled rest of the block; never empty.
func (w *Writer) room() []byte {
	if w.block == nil {
		w.block = w.pool.get(BlockBytes + checksumBytes)[:0]
	}
	return w.block[len(w.block):BlockBytes]
}

// filled takes n bytes that were put into room.
func (w *Writer) filled(n int) error {
	if w.err != nil {
		return w.err
	}
	if w.ref.Size > SizeMax-int64(n) {
		w.err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, int64(SizeMax))
		return w.err
	}
	w.block = w.block[:len(w.block)+n]
	w.ref.Size += int64(n)
	if len(w.block) == BlockBytes {
		return w.flush()
	}
	return nil
}

// flush hands the block with its checksum to the driver.
func (w *Writer) flush() error {
	_, _ = w.whole.Write(w.block) // a hash never fails
	stored := w.sums.append(w.block, (w.ref.Size-1)/BlockBytes)
	if _, err := w.drv.Write(stored); err != nil {
		w.err = fmt.Errorf("blob: write %s: %w", w.ref.ID, err)
		return w.err
	}
	w.block = w.block[:0]
	return nil
}

// Commit makes the blob durable and names it. When it fails the blob is gone,
// or garbage for Sweep.
func (w *Writer) Commit(ctx context.Context) (Ref, error) {
	if w.err == nil && len(w.block) > 0 {
		_ = w.flush() // kept in w.err
	}
	if w.err != nil {
		return Ref{}, w.err
	}
	w.err = ErrFinished
	w.release()
	if err := w.drv.Commit(ctx); err != nil {
		return Ref{}, fmt.Errorf("blob: commit %s: %w", w.ref.ID, err)
	}
	w.drv = nil
	w.ref.Checksum = w.whole.Sum64()
	return w.ref, nil
}

// Abort drops the blob, unless it has been committed.
func (w *Writer) Abort() error {
	if w.drv == nil {
		return nil
	}
	d := w.drv
	w.drv, w.err = nil, ErrFinished
	w.release()
	if err := d.Abort(); err != nil {
		return fmt.Errorf("blob: abort %s: %w", w.ref.ID, err)
	}
	return nil
}

// release gives the block back.
func (w *Writer) release() {
	w.pool.put(w.block)
	w.block = nil
}
