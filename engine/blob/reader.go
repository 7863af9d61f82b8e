package blob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/minio/crc64nvme"
	"moln.dev/moln/engine/blob/driver"
)

// summer makes the checksums of one blob's blocks.
type summer struct {
	table *crc32.Table
	seed  uint32 // of scope and id: a block of another blob does not pass
}

func newSummer(key driver.Key) summer {
	table := crc32.MakeTable(crc32.Castagnoli)
	return summer{table, crc32.Checksum([]byte(key.Scope+"/"+key.ID), table)}
}

func (s summer) sum(block []byte, number int64) uint32 {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(number))
	return crc32.Update(crc32.Update(s.seed, s.table, n[:]), s.table, block)
}

func (s summer) append(block []byte, number int64) []byte {
	return binary.BigEndian.AppendUint32(block, s.sum(block, number))
}

// Reader hands out checked bytes of a range, block after block.
type Reader struct {
	ctx  context.Context
	pool *blocks
	ref  Ref
	sums summer
	src  io.ReadCloser

	next   int64  // number of the block to read next
	last   int64  // number of the last block, if left > 0
	skip   int64  // bytes of the first block before the range
	left   int64  // bytes of the range not handed out yet
	buffer []byte // one stored block
	ready  []byte // checked bytes of it, not handed out yet
	whole  hash.Hash64
	err    error
}

func newReader(ctx context.Context, pool *blocks, key driver.Key, ref Ref, offset, length int64) *Reader {
	r := &Reader{
		ctx: ctx, pool: pool, ref: ref, sums: newSummer(key),
		next: offset / BlockBytes, skip: offset % BlockBytes, left: length,
	}
	if length > 0 {
		r.last = (offset + length - 1) / BlockBytes
	}
	if length == ref.Size {
		r.whole = crc64nvme.New()
	}
	return r
}

// span is which stored bytes hold the range.
func (r *Reader) span() (from, length int64) {
	if r.left == 0 {
		return 0, 0
	}
	full := (r.last - r.next) * (BlockBytes + checksumBytes)
	return r.next * (BlockBytes + checksumBytes), full + r.blockBytes(r.last) + checksumBytes
}

// blockBytes is the size of a block without its checksum.
func (r *Reader) blockBytes(number int64) int64 {
	return min(BlockBytes, r.ref.Size-number*BlockBytes)
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
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

// WriteTo writes the rest of the range to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for {
		block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(block)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Next returns the next bytes of the range, of one block at most, or io.EOF at
// its end. They are the caller's, also to change, until the next call or Close.
func (r *Reader) Next() ([]byte, error) {
	if err := r.fill(); err != nil {
		return nil, err
	}
	block := r.ready
	r.ready = nil
	return block, nil
}

// fill makes ready not empty, or fails; with io.EOF at the end of the range.
func (r *Reader) fill() error {
	if len(r.ready) > 0 {
		return nil
	}
	if r.err == nil {
		r.err = r.readBlock()
	}
	return r.err
}

func (r *Reader) readBlock() error {
	if r.left == 0 {
		return r.checkWhole()
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	size := r.blockBytes(r.next)
	if r.buffer == nil {
		// The first block is as large as any that follows.
		r.buffer = r.pool.get(int(size + checksumBytes))
	}
	stored := r.buffer[:size+checksumBytes]
	if _, err := io.ReadFull(r.src, stored); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &CorruptError{Ref: r.ref, Block: r.next, Reason: "cut short"}
		}
		return fmt.Errorf("blob: read %s: %w", r.ref, err)
	}
	block := stored[:size]
	if binary.BigEndian.Uint32(stored[size:]) != r.sums.sum(block, r.next) {
		return &CorruptError{Ref: r.ref, Block: r.next, Reason: "checksum does not match"}
	}
	if r.whole != nil {
		_, _ = r.whole.Write(block)
	}
	block = block[r.skip:]
	r.skip = 0
	r.ready = block[:min(int64(len(block)), r.left)]
	r.left -= int64(len(r.ready))
	r.next++
	if r.left == 0 && r.whole != nil && r.whole.Sum64() != r.ref.Checksum {
		// Found before the last block is handed out.
		r.ready = nil
		return &CorruptError{Ref: r.ref, Block: -1, Reason: "content is not that of the ref"}
	}
	return nil
}

// checkWhole ends the stream; an empty blob is checked here, as no block was.
func (r *Reader) checkWhole() error {
	if r.whole != nil && r.whole.Sum64() != r.ref.Checksum {
		return &CorruptError{Ref: r.ref, Block: -1, Reason: "content is not that of the ref"}
	}
	return io.EOF
}

// Close ends the reading.
func (r *Reader) Close() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		r.err = errReaderClosed
	}
	r.ready = nil
	r.pool.put(r.buffer)
	r.buffer = nil
	return r.src.Close()
}

var errReaderClosed = errors.New("blob: reader is closed")

// blocks keeps the memory of streams that are over for those to come.
type blocks struct{ pool sync.Pool }

// get returns n bytes, of which nothing is known.
func (b *blocks) get(n int) []byte {
	if n < BlockBytes/2 {
		return make([]byte, n) // little is cheaper made than kept
	}
	if p, ok := b.pool.Get().(*[BlockBytes + checksumBytes]byte); ok {
		return p[:n]
	}
	return make([]byte, n, BlockBytes+checksumBytes)
}

func (b *blocks) put(block []byte) {
	if cap(block) == BlockBytes+checksumBytes {
		b.pool.Put((*[BlockBytes + checksumBytes]byte)(block[:cap(block)]))
	}
}
