package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"moln.dev/moln/engine/kv"
)

const (
	benchKeys  = 10_000
	benchValue = 1024
)

// Benchmark measures point reads, writes, conditional writes and scans, of
// 1 KB values, with 1, 16 and 64 goroutines at a time.
func Benchmark(b *testing.B, h Harness) {
	d, err := h.Open(h.New(b))
	if err != nil {
		b.Fatal(err)
	}
	db := kv.New(d)
	defer db.Close()
	ctx := context.Background()
	value := make([]byte, benchValue)
	for i := range value {
		value[i] = byte(rand.IntN(256))
	}
	for i := 0; i < benchKeys; i += 1000 {
		var batch kv.Batch
		for j := range 1000 {
			batch.Put(benchKey(i+j), value)
		}
		if err := db.Apply(ctx, &batch); err != nil {
			b.Fatal(err)
		}
	}
	for name, op := range map[string]func(key []byte) error{
		"get": func(key []byte) error { _, err := db.Get(ctx, key); return err },
		"put": func(key []byte) error { return db.Put(ctx, key, value) },
		"conditional": func(key []byte) error {
			return db.Update(ctx, func(tx *kv.Tx) error {
				if _, err := tx.Get(key); err != nil && !errors.Is(err, kv.ErrNotFound) {
					return err
				}
				return tx.Put(key, value)
			}, key)
		},
		"scan100": func(key []byte) error {
			_, err := db.Scan(ctx, kv.Range{Start: key, Limit: 100})
			return err
		},
	} {
		for _, workers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, workers), func(b *testing.B) { benchOp(b, workers, op) })
		}
	}
}

func benchKey(i int) []byte { return fmt.Appendf(nil, "bench/table/%08d", i) }

func benchOp(b *testing.B, workers int, op func(key []byte) error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := op(benchKey(rand.IntN(benchKeys))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
