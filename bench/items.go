package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/open"
)

const (
	itemBytes   = 1000
	itemKeys    = 8192
	tableName   = "bench"
	manyWorkers = 32
	fillWorkers = 8
	fillMost    = 10 * time.Minute
	activeWait  = 30 * time.Second
	activePoll  = 50 * time.Millisecond
)

// contender runs one operation for a while.
type contender struct {
	name    string
	workers int
	run     func(limit load.Limit) (load.Result, error)
}

// compare runs the contenders in turn, several times, and reports the medians:
// what disturbs the machine for a while then disturbs all of them.
func (b *bench) compare(part string, list []contender) error {
	results := make([][]load.Result, len(list))
	failed := make([]error, len(list))
	for range b.runs {
		for i, c := range list {
			if b.ctx.Err() != nil {
				return b.ctx.Err()
			}
			if failed[i] != nil {
				continue
			}
			r, err := c.run(load.Limit{Time: b.period})
			if err != nil && strings.HasPrefix(c.name, "moln") {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if failed[i] = err; err != nil {
				continue // what a peer cannot do is told in its row
			}
			results[i] = append(results[i], r)
		}
	}
	for i, c := range list {
		if failed[i] != nil {
			b.report.Rows = append(b.report.Rows, row{Part: part, Case: c.name, Workers: c.workers, Note: "fails: " + strings.TrimSpace(failed[i].Error())})
			continue
		}
		b.report.add(part, c.name, c.workers, load.Median(results[i]))
	}
	return nil
}

// items measures reads and durable writes of small items, what the same HTTP
// stack does without them, what the engine does without HTTP, and peers.
func (b *bench) items() error {
	s, err := b.moln("items")
	if err != nil {
		return err
	}
	defer s.Stop()
	floor, closeFloor, err := b.engineFloor()
	if err != nil {
		return err
	}
	defer closeFloor()
	servers := []named{{"moln", s}}
	for _, p := range peers() {
		if !b.peer(p.name) {
			continue
		}
		ps, err := p.start(b)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		defer ps.Stop()
		servers = append(servers, named{p.name, ps})
	}
	for _, s := range servers {
		if err := b.prepareTable(s.Server); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, workers := range []int{1, manyWorkers} {
		if err := b.compare("items", b.itemCases(workers, servers, floor)); err != nil {
			return err
		}
	}
	return nil
}

type named struct {
	name string
	*target.Server
}

func (b *bench) itemCases(workers int, servers []named, floor *floor) []contender {
	list := []contender{
		{"engine: kv get", workers, func(l load.Limit) (load.Result, error) { return load.Loop(workers, l, floor.get) }},
		{"engine: kv put, synced", workers, func(l load.Limit) (load.Result, error) { return load.Loop(workers, l, floor.put) }},
		httpCase("moln: sts GetCallerIdentity", servers[0].Server, workers, []target.Request{identityRequest()}),
	}
	for _, s := range servers {
		list = append(list,
			httpCase(s.name+": GetItem", s.Server, workers, itemRequests("GetItem")),
			httpCase(s.name+": PutItem", s.Server, workers, itemRequests("PutItem")))
	}
	return list
}

// httpCase signs anew for each run, since signatures age.
func httpCase(name string, s *target.Server, workers int, requests []target.Request) contender {
	return contender{name, workers, func(l load.Limit) (load.Result, error) {
		raw, err := sign(s.Addr, requests, target.Request.Bytes)
		if err != nil {
			return load.Result{}, err
		}
		return counted(s, func() (load.Result, error) { return load.HTTP(s.Addr, workers, l, raw) })
	}}
}

// sign makes the bytes of requests, signed now: target.Request.Bytes of whole
// ones, target.Request.Head of those whose bodies are sent apart.
func sign(addr string, requests []target.Request, form func(target.Request, string) ([]byte, error)) ([][]byte, error) {
	out := make([][]byte, len(requests))
	for i, r := range requests {
		var err error
		if out[i], err = form(r, addr); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func identityRequest() target.Request {
	return target.Request{
		Service: "sts", Body: []byte("Action=GetCallerIdentity&Version=2011-06-15"),
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
	}
}

func dynamo(operation string, in any) target.Request {
	return target.JSON("dynamodb", "DynamoDB_20120810", operation, in)
}

type object = map[string]any

func itemKey(i int) object { return object{"pk": object{"S": fmt.Sprintf("key-%06d", i)}} }

// itemRequests are one request for each key, in an order that jumps.
func itemRequests(operation string) []target.Request {
	out := make([]target.Request, itemKeys)
	for n := range out {
		i := stride(n)
		in := object{"TableName": tableName}
		if operation == "PutItem" {
			in["Item"] = fullItem(itemKey(i), n)
		} else {
			in["Key"] = itemKey(i)
		}
		out[n] = dynamo(operation, in)
	}
	return out
}

// prepareTable makes the table and an item for every key.
func (b *bench) prepareTable(s *target.Server) error {
	err := s.Send(b.ctx, dynamo("CreateTable", object{
		"TableName": tableName, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []object{{"AttributeName": "pk", "AttributeType": "S"}},
		"KeySchema":            []object{{"AttributeName": "pk", "KeyType": "HASH"}},
	}), nil)
	if err != nil {
		return err
	}
	if err := b.awaitTable(s, tableName); err != nil {
		return err
	}
	raw, err := sign(s.Addr, itemRequests("PutItem"), target.Request.Bytes)
	if err != nil {
		return err
	}
	_, err = load.HTTP(s.Addr, fillWorkers, load.Limit{Time: fillMost, Ops: itemKeys}, raw)
	return err
}

func (b *bench) awaitTable(s *target.Server, name string) error {
	err := b.await(activeWait, func() (bool, error) {
		var out struct{ Table struct{ TableStatus string } }
		err := s.Send(b.ctx, dynamo("DescribeTable", object{"TableName": name}), &out)
		return out.Table.TableStatus == "ACTIVE", err
	})
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	return nil
}

// await polls until done or until the time is up.
func (b *bench) await(limit time.Duration, done func() (bool, error)) error {
	end := time.Now().Add(limit)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not done after %s", limit)
		}
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(activePoll):
		}
	}
}

// floor is the store alone, in this process.
type floor struct {
	ctx   context.Context
	db    *kv.DB
	value []byte
}

func (b *bench) engineFloor() (*floor, func(), error) {
	dir := filepath.Join(b.scratch, "engine")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	db, err := open.Open(b.ctx, "pebble:"+dir)
	if err != nil {
		return nil, nil, err
	}
	f := &floor{ctx: b.ctx, db: db, value: []byte(strings.Repeat("moln ", itemBytes/5))}
	_, err = load.Loop(manyWorkers, load.Limit{Time: time.Minute, Ops: itemKeys}, f.put)
	return f, func() { db.Close() }, err
}

func floorKey(worker, i int) []byte {
	return fmt.Appendf(nil, "key-%06d", stride(worker*(itemKeys/manyWorkers)+i))
}

func (f *floor) put(worker, i int) error {
	return f.db.Put(f.ctx, floorKey(worker, i), f.value)
}

func (f *floor) get(worker, i int) error {
	_, err := f.db.Get(f.ctx, floorKey(worker, i))
	return err
}
