package pebblekv_test

import (
	"testing"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/kvtest"
	"moln.dev/moln/engine/kv/pebblekv"
)

var harness = kvtest.Harness{
	New:     func(t testing.TB) string { return t.TempDir() },
	Open:    func(dir string) (driver.DB, error) { return pebblekv.Open(dir, nil) },
	Durable: true,
}

func TestSuite(t *testing.T)      { kvtest.Run(t, harness) }
func BenchmarkStore(b *testing.B) { kvtest.Benchmark(b, harness) }
