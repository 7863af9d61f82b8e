package store

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Bounds of what is held in memory.
const (
	queuesMax = 4096 // queues that are kept decoded
	hallsMax  = 1024 // queues of which more is kept than who uses them now
	readyMax  = 256  // entries found and not yet given out, of each queue
)

// Store keeps queues and messages. Safe for concurrent use.
type Store struct {
	db     *kv.DB
	clk    clock.Clock
	ids    *ident.Source
	queues *kv.Decoded[queue.Key, queue.Queue]
	alone  bool // no other process writes here
	last   atomic.Uint64

	mu    sync.Mutex
	halls map[string]*hall // by the queue's id
}

// New returns a store in db.
func New(db *kv.DB, clk clock.Clock, ids *ident.Source) *Store {
	s := &Store{db: db, clk: clk, ids: ids, halls: map[string]*hall{}}
	_, s.alone = db.Driver().(driver.Marker)
	s.queues = kv.NewDecoded(queuesMax, queueKey, queue.Decode)
	return s
}

// Place is where a new message stands: after all that this process has sent.
func (s *Store) Place(now time.Time) message.Place {
	for {
		last := s.last.Load()
		next := max(message.Nanos(now), last+1)
		if s.last.CompareAndSwap(last, next) {
			p := message.Place{Nanos: next, ID: [16]byte(s.ids.Bytes(16))}
			p.ID[6], p.ID[8] = p.ID[6]&0x0f|0x40, p.ID[8]&0x3f|0x80 // a UUID of version 4
			return p
		}
	}
}

// ErrAbsent is for a queue that is not there.
var ErrAbsent = kv.ErrNotFound

// enter gives the hall of a queue, which stays until leave.
func (s *Store) enter(q *queue.Queue) (h *hall, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.halls[q.ID]
	if h == nil {
		if len(s.halls) >= hallsMax {
			s.sweepHalls()
		}
		h = newHall(s.clk)
		s.halls[q.ID] = h
	}
	h.refs++
	return h, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		h.refs--
	}
}

func (s *Store) sweepHalls() {
	for id, h := range s.halls {
		if h.refs == 0 {
			delete(s.halls, id)
		}
	}
}

// Wait begins to wait for messages of a queue. Who has waited calls stop.
func (s *Store) Wait(q *queue.Queue) (w *Waiter, stop func()) {
	h, leave := s.enter(q)
	w = h.wait()
	return w, func() { w.Stop(); leave() }
}

// Again waits on after a wake-up.
func (s *Store) Again(w *Waiter) { w.again() }

// Remind wakes one of those who wait at the time next, if that is not zero.
func (s *Store) Remind(w *Waiter, next time.Time) {
	if !s.alone {
		// What other processes write is found by looking.
		if soon := s.clk.Now().Add(sharedLook); next.IsZero() || soon.Before(next) {
			next = soon
		}
	}
	if !next.IsZero() {
		w.hall.wakeBy(next)
	}
}

// sharedLook is how often one of those who wait looks for messages that another
// process has sent.
const sharedLook = 200 * time.Millisecond

// Queue gives a queue, which is shared and not to be changed, or ErrAbsent.
func (s *Store) Queue(ctx context.Context, k queue.Key) (*queue.Queue, error) {
	q, err := s.queues.Get(ctx, s.db, k)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// gone is when a queue was deleted.
type gone struct {
	Deleted time.Time `json:"deleted"`
}

// Create stores a queue, unless there is one of its name, which it gives then,
// or there was one until since.
func (s *Store) Create(ctx context.Context, q *queue.Queue, since time.Time) (have *queue.Queue, recently bool, err error) {
	raw, err := json.Marshal(q)
	if err != nil {
		return nil, false, err
	}
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		have, recently = nil, false
		old, err := tx.Get(queueKey(q.Key))
		if err == nil {
			have, err = queue.Decode(old)
			return err
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		was, err := tx.Get(goneKey(q.Key))
		if err == nil {
			var g gone
			if err := json.Unmarshal(was, &g); err != nil {
				return err
			}
			if recently = g.Deleted.After(since); recently {
				return nil
			}
			if err := tx.Delete(goneKey(q.Key)); err != nil {
				return err
			}
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := linkLetters(tx, nil, q); err != nil {
			return err
		}
		return tx.Put(queueKey(q.Key), raw)
	}, queueKey(q.Key))
	return have, recently, err
}

// linkLetters keeps the index of dead-letter queues as old becomes now; either
// may be nil.
func linkLetters(tx *kv.Tx, old, now *queue.Queue) error {
	if old != nil && old.Redrive != nil {
		if err := tx.Delete(key(old.Key, kindLetters, old.Redrive.Target.Name, old.Name)); err != nil {
			return err
		}
	}
	if now != nil && now.Redrive != nil {
		return tx.Put(key(now.Key, kindLetters, now.Redrive.Target.Name, now.Name), nil)
	}
	return nil
}

// Change rewrites a queue; change gets a copy of its own.
func (s *Store) Change(ctx context.Context, k queue.Key, change func(tx *kv.Tx, q *queue.Queue) error) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(queueKey(k))
		if err != nil {
			return err
		}
		old, err := queue.Decode(raw)
		if err != nil {
			return err
		}
		q, err := queue.Decode(raw)
		if err != nil {
			return err
		}
		if err := change(tx, q); err != nil {
			return err
		}
		if err := q.Understand(); err != nil {
			return err
		}
		if err := linkLetters(tx, old, q); err != nil {
			return err
		}
		if raw, err = json.Marshal(q); err != nil {
			return err
		}
		return tx.Put(queueKey(k), raw)
	}, queueKey(k))
}

