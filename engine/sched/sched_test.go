package sched

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/faultkv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/kv/pebblekv"
)

// patience is how long, in real time, a test waits for what must happen.
const patience = 10 * time.Second

var begin = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// fixture is one store with a fake clock; nodes are started on it.
type fixture struct {
	t   testing.TB
	db  *kv.DB
	clk *clock.Fake
	ids *ident.Source
}

func newFixture(t testing.TB) *fixture { return fixtureOn(t, memkv.New()) }

func fixtureOn(t testing.TB, d driver.DB) *fixture {
	db := kv.New(d)
	t.Cleanup(func() { db.Close() })
	clk := clock.NewFake(begin)
	return &fixture{t: t, db: db, clk: clk, ids: ident.NewSeeded(1, clk)}
}

func (f *fixture) node() *Scheduler {
	return New(f.db.Scope([]byte("sched/")), f.clk, f.ids, slog.New(slog.DiscardHandler))
}

// run runs s until the returned function is called, or the test ends.
func (f *fixture) run(s *Scheduler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				f.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			f.t.Error("Run does not stop")
		}
	})
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) enqueue(s *Scheduler, j Job) {
	f.t.Helper()
	if err := s.Enqueue(context.Background(), j); err != nil {
		f.t.Fatalf("Enqueue: %v", err)
	}
}

func (f *fixture) eventually(what string, is func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("never: %s", what)
		}
	}
}

func (f *fixture) jobs(s *Scheduler, kind string) []Waiting {
	f.t.Helper()
	out, err := s.Jobs(context.Background(), kind, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// empty reports whether the scheduler has left nothing in the store.
func (f *fixture) empty() bool {
	f.t.Helper()
	items, err := f.db.Scan(context.Background(), kv.Prefix([]byte("sched/")))
	if err != nil {
		f.t.Fatal(err)
	}
	return len(items) == 0
}

// record is a handler that keeps what it was given.
type record struct {
	mu   sync.Mutex
	runs []Run
	err  func(Run) error
}

func (r *record) handle(_ context.Context, run Run) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, run)
	if r.err != nil {
		return r.err(run)
	}
	return nil
}

func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.runs)
}

func (r *record) payloads() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range r.runs {
		out = append(out, string(run.Payload))
	}
	return out
}

func TestRunsNotBeforeItsTimeAndInOrder(t *testing.T) {
	f := newFixture(t)
	s, rec := f.node(), &record{}
	s.Register("k", rec.handle, Options{Concurrency: 1})
	f.enqueue(s, Job{Kind: "k", Payload: []byte("b"), RunAt: begin.Add(2 * time.Hour)})
	f.enqueue(s, Job{Kind: "k", Payload: []byte("a"), RunAt: begin.Add(time.Hour)})
	f.run(s)
	f.eventually("asleep", func() bool { return f.clk.Timers() == 1 })
	f.clk.Advance(time.Hour - time.Nanosecond)
	f.eventually("asleep again", func() bool { return f.clk.Timers() == 1 })
	if rec.count() != 0 {
		t.Fatal("ran before its time")
	}
	f.clk.Advance(2 * time.Hour)
	f.eventually("both ran", func() bool { return rec.count() == 2 && f.empty() })
	if got := rec.payloads(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("ran %v", got)
	}
	r := rec.runs[0]
	if r.Attempt != 1 || r.RunAt.Sub(begin.Add(time.Hour)).Abs() > time.Microsecond || r.Kind != "k" || r.EnqueuedAt.Sub(begin).Abs() > time.Microsecond {
		t.Errorf("run %+v", r)
	}
}

func TestEnqueueWakesARunningScheduler(t *testing.T) {
	f := newFixture(t)
	s, rec := f.node(), &record{}
	s.Register("k", rec.handle, Options{})
	f.run(s)
	f.eventually("asleep", func() bool { return f.clk.Timers() == 1 })
	f.enqueue(s, Job{Kind: "k"})
	f.eventually("ran", func() bool { return rec.count() == 1 && f.empty() })
}

