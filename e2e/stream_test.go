package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	// streamWriters write to streamItems items at the same time.
	streamWriters = 16
	streamItems   = 60
	// streamDeaths is how often the process dies.
	streamDeaths = 3
	// The process dies at a random moment between these two.
	streamAfterMin = 300 * time.Millisecond
	streamAfterMax = 1500 * time.Millisecond
)

// TestStreamThroughKill has clients put, update and delete few items of a table
// with a stream, alone and in transactions, while moln is ended with SIGKILL and
// started again, and a reader follows the stream. What it has read in the end must
// be the history of the items: every record's old image is the new image of the
// record before it of the same item, and the last images are the table.
func TestStreamThroughKill(t *testing.T) {
	onEachStore(t, streamThroughKill)
}

const streamTable = "streamed"

func streamThroughKill(t *testing.T, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	f := &follower{c: newClient(p.endpoint), items: map[string]string{}}
	if err := f.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range streamDeaths {
		after := streamAfterMin + time.Duration(rng.Int64N(int64(streamAfterMax-streamAfterMin)))
		c := newClient(p.endpoint)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for w := range streamWriters {
			own := rand.New(rand.NewPCG(seed, rng.Uint64()+uint64(w)))
			all.Go(func() { writeStreamed(ctx, t, c, own) })
		}
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := f.read(ctx); errors.Is(err, errHistory) {
					t.Error(err)
					return
				}
			}
		})
		time.Sleep(after)
		p.kill()
		cancel()
		all.Wait()
		p = start(t, args...)
		f.c = newClient(p.endpoint)
		for more := true; more && !t.Failed(); {
			var err error
			if more, err = f.read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.compare(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("killed after %v: %d records are the history of %d items", after.Round(time.Millisecond), f.records, len(f.items))
	}
	if f.records == 0 {
		t.Error("no records at all")
	}
}

// writeStreamed writes until the server is gone.
func writeStreamed(ctx context.Context, t *testing.T, c *client, rng *rand.Rand) {
	key := func() fields { return fields{"id": fields{"S": strconv.Itoa(rng.IntN(streamItems))}} }
	text := func() fields { return fields{"S": strconv.FormatUint(rng.Uint64(), 36)} }
	for {
		k := key()
		operation, in := "UpdateItem", fields{
			"TableName": streamTable, "Key": k, "UpdateExpression": "SET v = :v ADD n :one",
			"ExpressionAttributeValues": fields{":v": text(), ":one": fields{"N": "1"}},
		}
		switch rng.IntN(5) {
		case 0:
			operation, in = "PutItem", fields{"TableName": streamTable, "Item": fields{"id": k["id"], "v": text()}}
		case 1:
			operation, in = "DeleteItem", fields{"TableName": streamTable, "Key": k}
		case 2:
			other := key()
			if fmt.Sprint(other) == fmt.Sprint(k) {
				continue
			}
			operation, in = "TransactWriteItems", fields{"TransactItems": []fields{
				{"Update": in}, {"Put": fields{"TableName": streamTable, "Item": fields{"id": other["id"], "v": text()}}},
			}}
		}
		a, err := c.target(ctx, "dynamodb", "DynamoDB_20120810."+operation, in, nil)
		if err != nil {
			return // the connection broke
		}
		if err := a.err(); err != nil {
			t.Errorf("%s: %v", operation, err)
			return
		}
	}
}

// errHistory says that a stream is not the history of its items.
var errHistory = errors.New("the stream is not the history of the items")

// follower reads the one shard of a stream on and on.
type follower struct {
	c          *client
	arn, shard string
	last       string // sequence number
	items      map[string]string
	records    int
}

func (f *follower) call(ctx context.Context, target string, in, out any) error {
	a, err := f.c.target(ctx, "dynamodb", target, in, out)
	if err == nil {
		err = a.err()
	}
	return err
}

func (f *follower) open(ctx context.Context) error {
	var table struct {
		TableDescription struct{ LatestStreamArn string }
	}
	err := f.call(ctx, "DynamoDB_20120810.CreateTable", fields{
		"TableName": streamTable, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []fields{{"AttributeName": "id", "AttributeType": "S"}},
		"KeySchema":            []fields{{"AttributeName": "id", "KeyType": "HASH"}},
		"StreamSpecification":  fields{"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
	}, &table)
	if err != nil {
		return err
	}
	f.arn = table.TableDescription.LatestStreamArn
	var d struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}
	if err := f.call(ctx, "DynamoDBStreams_20120810.DescribeStream", fields{"StreamArn": f.arn}, &d); err != nil {
		return err
	}
	f.shard = d.StreamDescription.Shards[0].ShardId
	return nil
}

// streamRecord is what the follower looks at.
type streamRecord struct {
	Dynamodb struct {
		Keys               struct{ Id struct{ S string } }
		OldImage, NewImage map[string]any
		SequenceNumber     string
	}
}

// read reads what is after the last record, and says whether there was anything.
func (f *follower) read(ctx context.Context) (bool, error) {
	in := fields{"StreamArn": f.arn, "ShardId": f.shard, "ShardIteratorType": "TRIM_HORIZON"}
	if f.last != "" {
		in["ShardIteratorType"], in["SequenceNumber"] = "AFTER_SEQUENCE_NUMBER", f.last
	}
	var it struct{ ShardIterator string }
	if err := f.call(ctx, "DynamoDBStreams_20120810.GetShardIterator", in, &it); err != nil {
		return false, err
	}
	var got struct{ Records []streamRecord }
	if err := f.call(ctx, "DynamoDBStreams_20120810.GetRecords", fields{"ShardIterator": it.ShardIterator}, &got); err != nil {
		return false, err
	}
	for _, r := range got.Records {
		d := r.Dynamodb
		if d.SequenceNumber <= f.last {
			return false, fmt.Errorf("%w: %s comes after %s", errHistory, d.SequenceNumber, f.last)
		}
		f.last = d.SequenceNumber
		f.records++
		if before, old := f.items[d.Keys.Id.S], imageOf(d.OldImage); before != old {
			return false, fmt.Errorf("%w: item %s was %s, and is changed from %s", errHistory, d.Keys.Id.S, before, old)
		}
		f.items[d.Keys.Id.S] = imageOf(d.NewImage)
		if d.NewImage == nil {
			delete(f.items, d.Keys.Id.S)
		}
	}
	return len(got.Records) > 0, nil
}

// imageOf is an item as text; "" for none.
func imageOf(m map[string]any) string {
	if m == nil {
		return ""
	}
	raw, err := json.Marshal(m) // sorts names
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// compare says how the table differs from what the stream has told.
func (f *follower) compare(ctx context.Context) error {
	var got struct{ Items []map[string]any }
	if err := f.call(ctx, "DynamoDB_20120810.Scan", fields{"TableName": streamTable, "ConsistentRead": true}, &got); err != nil {
		return err
	}
	for _, m := range got.Items {
		id := m["id"].(map[string]any)["S"].(string)
		if f.items[id] != imageOf(m) {
			return fmt.Errorf("%w: item %s is %s, the stream ends with %q", errHistory, id, imageOf(m), f.items[id])
		}
	}
	if len(got.Items) != len(f.items) {
		return fmt.Errorf("%w: %d items in the table, %d by the stream", errHistory, len(got.Items), len(f.items))
	}
	return nil
}
