package esm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

var place = fn.Place{Account: "123456789012", Region: "eu-west-1"}

// bench is a store and a clock that outlive the services over them.
type bench struct {
	t     *testing.T
	deps  service.Deps
	clock *clock.Virtual
	tape  *tape
	calls *calls
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: clock.NewVirtual(clock.System()), tape: &tape{shards: map[string]*reel{}}, calls: &calls{}}
	log := slog.New(slog.DiscardHandler)
	b.deps = service.Deps{
		KV: kv.New(memkv.New()), Clock: b.clock, Ident: ident.NewSeeded(1, b.clock), Log: log,
		System: func(account, region string) *service.Call {
			return service.NewCall(nil, service.Call{Account: account, Region: region, Now: b.clock.Now(), Log: log})
		},
	}
	return b
}

// start runs a node until stop.
func (b *bench) start() (s *Service, stop func()) {
	b.t.Helper()
	s = New(b.deps, b.calls)
	s.open = func(*poller) Stream { return b.tape }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.run(ctx); err != nil {
			b.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	b.t.Cleanup(stop)
	return s, stop
}

func (b *bench) create(s *Service, set Settings) *Mapping {
	b.t.Helper()
	m := &Mapping{
		Place: place, UUID: "11111111-2222-4333-8444-555555555555", Function: "f", Source: "arn:aws:dynamodb:x", State: creating,
		Enabled: true, Generation: 1, Start: "TRIM_HORIZON", Settings: set,
	}
	if found, err := s.store.create(b.t.Context(), m); err != nil || found != "" {
		b.t.Fatal(found, err)
	}
	return m
}

func (b *bench) await(what string, ok func() bool) {
	b.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(limit) {
			b.t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// hurry moves the clock on until the test ends, so that pauses are short.
func (b *bench) hurry() {
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				b.clock.Advance(300 * time.Millisecond)
			}
		}
	})
	b.t.Cleanup(func() { close(done); all.Wait() })
}

// tape is a stream in memory. Sequences are numbers, cursors are shard/place.
type tape struct {
	mu     sync.Mutex
	shards map[string]*reel
	reads  int
}

type reel struct {
	parent  string
	closed  bool
	records []Record
}

func (s *tape) add(shard, parent string, records ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.shards[shard]
	if r == nil {
		r = &reel{parent: parent}
		s.shards[shard] = r
	}
	r.records = append(r.records, records...)
}

func (s *tape) close(shard string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[shard].closed = true
}

func (s *tape) Shards(context.Context) (out []Shard, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.shards {
		out = append(out, Shard{id, r.parent})
	}
	return out, nil
}

func (s *tape) Cursor(_ context.Context, shard string, from Position) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := 0
	for i, r := range s.shards[shard].records {
		if r.Sequence == from.After {
			at = i + 1
		}
	}
	return shard + "/" + strconv.Itoa(at), nil
}

func (s *tape) Read(_ context.Context, cursor string, limit int) ([]Record, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads++; s.reads%11 == 0 {
		return nil, "", errExpired
	}
	if s.reads%17 == 0 {
		return nil, "", errors.New("the store is in trouble")
	}
	var at int
	shard := cursor[:1]
	if _, err := fmt.Sscanf(cursor[2:], "%d", &at); err != nil {
		return nil, "", err
	}
	r := s.shards[shard]
	end := min(at+limit, len(r.records))
	next := shard + "/" + strconv.Itoa(end)
	if end == len(r.records) && r.closed {
		next = ""
	}
	return append([]Record{}, r.records[at:end]...), next, nil
}

// number makes the nth record of a key.
func (b *bench) number(key string, n int) Record {
	raw, err := json.Marshal(map[string]any{"k": key, "n": n})
	if err != nil {
		b.t.Fatal(err)
	}
	return Record{Sequence: fmt.Sprintf("%s-%d", key, n), Key: key, At: b.clock.Now(), JSON: raw}
}

// event is what calls are given.
type event struct {
	Records []struct {
		K string
		N int
	}
	Window *struct{ Start, End time.Time }
	State  map[string]int
	Final  bool `json:"isFinalInvokeForWindow"`
}

// calls stands for the functions' engine.
type calls struct {
	mu     sync.Mutex
	handle func(e event) (run.Result, error)
	at     fn.Ref
}

func (c *calls) Target(_ context.Context, r fn.Ref) (*fn.Function, *fn.Config, error) {
	return &fn.Function{}, &fn.Config{Role: "role", TimeoutS: 3}, nil
}

func (c *calls) Assume(context.Context, *service.Call, fn.Ref, string) (service.Session, error) {
	return service.Session{}, nil
}