func TestEnqueueTxIsOneWithTheCallersWrites(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	s.Register("k", (&record{}).handle, Options{})
	own := f.db.Scope([]byte("service/deep/"))
	broken := errors.New("broken")
	for _, want := range []error{broken, nil} {
		err := own.Update(t.Context(), func(tx *kv.Tx) error {
			if err := errors.Join(tx.Put([]byte("item"), nil), s.EnqueueTx(tx, Job{Kind: "k"})); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatal(err)
		}
		_, err = own.Get(t.Context(), []byte("item"))
		if stored, queued := err == nil, len(f.jobs(s, "k")) == 1; stored != (want == nil) || queued != stored {
			t.Errorf("after %v: stored %t, queued %t", want, stored, queued)
		}
	}
}

func TestRetriesBackOffThenDeadLetter(t *testing.T) {
	f := newFixture(t)
	s, rec := f.node(), &record{err: func(r Run) error { return fmt.Errorf("attempt %d broke", r.Attempt) }}
	s.Register("k", rec.handle, Options{MaxAttempts: 3})
	f.enqueue(s, Job{Kind: "k", Key: "key", Payload: []byte("p")})
	f.run(s)
	for attempt := 1; attempt <= 2; attempt++ {
		f.eventually("failed", func() bool {
			j := f.jobs(s, "k")
			return len(j) == 1 && !j[0].Leased && j[0].Attempt == attempt
		})
		wait := f.jobs(s, "k")[0].Due.Sub(f.clk.Now())
		if wait < Backoff(attempt) || wait > Backoff(attempt)+time.Millisecond {
			t.Errorf("waits %v after attempt %d", wait, attempt)
		}
		f.clk.Advance(wait)
	}
	f.eventually("dead", func() bool { return len(f.jobs(s, "k")) == 0 })
	dead, err := s.DeadLetters(t.Context(), "k", 10)
	if err != nil || len(dead) != 1 {
		t.Fatalf("dead letters %v, %v", dead, err)
	}
	d := dead[0]
	if d.Attempts != 3 || d.Cause != "attempt 3 broke" || string(d.Payload) != "p" || d.Key != "key" {
		t.Errorf("dead letter %+v", d)
	}
	rec.mu.Lock()
	rec.err = nil
	rec.mu.Unlock()
	if err := s.Redrive(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	f.eventually("redriven", func() bool { return rec.count() == 4 && f.empty() })
	if err := s.Discard(t.Context(), d); !errors.Is(err, ErrNotFound) {
		t.Errorf("Discard of what is gone: %v", err)
	}
}

func TestRedriveDoesNotLoseALetterToALivingJob(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	s.Register("k", (&record{err: func(Run) error { return Permanent(errors.New("no")) }}).handle, Options{})
	f.enqueue(s, Job{Kind: "k", Key: "a"})
	stop := f.run(s)
	f.eventually("dead", func() bool { return len(f.jobs(s, "k")) == 0 })
	stop()
	f.enqueue(s, Job{Kind: "k", Key: "a"})
	dead, err := s.DeadLetters(t.Context(), "k", 0)
	if err != nil || len(dead) != 1 {
		t.Fatal(dead, err)
	}
	if err := s.Redrive(t.Context(), dead[0]); !errors.Is(err, ErrExists) {
		t.Errorf("Redrive: %v", err)
	}
	if err := s.Discard(t.Context(), dead[0]); err != nil {
		t.Errorf("Discard: %v", err)
	}
}

func TestDeadLetterHookIsRetried(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	var runs, hooks atomic.Int32
	s.Register("k", func(context.Context, Run) error { runs.Add(1); panic("no") }, Options{
		MaxAttempts: 1, Backoff: func(int) time.Duration { return 0 },
		DeadLetter: func(_ context.Context, r Run, cause string) error {
			if cause == "" || string(r.Payload) != "p" {
				t.Errorf("hook got %q of %+v", cause, r)
			}
			if hooks.Add(1) < 3 {
				return errors.New("destination is down")
			}
			return nil
		},
	})
	f.enqueue(s, Job{Kind: "k", Payload: []byte("p")})
	f.run(s)
	f.eventually("gone", f.empty)
	if runs.Load() != 1 || hooks.Load() != 3 {
		t.Errorf("%d runs, %d hooks", runs.Load(), hooks.Load())
	}
}

func TestKeyOfAWaitingJob(t *testing.T) {
	f := newFixture(t)
	s, rec := f.node(), &record{}
	s.Register("k", rec.handle, Options{})
	f.enqueue(s, Job{Kind: "k", Key: "a", Payload: []byte("1"), RunAt: begin.Add(time.Hour)})
	f.enqueue(s, Job{Kind: "k", Key: "a", Payload: []byte("2")})
	f.enqueue(s, Job{Kind: "k", Key: "b", Payload: []byte("other"), RunAt: begin.Add(time.Hour)})
	if got := f.jobs(s, "k"); len(got) != 2 || got[0].Due.Before(begin.Add(time.Hour)) {
		t.Fatalf("jobs %+v", got)
	}
	f.enqueue(s, Job{Kind: "k", Key: "a", Replace: true, Payload: []byte("3"), RunAt: begin.Add(2 * time.Hour)})
	if err := s.Cancel(t.Context(), "k", "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(t.Context(), "k", "never was"); err != nil {
		t.Error(err)
	}
	f.run(s)
	f.clk.Advance(3 * time.Hour)
	f.eventually("ran", func() bool { return rec.count() == 1 && f.empty() })
	if got := rec.payloads(); got[0] != "3" {
		t.Errorf("ran %v", got)
	}
}

func TestKeyOfARunningJobRunsOnceMore(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	entered, leave := make(chan string, 8), make(chan error)
	s.Register("k", func(_ context.Context, r Run) error {
		entered <- string(r.Payload)
		return <-leave
	}, Options{Concurrency: 4})
	f.run(s)
	f.enqueue(s, Job{Kind: "k", Key: "a", Payload: []byte("1")})
	if got := <-entered; got != "1" {
		t.Fatal(got)
	}
	f.enqueue(s, Job{Kind: "k", Key: "a", Payload: []byte("2")})
	f.enqueue(s, Job{Kind: "k", Key: "a", Payload: []byte("3")})
	leave <- Permanent(errors.New("the end of one does not end the other"))
	if got := <-entered; got != "3" {
		t.Errorf("follow-up got %q, want the last one enqueued", got)
	}
	leave <- nil
	f.eventually("done", func() bool { return len(f.jobs(s, "k")) == 0 })
	if len(entered) != 0 {
		t.Error("ran a third time")
	}
}

func TestCancelOfARunningJobIsNotRepeated(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Register("k", func(context.Context, Run) error { entered <- struct{}{}; <-leave; return errors.New("retry me") }, Options{})
	f.run(s)
	f.enqueue(s, Job{Kind: "k", Key: "a"})
	<-entered
	if err := s.Cancel(t.Context(), "k", "a"); err != nil {
		t.Fatal(err)
	}
	close(leave)
	f.eventually("nothing is left", f.empty)
}

func TestLostLeaseCancelsTheRunAndFinishTxFails(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	entered := make(chan Run, 1)
	result := make(chan error, 2)
	s.Register("k", func(ctx context.Context, r Run) error {
		entered <- r
		<-ctx.Done()
		result <- context.Cause(ctx)
		result <- f.db.Update(context.Background(), func(tx *kv.Tx) error { return r.FinishTx(tx) })
		return nil
	}, Options{Lease: time.Minute})
	f.run(s)
	f.enqueue(s, Job{Kind: "k", Key: "a"})
	<-entered
	if err := s.Cancel(t.Context(), "k", "a"); err != nil {
		t.Fatal(err)
	}
	f.clk.Advance(time.Minute)
	for range 2 {
		if err := <-result; !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%v, want ErrLeaseLost", err)
		}
	}
}

func TestMovedClockDoesNotStealALeaseFromItsHolder(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	var runs atomic.Int32
	entered, leave := make(chan struct{}, 4), make(chan struct{})
	s.Register("k", func(context.Context, Run) error { runs.Add(1); entered <- struct{}{}; <-leave; return nil }, Options{})
	f.run(s)
	f.enqueue(s, Job{Kind: "k"})
	<-entered
	for range 5 {
		f.clk.Advance(24 * time.Hour)
		f.eventually("lease renewed", func() bool { return f.jobs(s, "k")[0].Due.After(f.clk.Now()) })
	}
	close(leave)
	f.eventually("done", f.empty)
	if runs.Load() != 1 {
		t.Errorf("%d runs", runs.Load())
	}
}

func TestDeadNodesJobIsTakenOver(t *testing.T) {
	f := newFixture(t)
	dying, rec := f.node(), &record{}
	dying.Register("k", nil, Options{})
	f.enqueue(dying, Job{Kind: "k"})
	// A node that takes a lease and is heard of no more.
	if jobs, _, err := dying.kinds["k"].claim(t.Context(), 1); len(jobs) != 1 || err != nil {
		t.Fatal(jobs, err)
	}
	s := f.node()
	s.Register("k", rec.handle, Options{})
	f.run(s)
	f.eventually("asleep", func() bool { return f.clk.Timers() == 1 })
	f.clk.Advance(LeaseDefault - time.Second)
	f.eventually("asleep", func() bool { return f.clk.Timers() == 1 })
	if rec.count() != 0 {
		t.Error("taken before the lease expired")
	}
	f.clk.Advance(time.Minute)
	f.eventually("taken over", func() bool { return rec.count() == 1 && f.empty() })
	if rec.runs[0].Attempt != 2 {
		t.Errorf("attempt %d, want 2", rec.runs[0].Attempt)
	}
}

func TestJobThatKillsItsNodesBecomesADeadLetter(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	s.Register("k", nil, Options{MaxAttempts: 2, Lease: time.Second})
	f.enqueue(s, Job{Kind: "k"})
	for range 2 {
		if jobs, _, err := s.kinds["k"].claim(t.Context(), 1); len(jobs) != 1 || err != nil {
			t.Fatal(jobs, err)
		}
		f.clk.Advance(2 * time.Second)
	}
	f.run(s) // the handler is nil: calling it would panic
	f.eventually("dead", func() bool { return len(f.jobs(s, "k")) == 0 })
	if dead, err := s.DeadLetters(t.Context(), "k", 0); err != nil || len(dead) != 1 || dead[0].Attempts != 2 {
		t.Errorf("dead letters %+v, %v", dead, err)
	}
}

func TestStopReleasesWhatItInterrupts(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	w := &worker{Scheduler: s, kind: "k", options: Options{}.withDefaults(), slots: make(chan struct{}, 1), running: map[string]struct{}{}}
	w.handler = func(ctx context.Context, _ Run) error { <-ctx.Done(); return ctx.Err() }
	s.kinds["k"] = w
	f.enqueue(s, Job{Kind: "k"})
	ctx, cancel := context.WithCancelCause(t.Context())
	jobs, _, err := w.claim(ctx, 1)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	w.slots <- struct{}{}
	cancel(ErrStopping)
	w.run(ctx, jobs[0])
	if got := f.jobs(s, "k"); len(got) != 1 || got[0].Leased || got[0].Attempt != 0 || got[0].Due.After(f.clk.Now().Add(time.Millisecond)) {
		t.Errorf("job %+v is not free for others", got)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	f := newFixture(t)
	s := f.node()
	var now, most, done atomic.Int32
	s.Register("k", func(context.Context, Run) error {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(time.Millisecond) // long enough for others to begin
		now.Add(-1)
		done.Add(1)
		return nil
	}, Options{Concurrency: 3})
	for range 60 {
		f.enqueue(s, Job{Kind: "k"})
	}
	f.run(s)
	f.eventually("all done", func() bool { return done.Load() == 60 && f.empty() })
	if most.Load() != 3 {
		t.Errorf("%d at once, want 3", most.Load())
	}
}

func TestNodesShareTheWork(t *testing.T) {
	for name, open := range map[string]func() driver.DB{
		"memory": memkv.New,
		"pebble": func() driver.DB {
			d, err := pebblekv.Open(t.TempDir()+"/db", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixtureOn(t, open())
			const jobsAll = 200
			var mu sync.Mutex
			ran := make(map[string]int)
			for range 3 {
				s := f.node()
				s.Register("k", func(_ context.Context, r Run) error {
					mu.Lock()
					defer mu.Unlock()
					ran[string(r.Payload)]++
					return nil
				}, Options{})
				f.run(s)
			}
			s := f.node()
			s.Register("k", nil, Options{})
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for i := range jobsAll / 4 {
						f.enqueue(s, Job{Kind: "k", Payload: fmt.Appendf(nil, "%d-%d", g, i)})
					}
				})
			}
			wg.Wait()
			f.eventually("all done", f.empty)
			for p, n := range ran {
				if n != 1 {
					t.Errorf("job %s ran %d times though nobody failed", p, n)
				}
			}
			if len(ran) != jobsAll {
				t.Errorf("%d jobs ran, want %d", len(ran), jobsAll)
			}
		})
	}
}

