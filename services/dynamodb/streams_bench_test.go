package dynamodb

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/engine/kv/open"
	"moln.dev/moln/platform/service"
)

// BenchmarkRecordedPut writes to the store on disk from many clients: without
// reading, with the old item, and to a table with a stream.
func BenchmarkRecordedPut(b *testing.B) {
	for _, kind := range []string{"blind", "old", "stream"} {
		b.Run(kind, func(b *testing.B) {
			db, err := open.Open(b.Context(), "pebble:"+b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			h := newBench(b)
			h.s = New(service.Deps{KV: db.Scope([]byte("dynamodb")), Clock: h.clk, Ident: h.s.deps.Ident, Log: h.s.deps.Log})
			create := tableInput()
			create.GlobalSecondaryIndexes, create.AttributeDefinitions = nil, create.AttributeDefinitions[:2]
			in := api.PutItemInput{TableName: new("notes")}
			switch kind {
			case "old":
				in.ReturnValues = new("ALL_OLD")
			case "stream":
				create.StreamSpecification = &api.StreamSpecification{StreamEnabled: new(true), StreamViewType: new("NEW_AND_OLD_IMAGES")}
			}
			if _, err := h.s.createTable(b.Context(), h.caller(), create); err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			moved := make(chan struct{})
			go func() { h.s.store.Logs().Run(ctx, func(err error) { b.Error(err) }); close(moved) }()
			defer func() { stop(); <-moved }()
			var n atomic.Int64
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					put := in
					put.Item = avs{"id": str(fmt.Sprint(n.Add(1) % 100_000)), "at": num("1"), "text": str("two hundred bytes or so of text that stands for an item, which is not large but has a few words in it, so that it is neither empty nor a joke, and has something to be written to the disk of this machine")}
					if _, err := h.s.putItem(b.Context(), h.caller(), &put); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
