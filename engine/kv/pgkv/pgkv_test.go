package pgkv_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/kvtest"
	"moln.dev/moln/engine/kv/pgkv"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
)

// harness gives every store a schema of its own on one server.
func harness(dsn func() string) kvtest.Harness {
	var schemas atomic.Int64
	return kvtest.Harness{
		New: func(t testing.TB) string {
			ctx := context.Background()
			conn, err := pgx.Connect(ctx, dsn())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			schema := fmt.Sprintf("kvtest_%d", schemas.Add(1))
			if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE; CREATE SCHEMA "+schema); err != nil {
				t.Fatal(err)
			}
			return dsn() + "&search_path=" + schema
		},
		Open: func(location string) (driver.DB, error) {
			return pgkv.Open(context.Background(), location)
		},
		Durable: true,
	}
}

func TestSuite(t *testing.T) {
	kvtest.Run(t, harness(server(t)))
}

func BenchmarkStore(b *testing.B) { kvtest.Benchmark(b, harness(server(b))) }

// server starts a server when it is first wanted: a process that is run to be
// killed must not start one.
func server(t testing.TB) func() string {
	dsn := ""
	return func() string {
		if dsn == "" {
			dsn = pgtest.Start(t)
		}
		return dsn
	}
}

// TestBrokenConnections breaks all connections again and again while counters
// are counted up: every increment must happen exactly once.
func TestBrokenConnections(t *testing.T) {
	ctx := context.Background()
	h := harness(server(t))
	location := h.New(t)
	db := open(t, location)
	breaker, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer breaker.Close(ctx)

	const workers, rounds = 8, 60
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				if err := increment(ctx, db, []byte{byte(w % 3)}); err != nil {
					t.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	breaks := 0
	for running := true; running; breaks++ {
		if _, err := breaker.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			running = false
		case <-time.After(15 * time.Millisecond):
		}
	}
	sum := 0
	for k := range byte(3) {
		v, err := db.Get(ctx, []byte{k})
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(string(v))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	t.Logf("%d increments, connections broken %d times", sum, breaks)
	if sum != workers*rounds {
		t.Errorf("after %d breaks the counters sum up to %d, want %d", breaks, sum, workers*rounds)
	}
}

func open(t *testing.T, location string) *kv.DB {
	t.Helper()
	d, err := pgkv.Open(context.Background(), location)
	if err != nil {
		t.Fatal(err)
	}
	db := kv.New(d)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func increment(ctx context.Context, db *kv.DB, key []byte) error {
	return db.Update(ctx, func(tx *kv.Tx) error {
		v, err := tx.Get(key)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(v))
		return tx.Put(key, []byte(strconv.Itoa(n+1)))
	}, key)
}

// TestTwoNodes has two stores over one database, as two processes would.
func TestTwoNodes(t *testing.T) {
	ctx := context.Background()
	h := harness(server(t))
	location := h.New(t)
	a, b := open(t, location), open(t, location)

	var wg sync.WaitGroup
	const rounds = 50
	for _, db := range []*kv.DB{a, b} {
		for range 4 {
			wg.Go(func() {
				for range rounds {
					if err := increment(ctx, db, []byte("n")); err != nil {
						t.Errorf("increment: %v", err)
					}
				}
			})
		}
	}
	wg.Wait()
	if v, err := a.Get(ctx, []byte("n")); err != nil || string(v) != strconv.Itoa(8*rounds) {
		t.Errorf("counter = %s, %v; want %d", v, err, 8*rounds)
	}

	for _, key := range []string{"w/short", "w/" + strings.Repeat("long", 100)} {
		wake, stop := a.Watch([]byte(key))
		woken := false
		for try := 0; try < 500 && !woken; try++ {
			if err := b.Put(ctx, []byte(key), nil); err != nil {
				t.Fatal(err)
			}
			select {
			case <-wake:
				woken = true
			case <-time.After(20 * time.Millisecond):
			}
		}
		stop()
		if !woken {
			t.Errorf("watch of %.10s on one node does not see the other's commits", key)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	location := harness(server(t)).New(t)
	if _, err := pgkv.Open(ctx, location+"&synchronous_commit=off"); err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("Open of a server that does not sync: %v", err)
	}
	open(t, location)
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "UPDATE moln_kv_meta SET version = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := pgkv.Open(ctx, location); !errors.Is(err, kv.ErrNewerFormat) {
		t.Errorf("Open of newer tables: %v", err)
	}
}
