package memkv_test

import (
	"testing"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/kvtest"
	"moln.dev/moln/engine/kv/memkv"
)

var harness = kvtest.Harness{
	New:  func(testing.TB) string { return "" },
	Open: func(string) (driver.DB, error) { return memkv.New(), nil },
}

func TestSuite(t *testing.T)      { kvtest.Run(t, harness) }
func BenchmarkStore(b *testing.B) { kvtest.Benchmark(b, harness) }