// Delete removes a queue with its messages.
func (s *Store) Delete(ctx context.Context, k queue.Key, now time.Time) error {
	mark, err := json.Marshal(gone{now})
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		raw, err := tx.Get(queueKey(k))
		if err != nil {
			return err
		}
		q, err := queue.Decode(raw)
		if err != nil {
			return err
		}
		for _, prefix := range keysOf(q).all() {
			if err := tx.DeleteRange(prefix, tuple.End(prefix)); err != nil {
				return err
			}
		}
		tasks := key(k, kindTask, k.Name)
		if err := tx.DeleteRange(tasks, tuple.End(tasks)); err != nil {
			return err
		}
		if err := linkLetters(tx, q, nil); err != nil {
			return err
		}
		if err := tx.Put(goneKey(k), mark); err != nil {
			return err
		}
		return tx.Delete(queueKey(k))
	}, queueKey(k))
}

// Purge removes a queue's messages, in flight or not.
func (s *Store) Purge(ctx context.Context, q *queue.Queue) error {
	prefix := key(q.Key, kindMessage, keysOf(q).id)
	var b kv.Batch
	b.DeleteRange(prefix, tuple.End(prefix))
	return s.db.Apply(ctx, &b)
}

// Names gives the names of an account's queues that begin with prefix, after a
// name, up to limit.
func (s *Store) Names(ctx context.Context, account, region, prefix, after string, limit int) ([]string, error) {
	all := key(queue.Key{Account: account, Region: region}, kindQueue)
	from := tuple.AppendStringPrefix(all[:len(all):len(all)], prefix)
	r := kv.Prefix(from)
	r.Limit = limit
	if after != "" {
		if next := r.After(tuple.AppendString(all[:len(all):len(all)], after)); string(next.Start) > string(r.Start) {
			r = next
		}
	}
	return s.lastNames(ctx, all, r)
}

// Sources gives the names of the queues whose dead-letter queue k is.
func (s *Store) Sources(ctx context.Context, k queue.Key, after string, limit int) ([]string, error) {
	all := key(k, kindLetters, k.Name)
	r := kv.Range{Start: all, End: tuple.End(all), Limit: limit}
	if after != "" {
		r = r.After(tuple.AppendString(all[:len(all):len(all)], after))
	}
	return s.lastNames(ctx, all, r)
}

func (s *Store) lastNames(ctx context.Context, prefix []byte, r kv.Range) ([]string, error) {
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		name, _, err := tuple.DecodeString(lastParts(prefix, it.Key))
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

// Everywhere calls fn with every queue of every account, and forgets the names of
// those that were deleted before a time.
func (s *Store) Everywhere(ctx context.Context, before time.Time, fn func(q *queue.Queue) error) error {
	var from []byte
	for {
		items, err := s.db.Scan(ctx, kv.Range{Start: from, Limit: 1})
		if err != nil || len(items) == 0 {
			return err
		}
		account, rest, err := tuple.DecodeString(items[0].Key)
		if err != nil {
			return err
		}
		region, _, err := tuple.DecodeString(rest)
		if err != nil {
			return err
		}
		if err := s.queuesOf(ctx, account, region, fn); err != nil {
			return err
		}
		if err := s.freeNames(ctx, account, region, before); err != nil {
			return err
		}
		from = tuple.End(tuple.Key(account, region))
	}
}

func (s *Store) queuesOf(ctx context.Context, account, region string, fn func(q *queue.Queue) error) error {
	all := key(queue.Key{Account: account, Region: region}, kindQueue)
	var list []*queue.Queue
	err := s.db.Each(ctx, kv.Range{Start: all, End: tuple.End(all)}, func(it kv.Item) (bool, error) {
		q, err := queue.Decode(it.Value)
		list = append(list, q)
		return err == nil, err
	})
	for _, q := range list {
		if err == nil {
			err = fn(q)
		}
	}
	return err
}
