package changelog

import (
	"container/list"
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
)

const (
	// maxWaiting is how many bytes may wait for one thing, unless they are one
	// entry.
	maxWaiting = 256 << 10
	// moveThings, moveEntries and moveBytes bound one move, the latter two but
	// for what waits for one thing.
	moveThings  = 500
	moveEntries = 8000
	moveBytes   = 8 << 20
	// gather is how long a move that nobody waits for lets entries gather.
	gather = 5 * time.Millisecond
	// movers is how many lanes are moved at the same time in the background.
	movers = 4
)

// ErrBacklog is returned by Append where too much waits: the transaction is to be
// given up, the lane drained and the transaction made again.
var ErrBacklog = errors.New("changelog: too much waits")

// Logs are the logs of a store, as one process sees them. Safe for concurrent
// use.
type Logs struct {
	db    *kv.DB
	mu    sync.Mutex
	lanes map[string]*lane
	dirty chan *lane
	stamp atomic.Uint64 // the last one
}

// New makes the logs of a store. Keys are the callers'.
func New(db *kv.DB) *Logs {
	return &Logs{db: db, lanes: map[string]*lane{}, dirty: make(chan *lane, 1024)}
}

// lane is what a process knows of a lane.
type lane struct {
	log    Log
	n      int
	moving sync.Mutex // one move at a time

	mu sync.Mutex
	// tickets are the changes under way and those that have not been moved,
	// in the order of Begin.
	tickets list.List
	// swept is whether what waited before this process has tickets.
	swept bool
	// queued is whether the lane is in the channel of dirty ones.
	queued bool
}

func (s *Logs) lane(l Log, n int) *lane {
	key := string(l.Prefix) + "/" + strconv.Itoa(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := s.lanes[key]
	if ln == nil {
		ln = &lane{log: l, n: n}
		s.lanes[key] = ln
	}
	return ln
}

// Ticket is the place that a change has announced. It belongs to one goroutine.
type Ticket struct {
	logs *Logs
	lane *lane
	key  []byte
	at   *list.Element
	// stamp is the ticket's and entered the one of its entry, zero for none.
	stamp, entered uint64
	// ended is guarded by the lane's lock; nobody else looks at entered before.
	ended bool
	// found marks what a sweep has found: a ticket without a stamp of its own.
	found bool
}

// Begin announces a change of the thing with that digest, before its transaction
// begins. End must follow, after the transaction, whatever became of it. The
// stamps of processes are compared by now.
func (s *Logs) Begin(l Log, lane int, digest []byte, now time.Time) *Ticket {
	ln := s.lane(l, lane)
	t := &Ticket{logs: s, lane: ln, key: l.waitingKey(lane, digest)}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	t.stamp = s.nextStamp(uint64(now.UnixNano()))
	t.at = ln.tickets.PushBack(t)
	return t
}

// nextStamp returns a stamp above all before, and not below least.
func (s *Logs) nextStamp(least uint64) uint64 {
	for {
		last := s.stamp.Load()
		next := max(last+1, least)
		if s.stamp.CompareAndSwap(last, next) {
			return next
		}
	}
}

// Key is what the change's transaction is to lock besides its own keys.
func (t *Ticket) Key() []byte { return t.key }

// Append records the change in its transaction. It may fail with ErrBacklog.
func (t *Ticket) Append(tx *kv.Tx, at time.Time, payload []byte) error {
	waiting, err := tx.Get(t.key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	if len(waiting) > 0 && len(waiting)+len(payload) > maxWaiting {
		return ErrBacklog
	}
	before, err := splitWaiting(waiting)
	if err != nil {
		return err
	}
	t.entered = t.stamp
	if n := len(before); n > 0 && before[n-1].stamp > t.stamp {
		t.entered = before[n-1].stamp
		t.logs.nextStamp(t.entered)
	}
	return tx.Put(t.key, appendWaiting(waiting, waitingEntry{t.entered, newEntry(at, payload)}))
}

// End says that the transaction is over.
func (t *Ticket) End() {
	ln := t.lane
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if t.entered == 0 { // no attempt has written anything
		ln.tickets.Remove(t.at)
		return
	}
	t.ended = true
	if ln.queued {
		return
	}
	select {
	case t.logs.dirty <- ln:
		ln.queued = true
	default: // the sweep will come by
	}
}

// Drain moves all that waits from changes that have ended in this process, and
// from processes that have died. Where there is nothing it costs nothing.
func (s *Logs) Drain(ctx context.Context, l Log, lane int) error {
	return s.drain(ctx, s.lane(l, lane))
}

func (s *Logs) drain(ctx context.Context, ln *lane) error {
	ln.moving.Lock()
	defer ln.moving.Unlock()
	if err := s.sweepOnce(ctx, ln); err != nil {
		return err
	}
	for {
		b := ln.take()
		if len(b.things) == 0 {
			return nil
		}
		if err := s.move(ctx, ln, &b); err != nil {
			return err
		}
		forgotten := ln.forget(b)
		if b.all {
			return nil
		}
		if forgotten == 0 { // all that there was room for waits for a change under way
			if err := clock.Sleep(ctx, clock.System(), gather); err != nil {
				return err
			}
		}
	}
}
