package serial

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"moln.dev/moln/engine/kv/driver"
)

// pending knows the commits that are, or are about to be, visible but not
// durable. There are at most as many as goroutines that write.
type pending struct {
	seed  hashSeed
	count atomic.Int64
	slots [slots]atomic.Int32 // commits that write a key of the slot
	wide  atomic.Int32        // commits that delete a range

	mu      sync.Mutex
	entries []*entry
}

// entry is one commit.
type entry struct {
	batch   *driver.Batch
	durable chan struct{} // closed when it is, or when it failed
	err     error
}

func newEntry(b *driver.Batch) *entry {
	return &entry{batch: b, durable: make(chan struct{})}
}

func (p *pending) add(e *entry) {
	for _, w := range e.batch.Points {
		p.slots[p.seed.slot(w.Key)].Add(1)
	}
	p.wide.Add(int32(len(e.batch.Ranges)))
	p.mu.Lock()
	p.entries = append(p.entries, e)
	p.mu.Unlock()
	p.count.Add(1)
}

// done says that e is durable, or never will be.
func (p *pending) done(e *entry, err error) {
	e.err = err
	p.count.Add(-1)
	for _, w := range e.batch.Points {
		p.slots[p.seed.slot(w.Key)].Add(-1)
	}
	p.wide.Add(-int32(len(e.batch.Ranges)))
	p.mu.Lock()
	if i := slices.Index(p.entries, e); i >= 0 {
		last := len(p.entries) - 1
		p.entries[i] = p.entries[last]
		p.entries[last] = nil
		p.entries = p.entries[:last]
	}
	p.mu.Unlock()
	close(e.durable)
}

// waitPoint waits until all pending commits to key are durable.
func (p *pending) waitPoint(ctx context.Context, key []byte) error {
	if p.count.Load() == 0 || p.slots[p.seed.slot(key)].Load() == 0 && p.wide.Load() == 0 {
		return nil
	}
	return p.wait(ctx, driver.KeyRange{Start: key, End: append(bytes.Clone(key), 0)})
}

// waitRange waits until all pending commits to keys in r are durable.
func (p *pending) waitRange(ctx context.Context, r driver.KeyRange) error {
	if p.count.Load() == 0 {
		return nil
	}
	return p.wait(ctx, r)
}

func (p *pending) wait(ctx context.Context, r driver.KeyRange) error {
	var waiting []*entry
	p.mu.Lock()
	for _, e := range p.entries {
		if e.touches(r) {
			waiting = append(waiting, e)
		}
	}
	p.mu.Unlock()
	for _, e := range waiting {
		select {
		case <-e.durable:
			if e.err != nil {
				return e.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *entry) touches(r driver.KeyRange) bool {
	for _, d := range e.batch.Ranges {
		if overlap(d, r) {
			return true
		}
	}
	// Points are sorted: is the first one from r.Start on before r.End?
	points := e.batch.Points
	i, _ := slices.BinarySearchFunc(points, r.Start, func(w driver.Write, start []byte) int {
		return bytes.Compare(w.Key, start)
	})
	return i < len(points) && contains(r, points[i].Key)
}