// TestCrashAtEveryStep lets the store crash at each of its steps in turn, with
// and without the step's effect. After a restart and the lease's expiry the job
// has run at least once, what it did with FinishTx has happened exactly once,
// and nothing is left behind.
func TestCrashAtEveryStep(t *testing.T) {
	const steps = 40
	for n := 1; n <= steps; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("step %d, after %t", n, after), func(t *testing.T) {
				t.Parallel()
				crashAt(t, n, after)
			})
		}
	}
}

func crashAt(t *testing.T, step int, after bool) {
	store := faultkv.New(memkv.New(), faultkv.Script(map[int]faultkv.Action{step: {Crash: true, AfterWrite: after}}))
	f := fixtureOn(t, store)
	var ran atomic.Int32
	counter := f.db.Scope([]byte("service/"))
	node := func() *Scheduler {
		s := f.node()
		s.Register("k", func(ctx context.Context, r Run) error {
			ran.Add(1)
			return counter.Update(ctx, func(tx *kv.Tx) error { return errors.Join(add(tx), r.FinishTx(tx)) })
		}, Options{})
		return s
	}
	first := node()
	job := Job{Kind: "k", Key: "once", Payload: []byte("p")}
	stop := f.run(first)
	enqueued := first.Enqueue(context.Background(), job)
	if enqueued == nil {
		// Until it is done or the store is down.
		f.eventually("end of the first node", func() bool { return ran.Load() > 0 || store.Steps() >= step })
	}
	stop()
	store.Restart(faultkv.Script(nil))
	second := node()
	value := func() uint64 {
		v, err := counter.Get(context.Background(), []byte("n"))
		if err != nil {
			return 0
		}
		return binary.BigEndian.Uint64(v)
	}
	if enqueued != nil {
		f.enqueue(second, job) // the client tries again; the key makes it one job if the first try took effect
	}
	f.run(second)
	f.eventually("asleep", func() bool { return f.clk.Timers() >= 1 })
	f.eventually("done", func() bool {
		if f.empty() {
			return true
		}
		f.clk.Advance(time.Minute)
		return false
	})
	if ran.Load() < 1 || value() != 1 {
		t.Errorf("ran %d times, effect happened %d times", ran.Load(), value())
	}
}

