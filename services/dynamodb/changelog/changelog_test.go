package changelog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/open"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
)

var start = time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)

// history counts the changes of things; each change is recorded.
type history struct {
	db    *kv.DB
	log   Log
	ticks atomic.Int64
	ended sync.Map // when a change had ended, by when it began
}

func newHistory(t testing.TB, db *kv.DB, lanes int) *history {
	h := &history{db: db, log: Log{Prefix: []byte("log"), Lanes: lanes}}
	err := db.Update(t.Context(), func(tx *kv.Tx) error { return h.log.Open(tx, 100, start) }, h.log.HeadKeys()...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// change counts a thing up. The entry says which thing, its count and when the
// change began.
func (h *history) change(ctx context.Context, s *Logs, thing int) error {
	for {
		began := h.ticks.Add(1)
		k := []byte("thing" + strconv.Itoa(thing))
		t := s.Begin(h.log, thing%h.log.Lanes, k, time.Now())
		err := h.db.Update(ctx, func(tx *kv.Tx) error {
			v, err := tx.Get(k)
			if err != nil && !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			n, _ := strconv.Atoi(string(v))
			if err := tx.Put(k, []byte(strconv.Itoa(n+1))); err != nil {
				return err
			}
			return t.Append(tx, start, fmt.Appendf(nil, "%d %d %d", thing, n+1, began))
		}, k, t.Key())
		t.End()
		if !errors.Is(err, ErrBacklog) {
			h.ended.Store(began, h.ticks.Add(1))
			return err
		}
		if err := s.Drain(ctx, h.log, thing%h.log.Lanes); err != nil {
			return err
		}
	}
}

// reader follows a lane and checks what it reads.
type reader struct {
	h      *history
	lane   int
	next   uint64
	counts map[int]int
	read   int
	// timed is whether times are checked: began is the latest beginning of a
	// change among those read, and what follows must not have ended before.
	timed bool
	began int64
}

func (r *reader) follow(ctx context.Context, s *Logs) error {
	if r.counts == nil {
		r.counts, r.next = map[int]int{}, 100
	}
	found, err := s.Read(ctx, r.h.log, r.lane, 100, r.next, 50)
	if err != nil {
		return err
	}
	for _, e := range found {
		if e.Number != r.next {
			return fmt.Errorf("entry %d after %d", e.Number, r.next-1)
		}
		var thing, count int
		var began int64
		if _, err := fmt.Sscan(string(e.Payload), &thing, &count, &began); err != nil {
			return err
		}
		if count != r.counts[thing]+1 {
			return fmt.Errorf("thing %d: %d comes after %d", thing, count, r.counts[thing])
		}
		r.counts[thing] = count
		r.next++
		r.read++
		if !r.timed {
			continue
		}
		if end, ok := r.h.ended.Load(began); ok && end.(int64) < r.began {
			return fmt.Errorf("entry %d is of a change that ended before one began that comes before it", e.Number)
		}
		r.began = max(r.began, began)
	}
	return nil
}

// TestOnEveryStore runs what depends on how stores order transactions.
func TestOnEveryStore(t *testing.T) {
	tests := map[string]func(*testing.T, *kv.DB){
		"ReadersMissNothing": readersMissNothing, "OrderIsThatOfTime": orderIsThatOfTime,
		"DeathLeavesNothingBehind": deathLeavesNothingBehind,
	}
	for name, url := range map[string]func(t *testing.T) string{
		"memory":   func(*testing.T) string { return "mem:" },
		"pebble":   func(t *testing.T) string { return "pebble:" + t.TempDir() },
		"postgres": func(t *testing.T) string { return pgtest.Start(t) },
	} {
		t.Run(name, func(t *testing.T) {
			db, err := open.Open(t.Context(), url(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			for name, test := range tests {
				t.Run(name, func(t *testing.T) { test(t, db.Scope([]byte(name))) })
			}
		})
	}
}

// readersMissNothing: writers of two processes change things, some of them
// often; readers follow, one with and one without waiting for what was written.
// The entries of a thing are its history, numbers have no gaps, and who has read
// a number never finds one below it.
func readersMissNothing(t *testing.T, db *kv.DB) {
	const writers, changes, things, lanes = 8, 25, 12, 2
	h := newHistory(t, db, lanes)
	processes := []*Logs{New(db), New(db)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	background, stop := context.WithCancel(ctx)
	var movers errgroup.Group
	for _, p := range processes {
		movers.Go(func() error { p.Run(background, func(err error) { t.Error(err) }); return nil })
	}
	var work errgroup.Group
	for w := range writers {
		work.Go(func() error {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range changes {
				if err := h.change(ctx, processes[w%2], min(rng.IntN(things), rng.IntN(things))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var followers errgroup.Group
	done := make(chan struct{})
	readers := make([]*reader, 2*lanes)
	for i := range readers {
		readers[i] = &reader{h: h, lane: i % lanes}
		followers.Go(func() error {
			for {
				select {
				case <-done:
					return nil
				default:
				}
				if i < lanes {
					if err := processes[0].Drain(ctx, h.log, i); err != nil {
						return err
					}
				}
				if err := readers[i].follow(ctx, processes[i%2]); err != nil {
					return err
				}
			}
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	close(done)
	if err := followers.Wait(); err != nil {
		t.Fatal(err)
	}
	stop()
	movers.Wait()
	total := 0
	for i, r := range readers {
		for _, p := range processes {
			if err := p.Drain(ctx, h.log, r.lane); err != nil {
				t.Fatal(err)
			}
		}
		for before := -1; before < r.read; {
			before = r.read
			if err := r.follow(ctx, processes[0]); err != nil {
				t.Fatal(err)
			}
		}
		if i < lanes {
			total += r.read
		}
	}
	if total != writers*changes {
		t.Errorf("%d entries of %d changes", total, writers*changes)
	}
}

// orderIsThatOfTime: in one process, a change that began after another had
// ended is after it in the lane, whichever things they change.
func orderIsThatOfTime(t *testing.T, db *kv.DB) {
	const writers, changes = 8, 30
	h := newHistory(t, db, 1)
	s := New(db)
	var work, drain errgroup.Group
	done := make(chan struct{})
	drain.Go(func() error {
		for {
			select {
			case <-done:
				return nil
			default:
				if err := s.Drain(t.Context(), h.log, 0); err != nil {
					return err
				}
			}
		}
	})
	for w := range writers {
		work.Go(func() error {
			rng := rand.New(rand.NewPCG(2, uint64(w)))
			for range changes {
				if err := h.change(t.Context(), s, rng.IntN(6)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	close(done)
	if err := drain.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context(), h.log, 0); err != nil {
		t.Fatal(err)
	}
	r := &reader{h: h, timed: true}
	for before := -1; before < r.read; {
		before = r.read
		if err := r.follow(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if r.read != writers*changes {
		t.Errorf("%d entries of %d changes", r.read, writers*changes)
	}
}

// deathLeavesNothingBehind: a process dies between a commit and the move; the
// next finds the entry, before anything that it writes itself of the same thing.
func deathLeavesNothingBehind(t *testing.T, db *kv.DB) {
	h := newHistory(t, db, 1)
	dead := New(db)
	for range 3 {
		if err := h.change(t.Context(), dead, 1); err != nil {
			t.Fatal(err)
		}
	}
	s := New(db)
	if err := h.change(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context(), h.log, 0); err != nil {
		t.Fatal(err)
	}
	r := &reader{h: h}
	if err := r.follow(t.Context(), s); err != nil || r.read != 4 {
		t.Errorf("read %d of 4 entries: %v", r.read, err)
	}
}

// TestBacklogIsBounded: nobody moves, and one thing changes on and on.
func TestBacklogIsBounded(t *testing.T) {
	db, err := open.Open(t.Context(), "mem:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := newHistory(t, db, 1)
	s := New(db)
	payload := []byte(strings.Repeat("x", 100<<10))
	backlog := 0
	for range 10 {
		tk := s.Begin(h.log, 0, []byte("k"), start)
		err := db.Update(t.Context(), func(tx *kv.Tx) error { return tk.Append(tx, start, payload) }, tk.Key())
		tk.End()
		if errors.Is(err, ErrBacklog) {
			backlog++
			err = s.Drain(t.Context(), h.log, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if backlog == 0 {
		t.Error("a megabyte waits for one thing")
	}
}

func TestRollTrimAndEnd(t *testing.T) {
	db, err := open.Open(t.Context(), "mem:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := newHistory(t, db, 1)
	s := New(db)
	write := func(at time.Time, text string) {
		t.Helper()
		tk := s.Begin(h.log, 0, []byte(text), at)
		if err := db.Update(t.Context(), func(tx *kv.Tx) error { return tk.Append(tx, at, []byte(text)) }, tk.Key()); err != nil {
			t.Fatal(err)
		}
		tk.End()
		if err := s.Drain(t.Context(), h.log, 0); err != nil {
			t.Fatal(err)
		}
	}
	head := func() *Head {
		t.Helper()
		got, err := s.Head(t.Context(), h.log, 0)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	write(start, "a")
	write(start.Add(time.Minute), "b")
	if err := s.Roll(t.Context(), h.log, 0, start.Add(time.Hour), time.Hour, start); err != nil {
		t.Fatal(err)
	}
	write(start.Add(2*time.Hour), "c")
	got := head()
	if len(got.Segments) != 2 || got.Segments[0].End != 102 || got.Segments[1].First != 103 || got.Segments[1].Parent != 100 {
		t.Fatalf("after a roll: %+v", got)
	}
	if es, err := s.Read(t.Context(), h.log, 0, 100, 100, 10); err != nil || len(es) != 2 {
		t.Errorf("the first segment has %v, %v", es, err)
	}
	if n, err := s.Since(t.Context(), h.log, 0, got.Segments[0], got, start.Add(time.Second)); err != nil || n != 101 {
		t.Errorf("since a second later: %d, %v", n, err)
	}
	if _, err := s.Trim(t.Context(), h.log, 0, start.Add(time.Second), 10); err != nil {
		t.Fatal(err)
	}
	if got = head(); got.Trimmed != 101 {
		t.Errorf("trimmed up to %d", got.Trimmed)
	}
	tk := s.Begin(h.log, 0, []byte("d"), start)
	if err := db.Update(t.Context(), func(tx *kv.Tx) error { return tk.Append(tx, start, []byte("d")) }, tk.Key()); err != nil {
		t.Fatal(err)
	}
	tk.End()
	if err := db.Update(t.Context(), func(tx *kv.Tx) error { return h.log.Close(tx, start.Add(3*time.Hour)) }); err != nil {
		t.Fatal(err)
	}
	if got = head(); got.Segments[1].Open() || got.Segments[1].End != 105 {
		t.Errorf("after the end: %+v", got.Segments)
	}
	write(start.Add(4*time.Hour), "late")
	if es, err := s.Read(t.Context(), h.log, 0, 103, 0, 10); err != nil || len(es) != 2 {
		t.Errorf("the last segment has %v, %v", es, err)
	}
}

func FuzzWaiting(f *testing.F) {
	f.Add(appendWaiting(nil, waitingEntry{7, newEntry(start, []byte("x"))}))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := splitWaiting(b)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range entries {
			again = appendWaiting(again, e)
		}
		if back, err := splitWaiting(again); err != nil || len(back) != len(entries) {
			t.Errorf("%x became %x: %v", b, again, err)
		}
	})
}
