package dynamodb

import (
	"context"
	"testing"
	"time"

	api "moln.dev/moln/api/dynamodb"
)

func TestTablesAreCounted(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.s.count(ctx) }()
	defer func() { stop(); <-done }()
	put(b, avs{"id": str("a"), "at": num("1"), "who": str("me")})
	put(b, avs{"id": str("b"), "at": num("1")})
	await := func(items, bytes, indexed int64) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for {
			d := must(b, api.DescribeTable, &api.DescribeTableInput{TableName: new("notes")}).Table
			g := d.GlobalSecondaryIndexes[0]
			if *d.ItemCount == items && *d.TableSizeBytes == bytes && *g.ItemCount == indexed {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("counted %d items, %d bytes, %d in the index", *d.ItemCount, *d.TableSizeBytes, *g.ItemCount)
			}
		}
	}
	await(2, 2*(2+1+2+2)+3+2, 1)
	put(b, avs{"id": str("c"), "at": num("1")})
	b.clk.Advance(time.Minute)
	await(3, 3*(2+1+2+2)+3+2, 1)
}
