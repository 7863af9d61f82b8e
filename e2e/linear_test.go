package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"moln.dev/moln/aws/sigv4"
)

const (
	// linearClients write and read at the same time, on linearGroups groups.
	linearClients = 12
	linearGroups  = 6
	// linearDeaths is how often a process dies in a history.
	linearDeaths = 3
	// The process dies at a random moment between these two.
	linearAfterMin = 400 * time.Millisecond
	linearAfterMax = 1800 * time.Millisecond
	// linearLeast is how many requests are made before it dies, on a machine
	// however slow.
	linearLeast = linearClients * 8
	// linearCheckLimit bounds the search for an order of one history.
	linearCheckLimit = 2 * time.Minute
)

// TestLinearizable has clients make conditional puts, updates, deletes,
// transactions and reads of few items at the same time, while moln is ended
// with SIGKILL and started again, and looks for an order of all of them, one
// after the other, that explains every answer. A request that was not answered
// may have been carried out at any later time, or never; a transaction with a
// token is sent again, and must have been carried out once.
//
// MOLN_LINEAR_HISTORIES asks for more than one history on each store.
func TestLinearizable(t *testing.T) {
	histories := 1
	if text := os.Getenv("MOLN_LINEAR_HISTORIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("MOLN_LINEAR_HISTORIES=%q is not a number of histories", text)
		}
		histories = n
	}
	t.Run("embedded", func(t *testing.T) {
		dir := t.TempDir()
		linear(t, histories, 1, func(int, sigv4.Credentials) *node {
			p := start(t, "--data-dir", dir)
			return &node{process: p, client: newClient(p.endpoint)}
		})
	})
	t.Run("cluster", func(t *testing.T) {
		shared, env := clusterBackends(t)
		dirs := []string{t.TempDir(), t.TempDir()}
		linear(t, histories, len(dirs), func(i int, creds sigv4.Credentials) *node {
			env := env
			if i > 0 {
				key, err := os.ReadFile(filepath.Join(dirs[0], "seal.key"))
				if err != nil {
					t.Fatal(err)
				}
				env = append(slices.Clone(env), "MOLN_SEAL_KEY="+string(key))
			}
			return serve(t, dirs[i], env, shared, creds)
		})
	})
}

// linear makes and checks histories on one or more nodes over the same store.
func linear(t *testing.T, histories, count int, open func(i int, creds sigv4.Credentials) *node) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	nodes := make([]*node, count)
	for i := range nodes {
		var creds sigv4.Credentials
		if i > 0 {
			creds = nodes[0].creds
		}
		nodes[i] = open(i, creds)
	}
	if err := makeLinearTable(t.Context(), nodes[0].client); err != nil {
		t.Fatal(err)
	}
	for h := range histories {
		rec := &recorder{began: time.Now()}
		workers := newWorkers(rec, h, seed)
		for range linearDeaths {
			victim := rng.IntN(count)
			stop := time.After(linearAfterMin + time.Duration(rng.Int64N(int64(linearAfterMax-linearAfterMin))))
			enough := rec.count() + linearLeast
			runWorkers(t, workers, nodes, func() {
				<-stop
				within(t, startTimeout, "requests enough", func() error {
					if n := rec.count(); n < enough {
						return fmt.Errorf("%d of %d", n, enough)
					}
					return nil
				})
				nodes[victim].kill()
			})
			nodes[victim] = open(victim, nodes[victim].creds)
		}
		for _, w := range workers { // what was sent with a token is told now
			w.finish(t, nodes[0])
		}
		last := &worker{id: linearClients, rec: rec}
		for g := range linearGroups {
			last.send(t, nodes[g%count].client, request{group: groupName(h, g), kind: "query"}, "")
		}
		rec.check(t)
		if t.Failed() {
			return
		}
	}
}

func groupName(history, g int) string { return fmt.Sprintf("h%d-g%d", history, g) }

