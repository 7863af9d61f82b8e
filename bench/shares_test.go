package main

import "testing"

func TestDivide(t *testing.T) {
	const traces = `Type: cpu
Duration: 9.44s, Total samples = 80us (26.59%)
-----------+---
    pebble:  compact
   10us   snappy.decode
             github.com/cockroachdb/pebble/v2.(*DB).compact
-----------+---
   20us   syscall.write
             net/http.(*conn).serve
-----------+---
   30us   pebble.Get
             moln.dev/moln/engine/kv.(*DB).Get
             moln.dev/moln/platform/service.Table[go.shape.*uint8].Bind.func2
             moln.dev/moln/platform/gateway.(*Gateway).ServeHTTP
             net/http.(*conn).serve
-----------+---
   20us   runtime.findRunnable
-----------+---
`
	spent, total := divide(traces)
	got := map[string]float64{}
	for i, l := range layers {
		got[l.name] = spent[i]
	}
	if total != 80 || got["engine"] != 30 || got["HTTP (net/http, sockets)"] != 20 ||
		got["background of the store (flush, compaction, log)"] != 10 || spent[len(layers)] != 20 {
		t.Errorf("total %v, %v", total, spent)
	}
}