func add(tx *kv.Tx) error {
	n := uint64(0)
	v, err := tx.Get([]byte("n"))
	if err == nil {
		n = binary.BigEndian.Uint64(v)
	} else if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	return tx.Put([]byte("n"), binary.BigEndian.AppendUint64(nil, n+1))
}

func TestStoreThatOftenFails(t *testing.T) {
	chances := faultkv.Chances{Fail: .05, LoseReply: .05, Conflict: .05}
	store := faultkv.New(memkv.New(), faultkv.Script(nil))
	f := fixtureOn(t, store)
	s, rec := f.node(), &record{}
	s.Register("k", rec.handle, Options{})
	for i := range 30 {
		f.enqueue(s, Job{Kind: "k", Payload: fmt.Append(nil, i)})
	}
	store.Restart(faultkv.Seeded(1, chances))
	f.run(s)
	f.eventually("all ran", func() bool {
		f.clk.Advance(time.Second)
		got := rec.payloads()
		slices.Sort(got)
		return len(slices.Compact(got)) == 30
	})
	store.Restart(faultkv.Script(nil))
	f.eventually("none is left", func() bool { f.clk.Advance(time.Minute); return f.empty() })
}

func TestEvery(t *testing.T) {
	f := newFixture(t)
	var runs atomic.Int32
	node := func(interval time.Duration) *Scheduler {
		s := f.node()
		s.Every("tick", interval, func(context.Context) error {
			runs.Add(1)
			return errors.New("is tried again at its next time only")
		})
		return s
	}
	s := node(time.Minute)
	f.run(s)
	other := f.run(node(time.Minute)) // two nodes, one tick
	settled := func(n int32) {
		t.Helper()
		f.eventually(fmt.Sprintf("%d ticks, then asleep", n), func() bool {
			j := f.jobs(s, "tick")
			return runs.Load() == n && len(j) == 1 && !j[0].Leased && j[0].Due.After(f.clk.Now())
		})
	}
	settled(0)
	f.clk.Advance(time.Minute + time.Millisecond)
	settled(1)
	f.clk.Advance(time.Hour) // 60 ticks are missed and made up for by one
	settled(2)
	if due := f.jobs(s, "tick")[0].Due; due.Sub(f.clk.Now()) > time.Minute {
		t.Errorf("next at %v", due)
	}
	other()
	f.run(node(time.Second)) // a shorter interval holds at once
	f.eventually("armed", func() bool { return f.jobs(s, "tick")[0].Due.Sub(f.clk.Now()) <= time.Second+time.Millisecond })
}

