package changelog

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
)

// batch is what a move takes: things in the order of their tickets, and of the
// entries that wait for them those below bound.
type batch struct {
	things []thing
	bound  uint64
	all    bool // no ticket that had ended is left out
}

// thing is what tickets of one key say.
type thing struct {
	key   []byte
	first uint64 // stamp of the first ticket
	ended []*Ticket
}

// above is the stamp from which on entries of a thing are left out. All that
// ended tickets have entered is taken, even behind another process's stamps; what
// is entered after the batch was made is not, since it may come after a change of
// another thing that the batch does not know of.
func (b *batch) above(th thing) uint64 {
	bound := b.bound
	for _, t := range th.ended {
		if t.stamp < b.bound {
			bound = max(bound, t.entered+1)
		}
	}
	return bound
}

// take gathers the tickets up to the last one that has ended (C3).
func (ln *lane) take() batch {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	var b batch
	last := ln.tickets.Back()
	for last != nil && !last.Value.(*Ticket).ended {
		last = last.Prev()
	}
	if last == nil {
		return b
	}
	at := map[string]int{}
	for e := ln.tickets.Front(); ; e = e.Next() {
		t := e.Value.(*Ticket)
		i, ok := at[string(t.key)]
		if !ok {
			if len(b.things) == moveThings {
				b.bound = t.stamp
				return b
			}
			i = len(b.things)
			at[string(t.key)] = i
			b.things = append(b.things, thing{key: t.key, first: t.stamp})
		}
		th := &b.things[i]
		if t.ended {
			th.ended = append(th.ended, t)
		}
		if e == last {
			b.bound, b.all = t.stamp+1, true
			return b
		}
	}
}

// forget drops the tickets whose entries were moved, and says how many.
func (ln *lane) forget(b batch) (n int) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for _, th := range b.things {
		for _, t := range th.ended {
			if t.found || t.stamp < b.bound {
				ln.tickets.Remove(t.at)
				n++
			}
		}
	}
	return n
}

// move gives numbers to what waits for things, and cuts the batch down to those
// that there was room for (C1).
func (s *Logs) move(ctx context.Context, ln *lane, b *batch) error {
	head := ln.log.headKey(ln.n)
	locks := [][]byte{head}
	for _, th := range b.things {
		locks = append(locks, th.key)
	}
	var moved batch
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		moved = *b
		h, err := decodeHead(tx.Get(head))
		if err != nil {
			return err
		}
		entries, err := moved.load(tx)
		if err != nil {
			return err
		}
		if len(entries) == 0 || len(h.Segments) == 0 {
			return nil
		}
		if err := ln.log.number(tx, ln.n, h, entries); err != nil {
			return err
		}
		return ln.log.putHead(tx, ln.n, h)
	}, locks...)
	*b = moved
	return err
}

// load takes the entries of a batch from where they wait, and cuts the batch
// down where they are too many.
func (b *batch) load(tx *kv.Tx) ([]waitingEntry, error) {
	waiting := make([][]waitingEntry, 0, len(b.things))
	bytes, count := 0, 0
	for i, th := range b.things {
		raw, err := tx.Get(th.key)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return nil, err // what is not found was moved, or is not committed
		}
		more, err := splitWaiting(raw)
		if err != nil {
			return nil, err
		}
		bytes, count = bytes+len(raw), count+len(more)
		if i > 0 && (bytes > moveBytes || count > moveEntries) {
			b.things, b.bound, b.all = b.things[:i], th.first, false
			break
		}
		waiting = append(waiting, more)
	}
	var out []waitingEntry
	for i, th := range b.things {
		bound := b.above(th)
		n := slices.IndexFunc(waiting[i], func(e waitingEntry) bool { return e.stamp >= bound })
		if n < 0 {
			n = len(waiting[i])
		}
		if n == 0 {
			continue
		}
		out = append(out, waiting[i][:n]...)
		if err := putWaiting(tx, th.key, waiting[i][n:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func putWaiting(tx *kv.Tx, key []byte, entries []waitingEntry) error {
	if len(entries) == 0 {
		return tx.Delete(key)
	}
	var raw []byte
	for _, e := range entries {
		raw = appendWaiting(raw, e)
	}
	return tx.Put(key, raw)
}

// Run moves what waits soon after it was written, until ctx ends. failed hears of
// what goes wrong; it is tried again with the next change or sweep.
func (s *Logs) Run(ctx context.Context, failed func(error)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range movers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case ln := <-s.dirty:
					// A wait of this process, not of virtual time.
					if clock.Sleep(ctx, clock.System(), gather) != nil {
						return
					}
					ln.mu.Lock()
					ln.queued = false
					ln.mu.Unlock()
					if err := s.drain(ctx, ln); err != nil && ctx.Err() == nil {
						failed(err)
					}
				}
			}
		})
	}
}

// Sweep moves what waits in a lane whoever wrote it: what other processes have
// left behind, or are about to move (C4).
func (s *Logs) Sweep(ctx context.Context, l Log, lane int) error {
	ln := s.lane(l, lane)
	ln.moving.Lock()
	ln.mu.Lock()
	ln.swept = false
	ln.mu.Unlock()
	ln.moving.Unlock()
	return s.drain(ctx, ln)
}

// sweepOnce gives tickets to what waited before. The caller holds moving.
func (s *Logs) sweepOnce(ctx context.Context, ln *lane) error {
	ln.mu.Lock()
	swept := ln.swept
	ln.mu.Unlock()
	if swept {
		return nil
	}
	known := ln.known()
	r := kv.Prefix(ln.log.waitingPrefix(ln.n))
	r.Limit = moveThings
	for {
		items, err := s.db.Scan(ctx, r)
		if err != nil {
			return err
		}
		if err := s.findWaiting(ln, items, known); err != nil {
			return err
		}
		if !r.More(items) {
			break
		}
		r = r.After(items[len(items)-1].Key)
	}
	ln.mu.Lock()
	ln.swept = true
	ln.mu.Unlock()
	return nil
}

// findWaiting gives a ticket to each thing that waits and has none. Stamps given
// from now on are above those of the entries that were found.
func (s *Logs) findWaiting(ln *lane, items []kv.Item, known map[string]bool) error {
	for _, it := range items {
		if known[string(it.Key)] {
			continue
		}
		entries, err := splitWaiting(it.Value)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			continue
		}
		t := &Ticket{logs: s, lane: ln, key: bytes.Clone(it.Key), entered: entries[len(entries)-1].stamp, ended: true, found: true}
		s.nextStamp(t.entered)
		ln.mu.Lock()
		t.at = ln.tickets.PushFront(t)
		ln.mu.Unlock()
	}
	return nil
}

// known are the keys that have tickets.
func (ln *lane) known() map[string]bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	out := make(map[string]bool, ln.tickets.Len())
	for e := ln.tickets.Front(); e != nil; e = e.Next() {
		out[string(e.Value.(*Ticket).key)] = true
	}
	return out
}
