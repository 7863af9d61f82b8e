package dynamodb

import (
	"fmt"
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/faultkv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/platform/service"
)

// TestTablesOfAnotherNode: on a store that is shared, a node that has seen a
// table reads it as another node has made it since.
func TestTablesOfAnotherNode(t *testing.T) {
	// The wrapper cannot tell what has been written, as no shared store can.
	db := kv.New(faultkv.New(memkv.New(), func(faultkv.Step) faultkv.Action { return faultkv.Action{} }))
	t.Cleanup(func() { db.Close() })
	one, two := newBench(t), newBench(t)
	for _, b := range []*bench{one, two} {
		b.s = New(service.Deps{KV: db.Scope([]byte("dynamodb")), Clock: b.clk, Ident: one.s.deps.Ident, Log: one.s.deps.Log})
		for _, o := range b.s.Definition().Operations {
			_, op := o.Of()
			b.ops[op.Name] = o
		}
	}
	get := func(b *bench, key map[string]av) (string, error) {
		out, err := call(b, api.GetItem, &api.GetItemInput{TableName: new("things"), Key: key})
		if err != nil {
			return "", err
		}
		if out.Item == nil {
			return "none", nil
		}
		return *out.Item["v"].S, nil
	}
	make := func(b *bench, hash, value string) {
		must(b, api.CreateTable, &api.CreateTableInput{
			TableName: new("things"), BillingMode: new("PAY_PER_REQUEST"),
			AttributeDefinitions: []api.AttributeDefinition{definition(hash, "S")}, KeySchema: []api.KeySchemaElement{element(hash, "HASH")},
		})
		must(b, api.PutItem, &api.PutItemInput{TableName: new("things"), Item: map[string]av{hash: str("x"), "v": str(value)}})
	}
	make(one, "id", "first")
	for _, b := range []*bench{one, two, one, two} {
		if v, err := get(b, map[string]av{"id": str("x")}); err != nil || v != "first" {
			t.Fatal(v, err)
		}
	}
	must(one, api.DeleteTable, &api.DeleteTableInput{TableName: new("things")})
	if v, err := get(two, map[string]av{"id": str("x")}); err == nil {
		t.Errorf("read %q of a table that is gone", v)
	}
	make(two, "name", "second")
	for i, b := range []*bench{one, two, one} {
		if v, err := get(b, map[string]av{"name": str("x")}); err != nil || v != "second" {
			t.Errorf("%d: %q, %v", i, v, err)
		}
		if v, err := get(b, map[string]av{"id": str("x")}); err == nil {
			t.Errorf("%d: the old key reads %q", i, v)
		}
	}
}

// TestBatchesAreWritten with and without what makes their changes read.
func TestBatchesAreWritten(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	must(b, api.CreateTable, &api.CreateTableInput{
		TableName: new("plain"), BillingMode: new("PAY_PER_REQUEST"),
		AttributeDefinitions: []api.AttributeDefinition{definition("id", "S")}, KeySchema: []api.KeySchemaElement{element("id", "HASH")},
	})
	for i, capacity := range []*string{nil, new("TOTAL")} {
		requests := map[string][]api.WriteRequest{}
		for n := range 12 {
			id := str(fmt.Sprint(i, "-", n))
			requests["plain"] = append(requests["plain"], api.WriteRequest{PutRequest: &api.PutRequest{Item: map[string]av{"id": id}}})
			requests["notes"] = append(requests["notes"], api.WriteRequest{PutRequest: &api.PutRequest{Item: map[string]av{"id": id, "at": num("1"), "who": str("ann")}}})
		}
		for name, some := range requests { // each alone, then both
			must(b, api.BatchWriteItem, &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{name: some[:6]}, ReturnConsumedCapacity: capacity})
		}
		must(b, api.BatchWriteItem, &api.BatchWriteItemInput{RequestItems: requests, ReturnConsumedCapacity: capacity})
		for name := range requests {
			if out := must(b, api.Scan, &api.ScanInput{TableName: &name}); int(*out.Count) != 12*(i+1) {
				t.Errorf("%s has %d items", name, *out.Count)
			}
		}
	}
	if out := must(b, api.Scan, &api.ScanInput{TableName: new("notes"), IndexName: new("by-who")}); *out.Count != 24 {
		t.Errorf("the index has %d items", *out.Count)
	}
}
