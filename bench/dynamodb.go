package main

import (
	"fmt"
	"strings"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
)

// dynamodbPart is the name that rows of this part bear.
const dynamodbPart = "dynamodb"

// connections are those of each case.
var connections = []int{1, 16, 64}

const (
	rangeTable      = "bench-range"
	rangePartitions = 64
	rangeItems      = 100 // of a partition: what a Query reads
	batchItems      = 25
	transactItems   = 4
)

// dynamoCase is an operation as all servers are asked for it.
type dynamoCase struct {
	name     string
	requests func() []target.Request
}

func dynamoCases() []dynamoCase {
	return []dynamoCase{
		{"GetItem", func() []target.Request { return itemRequests("GetItem") }},
		{"PutItem", func() []target.Request { return itemRequests("PutItem") }},
		{"UpdateItem if", updateRequests},
		{"Query 100", queryRequests},
		{"BatchWrite 25", batchRequests},
		{"TransactWrite 4", transactRequests},
		{"Scan 1 MB", func() []target.Request { return []target.Request{dynamo("Scan", object{"TableName": rangeTable})} }},
	}
}

// dynamodb measures DynamoDB's operations on moln, over both stores, and on its
// peers, beside an empty request and the engine alone.
func (b *bench) dynamodb() error {
	floor, closeFloor, err := b.engineFloor()
	if err != nil {
		return err
	}
	defer closeFloor()
	servers, stop, err := b.dynamoServers()
	defer stop()
	if err != nil {
		return err
	}
	for _, s := range servers {
		if err := b.prepareDynamo(s.Server); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, workers := range connections {
		list := []contender{
			{"engine: get", workers, func(l load.Limit) (load.Result, error) { return load.Loop(workers, l, floor.get) }},
			{"engine: put", workers, func(l load.Limit) (load.Result, error) { return load.Loop(workers, l, floor.put) }},
			httpCase("moln: empty request", servers[0].Server, workers, []target.Request{identityRequest()}),
		}
		if err := b.compare(dynamodbPart, list); err != nil {
			return err
		}
		for _, c := range dynamoCases() {
			if err := b.compareServers(c, servers, workers); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareServers runs one case on all servers in turn. What a server cannot do
// is told in its row and does not end the rest.
func (b *bench) compareServers(c dynamoCase, servers []named, workers int) error {
	requests := c.requests()
	var list []contender
	for _, s := range servers {
		one := httpCase(s.name+": "+c.name, s.Server, workers, requests)
		if _, err := one.run(load.Limit{Time: time.Second, Ops: 1}); err != nil {
			b.report.Rows = append(b.report.Rows, row{Part: dynamodbPart, Case: one.name, Workers: workers, Note: "fails: " + strings.TrimSpace(err.Error())})
			continue
		}
		list = append(list, one)
	}
	return b.compare(dynamodbPart, list)
}

// dynamoServers starts moln on its own store and on PostgreSQL, and the peers
// that were asked for. stop is never nil.
func (b *bench) dynamoServers() (servers []named, stop func(), err error) {
	var stops []func()
	stop = func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}
	add := func(name string, start func() (*target.Server, error)) error {
		s, err := start()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		stops = append(stops, s.Stop)
		servers = append(servers, named{name, s})
		return nil
	}
	if err := add("moln", func() (*target.Server, error) { return b.moln(dynamodbPart) }); err != nil {
		return nil, stop, err
	}
	if b.peer("postgresql") {
		pg, err := pgtest.Run()
		if err != nil {
			return nil, stop, err
		}
		stops = append(stops, func() { pg.Stop() })
		if err := add("moln on PostgreSQL", func() (*target.Server, error) { return b.molnOn(pg) }); err != nil {
			return nil, stop, err
		}
	}
	for _, p := range append(peers(), peerServer{"moto", startMoto}) {
		if b.peer(p.name) {
			if err := add(p.name, func() (*target.Server, error) { return p.start(b) }); err != nil {
				return nil, stop, err
			}
		}
	}
	return servers, stop, nil
}

// molnOn starts moln on PostgreSQL; its processor time includes the database's.
func (b *bench) molnOn(pg *pgtest.Server) (*target.Server, error) {
	dir, err := b.dir("dynamodb-postgresql")
	if err != nil {
		return nil, err
	}
	l := b.launch(dir)
	l.Command = append(l.Command, "--store", pg.DSN())
	s, err := target.Start(b.ctx, l)
	if err != nil {
		return nil, err
	}
	pid, err := pg.Pid()
	if err != nil {
		s.Stop()
		return nil, err
	}
	s.Count(pid)
	return s, nil
}

// prepareDynamo makes both tables with all their items.
func (b *bench) prepareDynamo(s *target.Server) error {
	if err := b.prepareTable(s); err != nil {
		return err
	}
	if err := b.makeRangeTable(s); err != nil {
		return err
	}
	raw, err := sign(s.Addr, rangePuts(rangePartitions), target.Request.Bytes)
	if err != nil {
		return err
	}
	_, err = load.HTTP(s.Addr, fillWorkers, load.Limit{Time: fillMost, Ops: len(raw)}, raw)
	return err
}

func (b *bench) makeRangeTable(s *target.Server) error {
	err := s.Send(b.ctx, dynamo("CreateTable", object{
		"TableName": rangeTable, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []object{{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}},
		"KeySchema":            []object{{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}},
	}), nil)
	if err != nil {
		return err
	}
	return b.awaitTable(s, rangeTable)
}

func partition(n int) object { return object{"S": fmt.Sprintf("part-%07d", n)} }

// fullItem is an item of itemBytes and its key.
func fullItem(key object, n int) object {
	item := object{"data": object{"S": strings.Repeat("moln ", itemBytes/5)}, "count": object{"N": fmt.Sprint(n)}}
	for k, v := range key {
		item[k] = v
	}
	return item
}

// rangePuts fill partitions of the range table, a batch at a time.
func rangePuts(partitions int) []target.Request {
	var out []target.Request
	for p := range partitions {
		for at := 0; at < rangeItems; at += batchItems {
			out = append(out, rangePut(p, at))
		}
	}
	return out
}

func rangePut(p, at int) target.Request {
	var puts []object
	for i := range batchItems {
		puts = append(puts, object{"PutRequest": object{"Item": fullItem(object{"pk": partition(p), "sk": object{"N": fmt.Sprint(at + i)}}, i)}})
	}
	return dynamo("BatchWriteItem", object{"RequestItems": object{rangeTable: puts}})
}

func updateRequests() []target.Request {
	out := make([]target.Request, itemKeys)
	for n := range out {
		out[n] = dynamo("UpdateItem", object{
			"TableName": tableName, "Key": itemKey(stride(n)),
			"UpdateExpression": "SET #c = :n", "ConditionExpression": "attribute_exists(pk) AND #c >= :zero",
			"ExpressionAttributeNames":  object{"#c": "count"},
			"ExpressionAttributeValues": object{":n": object{"N": fmt.Sprint(n)}, ":zero": object{"N": "0"}},
		})
	}
	return out
}

// stride visits every key once, in an order that jumps.
func stride(n int) int {
	const prime = 4099
	return n * prime % itemKeys
}

func queryRequests() []target.Request {
	out := make([]target.Request, rangePartitions)
	for n := range out {
		out[n] = queryRequest(n)
	}
	return out
}

func queryRequest(p int) target.Request {
	return dynamo("Query", object{
		"TableName": rangeTable, "KeyConditionExpression": "pk = :p",
		"ExpressionAttributeValues": object{":p": partition(p)},
	})
}

func batchRequests() []target.Request {
	out := make([]target.Request, itemKeys/batchItems)
	for n := range out {
		var puts []object
		for i := range batchItems {
			puts = append(puts, object{"PutRequest": object{"Item": fullItem(itemKey(stride(n*batchItems+i)), n)}})
		}
		out[n] = dynamo("BatchWriteItem", object{"RequestItems": object{tableName: puts}})
	}
	return out
}

func transactRequests() []target.Request {
	out := make([]target.Request, itemKeys/transactItems)
	for n := range out {
		var puts []object
		for i := range transactItems {
			puts = append(puts, object{"Put": object{"TableName": tableName, "Item": fullItem(itemKey(stride(n*transactItems+i)), n)}})
		}
		out[n] = dynamo("TransactWriteItems", object{"TransactItems": puts})
	}
	return out
}
