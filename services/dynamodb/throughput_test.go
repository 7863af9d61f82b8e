package dynamodb

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	streams "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/throttle"
	"moln.dev/moln/services/dynamodb/words"
)

func units(read, write int64) *api.ProvisionedThroughput {
	return &api.ProvisionedThroughput{ReadCapacityUnits: &read, WriteCapacityUnits: &write}
}

// provisionedBench has a table of 1 unit each way, and an index of 2.
func provisionedBench(t *testing.T) *bench {
	b := newBench(t)
	in := tableInput()
	in.BillingMode, in.ProvisionedThroughput = nil, units(1, 1)
	in.GlobalSecondaryIndexes[0].ProvisionedThroughput = units(2, 2)
	must(b, api.CreateTable, in)
	return b
}

const (
	tableText = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
	indexText = "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API"
)

// exhaust uses up the writes of the table.
func exhaust(t *testing.T, b *bench, item avs) int {
	t.Helper()
	for n := range 3 * throttle.BurstSeconds {
		_, err := call(b, api.PutItem, &api.PutItemInput{TableName: new("notes"), Item: item})
		if fault.Is(err, "ProvisionedThroughputExceededException") {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("nothing is limited")
	return 0
}

func TestThroughputIsEnforced(t *testing.T) {
	b := provisionedBench(t)
	plainItem := avs{"id": str("a"), "at": num("1")}
	if n := exhaust(t, b, plainItem); n != throttle.BurstSeconds {
		t.Errorf("%d writes were made at once, want %d", n, throttle.BurstSeconds)
	}
	write := &api.PutItemInput{TableName: new("notes"), Item: avs{"id": str("b"), "at": num("1")}}
	_, err := call(b, api.PutItem, write)
	if words.MessageOf(err) != tableText {
		t.Errorf("got %v", err)
	}
	body, _ := fault.As(err).Body.(*api.ProvisionedThroughputExceededException)
	if body == nil || len(body.ThrottlingReasons) != 1 || *body.ThrottlingReasons[0].Reason != "TableWriteProvisionedThroughputExceeded" {
		t.Errorf("the reasons are %+v", body)
	}
	if out := must(b, api.GetItem, &api.GetItemInput{TableName: new("notes"), Key: avs{"id": str("b"), "at": num("1")}}); out.Item != nil {
		t.Error("what was refused was written")
	}

	// In batches what is refused is given back; alone it is an error.
	batch := &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{"notes": {
		{PutRequest: &api.PutRequest{Item: avs{"id": str("c"), "at": num("1")}}}, {PutRequest: &api.PutRequest{Item: avs{"id": str("c"), "at": num("2")}}},
	}}}
	if _, err := call(b, api.BatchWriteItem, batch); !fault.Is(err, "ProvisionedThroughputExceededException") {
		t.Errorf("a batch of which nothing can be written: %v", err)
	}
	b.clk.Advance(time.Second)
	if out := must(b, api.BatchWriteItem, batch); len(out.UnprocessedItems["notes"]) != 1 || *out.UnprocessedItems["notes"][0].PutRequest.Item["at"].N != "2" {
		t.Errorf("a batch of which half can be written leaves %+v", out.UnprocessedItems)
	}

	// Transactions need twice as much, and say what lacks it.
	tx := &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{{Put: &api.Put{TableName: new("notes"), Item: plainItem}}}}
	b.clk.Advance(time.Second)
	_, err = call(b, api.TransactWriteItems, tx)
	if got := code(err); got != "ProvisionedThroughputExceeded" {
		t.Errorf("a transaction: %s (%v)", got, err)
	}
	b.clk.Advance(time.Second)
	must(b, api.TransactWriteItems, tx)

	out := must(b, api.BatchExecuteStatement, &api.BatchExecuteStatementInput{Statements: []api.BatchStatementRequest{
		{Statement: new("INSERT INTO notes VALUE {'id': 'p', 'at': 1}")},
	}})
	if e := out.Responses[0].Error; e == nil || *e.Code != "ProvisionedThroughputExceeded" {
		t.Errorf("a statement: %+v", out.Responses[0])
	}
}