func (c *calls) Invoke(_ context.Context, _ *service.Call, inv run.Invocation) (run.Result, error) {
	var e event
	if err := json.Unmarshal(inv.Payload, &e); err != nil {
		return run.Result{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = inv.Ref
	return c.handle(e)
}

// TestEveryRecordInOrder has a function that fails, is throttled and is stopped
// at any moment, over shards with children, and looks at what it was given: every
// record of every key, none before the one before it was processed.
func TestEveryRecordInOrder(t *testing.T) {
	for _, set := range []Settings{
		{BatchSize: 7, Parallel: 1, RetriesMax: noLimit, AgeMaxS: noLimit},
		{BatchSize: 3, Parallel: 4, RetriesMax: noLimit, AgeMaxS: noLimit, Bisect: true},
		{BatchSize: 50, Parallel: 2, RetriesMax: noLimit, AgeMaxS: noLimit, WindowS: 1, ReportFailures: true},
	} {
		t.Run(fmt.Sprintf("batch %d by %d", set.BatchSize, set.Parallel), func(t *testing.T) { inOrder(t, set) })
	}
}

func inOrder(t *testing.T, set Settings) {
	const keys, each = 9, 40
	b := newBench(t)
	b.hurry()
	rng := rand.New(rand.NewPCG(1, uint64(set.BatchSize)))
	done, total := map[string]int{}, 0
	b.calls.handle = func(e event) (run.Result, error) {
		switch rng.IntN(6) {
		case 0:
			return run.Result{FunctionError: "Unhandled"}, nil
		case 1:
			return run.Result{}, fn.Throttled("ConcurrentInvocationLimitExceeded")
		}
		upTo := len(e.Records)
		if set.ReportFailures {
			upTo = rng.IntN(len(e.Records) + 1)
		}
		for _, r := range e.Records[:upTo] {
			if r.N > done[r.K] {
				t.Errorf("%s %d was given before %d was processed", r.K, r.N, done[r.K])
			}
			if r.N == done[r.K] {
				done[r.K]++
				total++
			}
		}
		if upTo == len(e.Records) {
			return run.Result{Payload: []byte("null")}, nil
		}
		r := e.Records[upTo]
		return run.Result{Payload: fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":"%s-%d"}]}`, r.K, r.N)}, nil
	}
	// Keys are spread over two shards, each of which is followed by a child.
	for n := range each {
		for k := range keys {
			shard, parent := string("AB"[k%2]), ""
			if n >= each/2 {
				shard, parent = string("CD"[k%2]), shard
			}
			b.tape.add(shard, parent, b.number(fmt.Sprintf("k%d", k), n))
		}
	}
	b.tape.close("A")
	b.tape.close("B")
	s, stop := b.start()
	m := b.create(s, set)
	for part := 1; part <= 4; part++ {
		b.await("records", func() bool {
			b.calls.mu.Lock()
			defer b.calls.mu.Unlock()
			return total >= keys*each*part/4
		})
		stop()
		s, stop = b.start()
	}
	b.await("checkpoints", func() bool {
		at, err := s.store.checkpoints(t.Context(), m)
		return err == nil && at["A"].Done && at["B"].Done && at["C"].After == fmt.Sprintf("k%d-%d", keys-1, each-1)
	})
	if now, err := s.store.mapping(t.Context(), place, m.UUID); err != nil || now.State != enabled {
		t.Errorf("mapping %+v, %v", now, err)
	}
}

// TestTumblingWindows sums up numbers by window through restarts.
func TestTumblingWindows(t *testing.T) {
	b := newBench(t)
	sum, finals := 0, 0
	b.calls.handle = func(e event) (run.Result, error) {
		state := e.State["sum"]
		for _, r := range e.Records {
			state += r.N
		}
		if e.Final {
			sum, finals = sum+state, finals+1
		}
		return run.Result{Payload: fmt.Appendf(nil, `{"state":{"sum":%d}}`, state)}, nil
	}
	want := 0
	b.tape.add("A", "")
	s, stop := b.start()
	m := b.create(s, Settings{BatchSize: 10, Parallel: 1, RetriesMax: noLimit, AgeMaxS: noLimit, TumblingS: 10})
	for n := range 40 {
		b.tape.add("A", "", b.number("k", n))
		want += n
		b.clock.Advance(time.Second)
		if n%13 == 12 {
			stop()
			s, stop = b.start()
		}
	}
	b.await("the records", func() bool {
		at, err := s.store.checkpoints(t.Context(), m)
		return err == nil && at["A"].After == "k-39"
	})
	b.hurry()
	b.await("the sum", func() bool {
		b.calls.mu.Lock()
		defer b.calls.mu.Unlock()
		return sum == want
	})
	b.calls.mu.Lock()
	defer b.calls.mu.Unlock()
	if finals < 4 || finals > 5 {
		t.Errorf("%d windows of 40 seconds", finals)
	}
}

// TestOldRecordsAreGivenUp has a function that never succeeds on one record.
func TestOldRecordsAreGivenUp(t *testing.T) {
	b := newBench(t)
	tries, after := 0, false
	b.calls.handle = func(e event) (run.Result, error) {
		if e.Records[0].N == 0 {
			tries++
			return run.Result{FunctionError: "Unhandled"}, nil
		}
		after = true
		return run.Result{}, nil
	}
	b.tape.add("A", "", b.number("k", 0))
	s, _ := b.start()
	m := b.create(s, Settings{BatchSize: 10, Parallel: 1, RetriesMax: noLimit, AgeMaxS: 3600})
	b.await("a try", func() bool {
		b.calls.mu.Lock()
		defer b.calls.mu.Unlock()
		return tries > 0
	})
	b.await("the result", func() bool {
		r, err := s.store.result(t.Context(), m)
		return err == nil && r == "PROBLEM: Function call failed"
	})
	b.clock.Advance(time.Hour)
	b.tape.add("A", "", b.number("k", 1))
	b.hurry()
	b.await("the next record", func() bool {
		b.calls.mu.Lock()
		defer b.calls.mu.Unlock()
		return after
	})
}

// TestRoom has a function that does not answer: a shard is not read on.
func TestRoom(t *testing.T) {
	b := newBench(t)
	hold := make(chan struct{})
	b.calls.handle = func(event) (run.Result, error) {
		<-hold
		return run.Result{}, nil
	}
	for n := range 9000 {
		b.tape.add("A", "", b.number("k", n))
	}
	s, _ := b.start()
	m := b.create(s, Settings{BatchSize: 10, Parallel: 2, RetriesMax: 0, AgeMaxS: noLimit})
	p, err := s.newPoller(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newConsumer(p, "A", checkpoint{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if c.pending < readMax || c.pending >= 2*readMax {
		t.Errorf("%d records are held", c.pending)
	}
	close(hold)
}

func TestFilterPasses(t *testing.T) {
	b := newBench(t)
	var got []int
	b.calls.handle = func(e event) (run.Result, error) {
		for _, r := range e.Records {
			got = append(got, r.N)
		}
		return run.Result{}, nil
	}
	for n := range 100 {
		b.tape.add("A", "", b.number("k", n))
	}
	b.hurry()
	s, _ := b.start()
	m := b.create(s, Settings{BatchSize: 10, Parallel: 1, RetriesMax: 0, AgeMaxS: noLimit, Filters: []string{`{"n":[{"numeric":["<",3]}]}`, `{"n":[77]}`}})
	b.await("the end", func() bool {
		at, err := s.store.checkpoints(t.Context(), m)
		return err == nil && at["A"].After == "k-99"
	})
	b.calls.mu.Lock()
	defer b.calls.mu.Unlock()
	if fmt.Sprint(got) != "[0 1 2 77]" {
		t.Errorf("the function was given %v", got)
	}
}

func TestLeases(t *testing.T) {
	b := newBench(t)
	s := New(b.deps, b.calls)
	m := b.create(s, streamDefaults())
	id, ctx, now := workID{place, m.UUID}, t.Context(), b.clock.Now()
	take := func(holder string, at time.Time, alone, want bool) {
		t.Helper()
		if got, err := s.store.take(ctx, id, holder, at, alone); err != nil || got != want {
			t.Errorf("%s takes: %v, %v", holder, got, err)
		}
	}
	if err := s.store.beat(ctx, "one", now); err != nil {
		t.Fatal(err)
	}
	take("one", now, false, true)
	take("one", now, false, true)
	take("two", now, false, false)
	take("two", now.Add(nodeLife-1), false, false)
	take("two", now.Add(nodeLife), false, true)
	if err := s.store.save(ctx, m, "one", "A", checkpoint{After: "5"}); !errors.Is(err, errLost) {
		t.Errorf("who lost the mapping stores a checkpoint: %v", err)
	}
	if err := s.store.save(ctx, m, "two", "A", checkpoint{After: "6"}); err != nil {
		t.Error(err)
	}
	take("three", now, true, true) // nobody else can live
	if err := s.store.release(ctx, id, "two"); err != nil {
		t.Error(err)
	}
	take("four", now, true, true)
	if err := s.store.remove(ctx, m); err != nil {
		t.Fatal(err)
	}
	take("five", now, false, false)
	if at, err := s.store.checkpoints(ctx, m); err != nil || len(at) != 0 {
		t.Errorf("checkpoints of a mapping that is gone: %v, %v", at, err)
	}
	if err := s.store.save(ctx, m, "four", "A", checkpoint{}); !errors.Is(err, errLost) {
		t.Errorf("a checkpoint of a mapping that is gone: %v", err)
	}
}

func TestTakenOver(t *testing.T) {
	b := newBench(t)
	b.hurry()
	var mu sync.Mutex
	seen := map[int]int{}
	b.calls.handle = func(e event) (run.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range e.Records {
			seen[r.N]++
		}
		return run.Result{}, nil
	}
	b.tape.add("A", "", b.number("k", 0))
	s, _ := b.start()
	m := b.create(s, Settings{BatchSize: 10, Parallel: 1, RetriesMax: 0, AgeMaxS: noLimit})
	count := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[n]
	}
	b.await("the first", func() bool { return count(0) > 0 })
	// Another node takes the mapping, as if this one had been silent for long.
	if ok, err := s.store.take(t.Context(), workID{place, m.UUID}, "other", b.clock.Now(), true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	// The store is this process's own, so the other must be dead.
	b.await("the mapping to be taken back", func() bool {
		w, ok, err := read[work](s.store.getter(t.Context()), workKey(place, m.UUID))
		return err == nil && ok && w.Holder == s.holder
	})
	b.tape.add("A", "", b.number("k", 1))
	b.await("the second", func() bool { return count(1) > 0 })
}