// recorder collects a history.
type recorder struct {
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (r *recorder) now() int64 { return int64(time.Since(r.began)) }

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

func (r *recorder) add(op porcupine.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
}

// openEnd is after everything.
const openEnd = int64(1) << 62

func (r *recorder) check(t *testing.T) {
	t.Helper()
	var kinds = map[string]int{}
	unknown, refused := 0, 0
	for _, op := range r.ops {
		in, out := op.Input.(request), op.Output.(reply)
		kinds[in.kind]++
		if !out.known {
			unknown++
		}
		if out.refused {
			refused++
		}
	}
	began := time.Now()
	result, info := porcupine.CheckOperationsVerbose(items, r.ops, linearCheckLimit)
	t.Logf("%d operations %v, %d refused, %d of unknown outcome: %s after %v",
		len(r.ops), kinds, refused, unknown, result, time.Since(began).Round(time.Millisecond))
	if refused == 0 || len(r.ops) < linearDeaths*linearLeast {
		t.Error("this history tests next to nothing")
	}
	switch result {
	case porcupine.Unknown:
		t.Errorf("no result in %v", linearCheckLimit)
	case porcupine.Illegal:
		path := filepath.Join(os.TempDir(), fmt.Sprintf("linear-%d.html", time.Now().Unix()))
		if err := porcupine.VisualizePath(items, info, path); err != nil {
			t.Log(err)
		}
		t.Errorf("no order of the operations explains the answers: see %s", path)
	}
}

// worker is one client. It asks for one thing after the other.
type worker struct {
	id, history int
	rec         *recorder
	rng         *rand.Rand
	next        *atomic.Int64 // numbers of writes, shared
	// known is the v that was seen last, by group and item.
	known map[string]*[groupItems]int
	// pending is a transaction with a token of which nothing is known, and when
	// it was sent first.
	pending *request
	token   string
	since   int64
}

func newWorkers(rec *recorder, history int, seed uint64) []*worker {
	next := &atomic.Int64{}
	workers := make([]*worker, linearClients)
	for i := range workers {
		workers[i] = &worker{
			id: i, history: history, rec: rec, next: next, known: map[string]*[groupItems]int{},
			rng: rand.New(rand.NewPCG(seed, uint64(history*linearClients+i))),
		}
	}
	return workers
}

// runWorkers lets all work until disturb returns.
func runWorkers(t *testing.T, workers []*worker, nodes []*node, disturb func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i, w := range workers {
		c := nodes[i%len(nodes)].client
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if !w.work(t, c) {
					return
				}
			}
		})
	}
	disturb()
	close(done)
	wg.Wait()
}

// work makes one request, or sends again what was not answered. It is false
// when there is no server any more.
func (w *worker) work(t *testing.T, c *client) bool {
	if w.pending != nil {
		return w.send(t, c, *w.pending, w.token)
	}
	r := w.choose()
	token := ""
	if r.kind == "transact" && w.rng.IntN(2) == 0 {
		token = fmt.Sprintf("h%d-w%d-%d", w.history, w.id, w.next.Add(1))
	}
	return w.send(t, c, r, token)
}

func (w *worker) finish(t *testing.T, n *node) {
	if w.pending != nil && !w.send(t, n.client, *w.pending, w.token) {
		t.Errorf("a transaction was not answered by a server that runs: %v", w.pending)
	}
}

// send makes a request and records it. It is false where no answer came.
func (w *worker) send(t *testing.T, c *client, r request, token string) bool {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%v", p)
		}
	}()
	called := w.rec.now()
	if w.pending != nil {
		called = w.since
	}
	got := r.send(t.Context(), c, token)
	op := porcupine.Operation{ClientId: w.id, Input: r, Output: got, Call: called, Return: w.rec.now()}
	switch {
	case got.known:
		w.pending = nil
		w.learn(r, got)
		w.rec.add(op)
	case token != "":
		w.pending, w.token, w.since = &r, token, called
	case r.reads(): // says nothing
	default:
		op.Return = openEnd
		w.rec.add(op)
	}
	return got.known
}

func (r request) reads() bool {
	return r.kind == "query" || r.kind == "transactGet" || r.steps[0].kind == "get"
}

// learn remembers what was seen, so that later conditions have a chance.
func (w *worker) learn(r request, got reply) {
	if w.known == nil {
		return
	}
	for i, has := range got.has {
		if !has {
			continue
		}
		item := i
		if r.kind != "query" {
			item = r.steps[i].item
		}
		w.of(r.group)[item] = got.seen[i].v
	}
}

func (w *worker) of(name string) *[groupItems]int {
	if w.known[name] == nil {
		w.known[name] = &[groupItems]int{}
	}
	return w.known[name]
}

// choose makes up a request.
func (w *worker) choose() request {
	r := request{group: groupName(w.history, w.rng.IntN(linearGroups))}
	switch n := w.rng.IntN(100); {
	case n < 45:
		r.kind = "write"
		r.steps = []step{w.step(r.group, w.rng.IntN(groupItems), "put", "add", "add", "take", "delete")}
	case n < 60:
		r.kind = "write"
		r.steps = []step{{kind: "get", item: w.rng.IntN(groupItems)}}
	case n < 80:
		r.kind = "transact"
		for _, i := range w.rng.Perm(groupItems)[:2+w.rng.IntN(groupItems-1)] {
			r.steps = append(r.steps, w.step(r.group, i, "put", "add", "take", "delete", "check"))
		}
	case n < 90:
		r.kind = "transactGet"
		for _, i := range w.rng.Perm(groupItems) {
			r.steps = append(r.steps, step{kind: "get", item: i})
		}
	default:
		r.kind = "query"
	}
	return r
}