func TestThroughputOfReadsAndIndexes(t *testing.T) {
	b := provisionedBench(t)
	put(b, avs{"id": str("a"), "at": num("1"), "who": str("me"), "text": str(strings.Repeat("x", 300<<10))})
	get := &api.GetItemInput{TableName: new("notes"), Key: avs{"id": str("a"), "at": num("1")}, ConsistentRead: new(true)}
	for range 4 { // 76 units each
		must(b, api.GetItem, get)
	}
	if _, err := call(b, api.GetItem, get); words.MessageOf(err) != tableText {
		t.Errorf("a read: %v", err)
	}
	query := &api.QueryInput{TableName: new("notes"), KeyConditionExpression: new("id = :i"), ExpressionAttributeValues: avs{":i": str("a")}}
	if _, err := call(b, api.Query, query); words.MessageOf(err) != tableText {
		t.Errorf("a query: %v", err)
	}
	// The index has reads of its own.
	query.IndexName, query.KeyConditionExpression = new("by-who"), new("who = :i")
	must(b, api.Query, query)
	batch := &api.BatchGetItemInput{RequestItems: map[string]api.KeysAndAttributes{"notes": {Keys: []map[string]av{get.Key}}}}
	if _, err := call(b, api.BatchGetItem, batch); !fault.Is(err, "ProvisionedThroughputExceededException") {
		t.Errorf("a batch: %v", err)
	}
	_, err := call(b, api.TransactGetItems, &api.TransactGetItemsInput{TransactItems: []api.TransactGetItem{{Get: &api.Get{TableName: new("notes"), Key: get.Key}}}})
	if got := code(err); got != "ProvisionedThroughputExceeded" {
		t.Errorf("a transaction: %s (%v)", got, err)
	}

	// A write is refused when an index that it changes has no units left.
	must(b, api.UpdateTable, &api.UpdateTableInput{TableName: new("notes"), ProvisionedThroughput: units(1000, 1000)})
	b.clk.Advance(time.Minute)
	for n := 0; ; n++ {
		_, err := call(b, api.PutItem, &api.PutItemInput{TableName: new("notes"), Item: avs{"id": str("i"), "at": num(itoa(n)), "who": str("me")}})
		if err == nil {
			continue
		}
		if words.MessageOf(err) != indexText {
			t.Errorf("write %d: %v", n, err)
		}
		break
	}
	put(b, avs{"id": str("j"), "at": num("1")})
}

func TestMaximumOfOnDemandTables(t *testing.T) {
	b := newBench(t)
	in := tableInput()
	in.OnDemandThroughput = &api.OnDemandThroughput{MaxWriteRequestUnits: new(int64(2))}
	out := must(b, api.CreateTable, in)
	want := &api.OnDemandThroughput{MaxReadRequestUnits: new(int64(-1)), MaxWriteRequestUnits: new(int64(2))}
	if d := cmp.Diff(want, out.TableDescription.OnDemandThroughput); d != "" {
		t.Error(d)
	}
	item := avs{"id": str("a"), "at": num("1")}
	put(b, item)
	put(b, item)
	if _, err := call(b, api.PutItem, &api.PutItemInput{TableName: new("notes"), Item: item}); !fault.Is(err, "ThrottlingException") {
		t.Errorf("got %v", err)
	}
	must(b, api.UpdateTable, &api.UpdateTableInput{TableName: new("notes"), OnDemandThroughput: &api.OnDemandThroughput{MaxWriteRequestUnits: new(int64(-1))}})
	put(b, item)
	in.TableName, in.BillingMode, in.ProvisionedThroughput = new("other"), nil, units(1, 1)
	in.GlobalSecondaryIndexes[0].ProvisionedThroughput = units(1, 1)
	if _, err := call(b, api.CreateTable, in); !fault.Is(err, "ValidationException") {
		t.Errorf("a maximum of a provisioned table: %v", err)
	}
}

