package pgkv_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/pgkv"
)

// togetherWaiting is how many read or write at a time.
const togetherWaiting = 64

// BenchmarkTogether compares what travels together here with the same reads and
// writes, of 1 KB, as a statement each on a plain table of the same server:
//
//	go test ./engine/kv/pgkv -run '^$' -bench Together -benchtime 20000x
func BenchmarkTogether(b *testing.B) {
	location := harness(server(b)).New(b)
	d, err := pgkv.Open(b.Context(), location)
	if err != nil {
		b.Fatal(err)
	}
	db := kv.New(d)
	defer db.Close()
	pool, err := pgxpool.New(b.Context(), fmt.Sprintf("%s&pool_max_conns=%d", location, togetherWaiting))
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(b.Context(), "CREATE TABLE plain (k bytea PRIMARY KEY, v bytea NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	const put = "INSERT INTO plain VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = $2"
	const keys = 8192
	value := make([]byte, 1024)
	for i := range value {
		value[i] = byte(rand.IntN(256))
	}
	name := func(i int) []byte { return fmt.Appendf(nil, "item/%08d", i) }
	for i := 0; i < keys; i += 1024 {
		var batch kv.Batch
		for j := range 1024 {
			batch.Put(name(i+j), value)
			if _, err := pool.Exec(b.Context(), put, name(i+j), value); err != nil {
				b.Fatal(err)
			}
		}
		if err := db.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		do   func(key []byte) error
	}{
		{"get/each", func(key []byte) error {
			var v []byte
			return pool.QueryRow(b.Context(), "SELECT v FROM plain WHERE k = $1", key).Scan(&v)
		}},
		{"get/together", func(key []byte) error { _, err := db.Get(b.Context(), key); return err }},
		{"put/each", func(key []byte) error { _, err := pool.Exec(b.Context(), put, key, value); return err }},
		{"put/together", func(key []byte) error { return db.Put(b.Context(), key, value) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range togetherWaiting {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := c.do(name(rand.IntN(keys))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}