func (w *worker) step(name string, item int, kinds ...string) step {
	s := step{
		item: item, kind: kinds[w.rng.IntN(len(kinds))],
		v: int(w.next.Add(1)), bit: 1 << w.rng.IntN(8),
	}
	switch n := w.rng.IntN(10); {
	case n < 2:
		s.rule = rule{kind: "absent"}
	case n < 4:
		s.rule = rule{kind: "present"}
	case n < 6:
		s.rule = rule{kind: "v is", arg: w.of(name)[item]}
	case n < 7:
		s.rule = rule{kind: "n below", arg: w.rng.IntN(4)}
	case s.kind == "check":
		s.rule = rule{kind: "present"}
	}
	return s
}

// TestLinearizableFinds gives the checker histories that no order explains,
// each beside one that differs little and is right.
func TestLinearizableFinds(t *testing.T) {
	const g = "g"
	put := func(v int) step { return step{kind: "put", v: v, bit: 1} }
	one := func(s step) request { return request{group: g, kind: "write", steps: []step{s}} }
	get := one(step{kind: "get"})
	saw := func(c ...cell) reply {
		r := reply{known: true}
		for i := range c {
			r.seen[i], r.has[i] = c[i], true
		}
		return r
	}
	none, first, second := cell{}, cell{there: true, v: 1, set: 1}, cell{there: true, v: 2, set: 1}
	counted := func(n int) cell { return cell{there: true, v: 5, n: n, set: 1} }
	add := one(step{kind: "add", v: 5, bit: 1})
	both := request{group: g, kind: "transact", steps: []step{put(1), {item: 1, kind: "put", v: 1, bit: 1}}}
	query := request{group: g, kind: "query"}
	unknown := reply{}
	refusedFirst := reply{known: true, refused: true, failed: [groupItems]bool{true}}
	onlyNew := one(step{kind: "put", v: 2, bit: 1, rule: rule{kind: "absent"}})

	type event struct {
		from, to int64
		in       request
		out      reply
	}
	tests := []struct {
		name         string
		right, wrong []event
	}{
		{
			"stale read",
			[]event{{1, 2, one(put(1)), saw(none)}, {3, 4, one(put(2)), saw(first)}, {5, 6, get, saw(second)}},
			[]event{{1, 2, one(put(1)), saw(none)}, {3, 4, one(put(2)), saw(first)}, {5, 6, get, saw(first)}},
		},
		{
			"lost update",
			[]event{{1, 9, add, saw(counted(1))}, {1, 9, add, saw(counted(2))}},
			[]event{{1, 9, add, saw(counted(1))}, {1, 9, add, saw(counted(1))}},
		},
		{
			"half a transaction",
			[]event{{1, 9, both, reply{known: true}}, {2, 3, query, saw(none, none, none)}, {4, 5, query, saw(first, first, none)}},
			[]event{{1, 9, both, reply{known: true}}, {2, 3, query, saw(none, none, none)}, {4, 5, query, saw(first, none, none)}},
		},
		{
			"acknowledged and gone",
			[]event{{1, 2, one(put(1)), saw(none)}, {3, 4, get, saw(first)}},
			[]event{{1, 2, one(put(1)), saw(none)}, {3, 4, get, saw(none)}},
		},
		{
			"an unknown write that comes and goes",
			[]event{{1, openEnd, one(put(1)), unknown}, {3, 4, get, saw(none)}, {5, 6, get, saw(first)}},
			[]event{{1, openEnd, one(put(1)), unknown}, {3, 4, get, saw(first)}, {5, 6, get, saw(none)}},
		},
		{
			"carried out twice",
			[]event{{1, openEnd, add, unknown}, {3, 4, get, saw(counted(1))}, {5, 6, get, saw(counted(1))}},
			[]event{{1, openEnd, add, unknown}, {3, 4, get, saw(counted(1))}, {5, 6, get, saw(counted(2))}},
		},
		{
			"a refusal without reason",
			[]event{{1, 2, one(put(1)), saw(none)}, {3, 4, onlyNew, refusedFirst}},
			[]event{{3, 4, onlyNew, refusedFirst}, {5, 6, one(put(1)), saw(none)}},
		},
		{
			"two first ones",
			[]event{{1, 9, onlyNew, saw(none)}, {1, 9, onlyNew, refusedFirst}},
			[]event{{1, 9, onlyNew, saw(none)}, {1, 9, onlyNew, saw(none)}},
		},
	}
	for _, tt := range tests {
		for want, events := range map[porcupine.CheckResult][]event{porcupine.Ok: tt.right, porcupine.Illegal: tt.wrong} {
			var ops []porcupine.Operation
			for i, e := range events {
				ops = append(ops, porcupine.Operation{ClientId: i, Input: e.in, Output: e.out, Call: e.from, Return: e.to})
			}
			if got := porcupine.CheckOperationsTimeout(items, ops, linearCheckLimit); got != want {
				t.Errorf("%s: the checker says %s, want %s", tt.name, got, want)
			}
		}
	}
}