func TestEnqueueRefuses(t *testing.T) {
	s := newFixture(t).node()
	s.Register("k", nil, Options{})
	for _, tt := range []struct {
		job  Job
		want error
	}{
		{Job{Kind: "other"}, ErrUnknownKind},
		{Job{}, ErrInvalid},
		{Job{Kind: "k", Replace: true}, ErrInvalid},
		{Job{Kind: "k", Key: "\xff"}, ErrInvalid},
		{Job{Kind: "k", Key: string(make([]byte, KeyBytesMax+1))}, ErrInvalid},
		{Job{Kind: "k", Payload: make([]byte, PayloadBytesMax+1)}, ErrInvalid},
	} {
		if err := s.Enqueue(t.Context(), tt.job); !errors.Is(err, tt.want) {
			t.Errorf("Enqueue of kind %q: %v, want %v", tt.job.Kind, err, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	now := begin
	at := func(d time.Duration) int64 { return dueAfter(now, d) }
	broke := errors.New("broke")
	hook := func(context.Context, Run, string) error { return nil }
	plain := Options{MaxAttempts: 3}.withDefaults()
	hooked := Options{MaxAttempts: 3, DeadLetter: hook}.withDefaults()
	running := state{Attempt: 2, Lease: "l", RunAt: 1}
	last := state{Attempt: 3, Lease: "l"}
	tests := []struct {
		name string
		st   state
		err  error
		o    Options
		want verdict
	}{
		{"success", running, nil, plain, verdict{fateDone, state{Attempt: 2, RunAt: 1}}},
		{"failure", running, broke, plain, verdict{fateWait, state{Attempt: 2, RunAt: 1, Due: at(2 * time.Second), Cause: "broke"}}},
		{"again", running, Again(time.Minute), plain, verdict{fateWait, state{RunAt: at(time.Minute), Due: at(time.Minute)}}},
		{"again after the last attempt", last, Again(0), plain, verdict{fateWait, state{RunAt: at(0), Due: at(0)}}},
		{"permanent", running, fmt.Errorf("wrapped: %w", Permanent(broke)), plain, verdict{fateDead, state{Attempt: 2, RunAt: 1, Cause: "wrapped: broke"}}},
		{"last attempt", last, broke, plain, verdict{fateDead, state{Attempt: 3, Cause: "broke"}}},
		{"last attempt with a hook", last, broke, hooked, verdict{fateWait, state{Attempt: 3, Cause: "broke", Dying: true, Due: at(0)}}},
		{"hook succeeds", state{Dying: true, DeadAttempt: 1, Lease: "l"}, nil, hooked, verdict{fateDone, state{Dying: true, DeadAttempt: 1}}},
		{"hook fails", state{Dying: true, DeadAttempt: 1, Cause: "c"}, broke, hooked, verdict{fateWait, state{Dying: true, DeadAttempt: 1, Cause: "c", Due: at(time.Second)}}},
		{"hook fails for good", state{Dying: true, DeadAttempt: DeadLetterAttemptsMax, Cause: "c"}, broke, hooked,
			verdict{fateDead, state{Dying: true, DeadAttempt: DeadLetterAttemptsMax, Cause: "c; dead letter not delivered: broke"}}},
		{"dying without a hook", state{Dying: true, DeadAttempt: 1, Cause: "c"}, errNoHook, plain, verdict{fateDead, state{Dying: true, DeadAttempt: 1, Cause: "c"}}},
	}
	for _, tt := range tests {
		got := judge(tt.st, tt.err, tt.o, now)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(verdict{}, state{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestNextTime(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct{ since, want time.Duration }{
		{0, minute}, {1, minute - 1}, {minute - 1, 1}, {minute, minute}, {90 * time.Second, 30 * time.Second}, {-5 * minute, minute},
	} {
		if got := nextTime(begin, minute, begin.Add(tt.since)).Sub(begin.Add(tt.since)); got != tt.want {
			t.Errorf("%v after the last: next in %v, want %v", tt.since, got, tt.want)
		}
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	for attempt, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second, 10: backoffMost, 1 << 40: backoffMost} {
		if got := Backoff(attempt); got != want {
			t.Errorf("Backoff(%d) = %v, want %v", attempt, got, want)
		}
	}
}

func BenchmarkEnqueueAndRun(b *testing.B) {
	f := newFixture(b)
	s := f.node()
	var wg sync.WaitGroup
	s.Register("k", func(context.Context, Run) error { wg.Done(); return nil }, Options{})
	f.run(s)
	b.ReportAllocs()
	for b.Loop() {
		wg.Add(1)
		f.enqueue(s, Job{Kind: "k", Payload: []byte("payload")})
		wg.Wait()
	}
}