func TestChangesOfThroughputAreLimited(t *testing.T) {
	b := provisionedBench(t)
	set := func(n int64) error {
		_, err := call(b, api.UpdateTable, &api.UpdateTableInput{TableName: new("notes"), ProvisionedThroughput: units(n, 1)})
		return err
	}
	steps := []struct {
		after time.Duration
		units int64
		ok    bool
	}{{0, 50, true}, {0, 40, true}, {0, 30, true}, {0, 20, true}, {0, 10, true}, {0, 9, false}, {0, 12, true}, {time.Hour, 9, true}, {time.Minute, 8, false}, {24 * time.Hour, 8, true}}
	for i, s := range steps {
		b.clk.Advance(s.after)
		if err := set(s.units); (err == nil) != s.ok || err != nil && !fault.Is(err, "LimitExceededException") {
			t.Errorf("step %d: %v", i, err)
		}
	}
	d := must(b, api.DescribeTable, &api.DescribeTableInput{TableName: new("notes")}).Table.ProvisionedThroughput
	if *d.NumberOfDecreasesToday != 1 || d.LastIncreaseDateTime == nil || !d.LastDecreaseDateTime.Equal(b.clk.Now()) {
		t.Errorf("described as %+v", d)
	}

	toggle := func(mode string) error {
		in := &api.UpdateTableInput{TableName: new("notes"), BillingMode: &mode}
		if mode == "PROVISIONED" {
			in.ProvisionedThroughput = units(1, 1)
			in.GlobalSecondaryIndexUpdates = []api.GlobalSecondaryIndexUpdate{{Update: &api.UpdateGlobalSecondaryIndexAction{IndexName: new("by-who"), ProvisionedThroughput: units(1, 1)}}}
		}
		_, err := call(b, api.UpdateTable, in)
		return err
	}
	for range 4 {
		if err := toggle("PAY_PER_REQUEST"); err != nil {
			t.Fatal(err)
		}
		if err := toggle("PROVISIONED"); err != nil {
			t.Fatal(err)
		}
	}
	if err := toggle("PAY_PER_REQUEST"); !fault.Is(err, "LimitExceededException") {
		t.Errorf("the fifth switch of a day: %v", err)
	}
}

const tablePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"dynamodb:GetItem","Resource":"*"}]}`

func TestResourcePolicy(t *testing.T) {
	b := newBench(t)
	in := tableInput()
	in.ResourcePolicy = new(tablePolicy)
	arn := must(b, api.CreateTable, in).TableDescription.TableArn
	first := must(b, api.GetResourcePolicy, &api.GetResourcePolicyInput{ResourceArn: arn})
	if *first.Policy != tablePolicy {
		t.Errorf("the policy is %s", *first.Policy)
	}
	put := func(policy string, revision *string) (*string, error) {
		out, err := call(b, api.PutResourcePolicy, &api.PutResourcePolicyInput{ResourceArn: arn, Policy: &policy, ExpectedRevisionId: revision})
		if err != nil {
			return nil, err
		}
		return out.RevisionId, nil
	}
	if same, err := put(tablePolicy, nil); err != nil || *same != *first.RevisionId {
		t.Errorf("the same policy again: %v", err)
	}
	other := strings.Replace(tablePolicy, "GetItem", "Query", 1)
	for revision, ok := range map[string]bool{"NO_POLICY": false, "x": false, *first.RevisionId: true} {
		if _, err := put(other, &revision); (err == nil) != ok || err != nil && !fault.Is(err, "PolicyNotFoundException") {
			t.Errorf("revision %s: %v", revision, err)
		}
	}
	if _, err := put("{}", nil); !fault.Is(err, "ValidationException") {
		t.Errorf("no policy: %v", err)
	}
	if _, err := put(strings.Replace(tablePolicy, "Allow", "Deny", 1), nil); err != nil {
		t.Errorf("a policy that denies others: %v", err)
	}

	// The check of a request on the table has the policy, by name and by ARN, and
	// so has one from another account.
	op := b.ops["GetItem"]
	_, described := op.Of()
	for _, name := range []string{"notes", *arn} {
		c := b.caller()
		if name == *arn {
			c.Account = "999999999999"
		}
		checks, err := b.s.authorize(context.Background(), c, described, &api.GetItemInput{TableName: &name, Key: avs{"id": str("a"), "at": num("1")}})
		if err != nil || len(checks) != 1 || checks[0].Policy == nil || (checks[0].Account != "") != (name == *arn) {
			t.Errorf("%s: %+v, %v", name, checks, err)
		}
	}
	for name, in := range map[string]any{
		"TagResource": &api.TagResourceInput{ResourceArn: arn}, "UntagResource": &api.UntagResourceInput{ResourceArn: arn},
		"ListTagsOfResource": &api.ListTagsOfResourceInput{ResourceArn: arn}, "DeleteResourcePolicy": &api.DeleteResourcePolicyInput{ResourceArn: arn},
	} {
		_, described := b.ops[name].Of()
		checks, err := b.s.authorize(context.Background(), b.caller(), described, in)
		if err != nil || len(checks) != 1 || checks[0].Policy == nil || checks[0].Resource != *arn {
			t.Errorf("%s: %+v, %v", name, checks, err)
		}
	}
	c := b.caller()
	c.Account = "999999999999"
	if _, err := b.s.getItem(context.Background(), c, &api.GetItemInput{TableName: arn, Key: avs{"id": str("a"), "at": num("1")}}); err != nil {
		t.Errorf("a read from another account: %v", err)
	}
	must(b, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{ResourceArn: arn})
	if _, err := call(b, api.GetResourcePolicy, &api.GetResourcePolicyInput{ResourceArn: arn}); !fault.Is(err, "PolicyNotFoundException") {
		t.Errorf("after its deletion: %v", err)
	}
}

// TestSpellingsOfARNs: a table has one ARN, which policies match; what means the
// same in other letters is refused.
func TestSpellingsOfARNs(t *testing.T) {
	b := newBench(t)
	name := *must(b, api.CreateTable, tableInput()).TableDescription.TableArn
	key := avs{"id": str("a"), "at": num("1")}
	must(b, api.GetItem, &api.GetItemInput{TableName: &name, Key: key})
	for _, given := range []string{
		strings.Replace(name, ":table/", ":table:", 1), strings.Replace(name, "arn:aws:", "arn:aws-cn:", 1),
		strings.Replace(name, ":dynamodb:", ":dax:", 1), strings.Replace(name, "123456789012", "", 1), name + "/", name + ":1",
	} {
		if _, err := call(b, api.GetItem, &api.GetItemInput{TableName: &given, Key: key}); fault.As(err) == nil {
			t.Errorf("%s: %v", given, err)
		}
		if _, err := call(b, api.TagResource, &api.TagResourceInput{ResourceArn: &given, Tags: []api.Tag{{Key: new("a"), Value: new("b")}}}); fault.As(err) == nil {
			t.Errorf("tag %s: %v", given, err)
		}
		if _, err := call(b, api.CreateBackup, &api.CreateBackupInput{TableName: &given, BackupName: new("bak")}); fault.As(err) == nil {
			t.Errorf("back %s up: %v", given, err)
		}
		if _, err := call(b, api.ExecuteStatement, &api.ExecuteStatementInput{Statement: new(`SELECT * FROM "` + given + `"`)}); fault.As(err) == nil {
			t.Errorf("select from %s: %v", given, err)
		}
	}
	stream := strings.Replace(streamed(newBench(t), "NEW_IMAGE"), "arn:aws:", "arn:aws-cn:", 1)
	if _, err := call(b, streams.DescribeStream, &streams.DescribeStreamInput{StreamArn: &stream}); !fault.Is(err, "ValidationException") {
		t.Errorf("%s: %v", stream, err)
	}
}
