package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"moln.dev/moln/engine/kv/pgkv/pgtest"
)

const (
	// killWriters is how many clients write when the process dies.
	killWriters = 64
	// killRoundsDefault is the number of deaths of one run; MOLN_KILL_ROUNDS
	// asks for more.
	killRoundsDefault = 3
	// The process dies at a random moment between these two, counted from the
	// first write.
	killAfterMin = 300 * time.Millisecond
	killAfterMax = 3 * time.Second
	// killReaders is how many clients look for what was written.
	killReaders = 32
	// overwriteEvery is how often a writer writes over an old name of its own
	// instead of a new one.
	overwriteEvery = 4
)

// TestKill ends moln with SIGKILL while 64 clients write, starts it again on
// the same data, and looks for every write that was acknowledged: it must be
// there, with the content of the last acknowledged write or of one that was in
// flight, and nothing else.
func TestKill(t *testing.T) {
	onEachStore(t, killRounds)
}

// postgres starts a private server. Where tests must not be skipped, its
// absence fails the test.
func postgres(t *testing.T) string {
	t.Helper()
	done := false
	t.Cleanup(func() {
		if !done && os.Getenv("CI") == "true" && t.Skipped() {
			t.Error("PostgreSQL is missing, and CI=true")
		}
	})
	dsn := pgtest.Start(t)
	done = true
	return dsn
}

// rounds is how often moln is killed.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("MOLN_KILL_ROUNDS")
	if text == "" {
		return killRoundsDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("MOLN_KILL_ROUNDS=%q is not a number of rounds", text)
	}
	return n
}

func killRounds(t *testing.T, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))

	p := start(t, args...)
	c := newClient(p.endpoint)
	kinds := present(t, c)
	for _, k := range kinds {
		if err := k.prepare(t.Context(), c); err != nil {
			t.Fatalf("%s: preparing: %v", k.name, err)
		}
	}
	var all []*diary
	for round := range rounds(t) {
		after := killAfterMin + time.Duration(rng.Int64N(int64(killAfterMax-killAfterMin)))
		diaries := writeUntilKilled(t, p, kinds, round, after)
		began := time.Now()
		p = start(t, args...)
		took := time.Since(began)
		verify(t, newClient(p.endpoint), diaries)
		report(t, round, after, took, diaries)
		all = append(all, diaries...)
		if t.Failed() {
			return
		}
	}
	// Later deaths must not have taken what earlier ones left.
	verify(t, newClient(p.endpoint), all)
	for _, k := range kinds {
		if !slices.ContainsFunc(all, func(d *diary) bool { return d.kind == k && d.writes > 0 }) {
			t.Errorf("%s: not one write was acknowledged, so nothing was tested", k.name)
		}
	}
}

// diary is what one writer knows of its writes.
type diary struct {
	kind   *kind
	writer string
	// acked is, by name, the number of the last acknowledged write.
	acked map[string]int
	// inflight is the write that no answer came for.
	inflight       string
	inflightNumber int
	writes         int
	refused        error // an answer that was no success
}

// writeUntilKilled lets the writers write for a while and kills the process
// under them.
func writeUntilKilled(t *testing.T, p *process, kinds []*kind, round int, after time.Duration) []*diary {
	t.Helper()
	diaries := make([]*diary, killWriters)
	c := newClient(p.endpoint)
	var writers sync.WaitGroup
	for i := range diaries {
		d := &diary{kind: kinds[i%len(kinds)], writer: fmt.Sprintf("r%d-w%d", round, i), acked: map[string]int{}}
		diaries[i] = d
		writers.Go(func() { d.write(t.Context(), c) })
	}
	select {
	case <-time.After(after):
	case <-p.exited:
		t.Errorf("moln ended by itself: %v\n%s", p.err, p.stderr)
	}
	p.kill()
	writers.Wait()
	for _, d := range diaries {
		if d.refused != nil {
			t.Errorf("%s %s: write %d was refused: %v", d.kind.name, d.writer, d.writes, d.refused)
		}
	}
	return diaries
}

// write writes until the server is gone.
func (d *diary) write(ctx context.Context, c *client) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s-%d", d.writer, n)
		if d.kind.overwrites && n%overwriteEvery == 0 {
			name = fmt.Sprintf("%s-%d", d.writer, n-1)
		}
		d.inflight, d.inflightNumber = name, n
		a, err := d.kind.write(ctx, c, name, n)
		if err != nil {
			return // the connection broke: nobody knows
		}
		if d.refused = a.err(); d.refused != nil {
			return
		}
		d.acked[name] = n
		d.writes++
		d.inflight = ""
	}
}

// errAbsent says that a name was never written, for all the server knows.
var errAbsent = errors.New("not there")

// verify looks for what the diaries hold.
func verify(t *testing.T, c *client, diaries []*diary) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(killReaders)
	for _, d := range diaries {
		for name, number := range d.acked {
			group.Go(func() error {
				allowed := []int{number}
				if name == d.inflight {
					allowed = append(allowed, d.inflightNumber)
				}
				if err := d.kind.check(ctx, c, name, allowed); err != nil {
					t.Errorf("%s %s: acknowledged write %d: %v", d.kind.name, name, number, err)
				}
				return nil
			})
		}
		if _, known := d.acked[d.inflight]; d.inflight == "" || known {
			continue
		}
		group.Go(func() error {
			err := d.kind.check(ctx, c, d.inflight, []int{d.inflightNumber})
			if err != nil && !errors.Is(err, errAbsent) {
				t.Errorf("%s %s: write in flight is neither whole nor absent: %v", d.kind.name, d.inflight, err)
			}
			return nil
		})
	}
	group.Wait()
}

func report(t *testing.T, round int, after, restart time.Duration, diaries []*diary) {
	t.Helper()
	writes := map[string]int{}
	for _, d := range diaries {
		writes[d.kind.name] += d.writes
	}
	t.Logf("round %d: killed after %v, acknowledged %v, ready again after %v", round, after.Round(time.Millisecond), writes, restart.Round(time.Millisecond))
}

// onEachStore runs a test with the arguments of a moln that keeps its state beside
// itself, and of one that keeps it in a PostgreSQL of its own.
func onEachStore(t *testing.T, run func(t *testing.T, args ...string)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { run(t, "--data-dir", t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { run(t, "--data-dir", t.TempDir(), "--store", postgres(t)) })
}
