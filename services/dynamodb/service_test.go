package dynamodb

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

type (
	av  = api.AttributeValue
	avs = map[string]api.AttributeValue
)

func str(s string) av { return av{S: &s} }
func num(s string) av { return av{N: &s} }

// bench is a service with a caller; it calls operations as the gateway does.
type bench struct {
	t   testing.TB
	s   *Service
	ops map[string]service.Operation
	clk *clock.Fake
	// denied is the end of the ARNs that nobody may use.
	denied string
	// other are operations of other services, by name.
	other map[string]func(c *service.Call, in any) (any, error)
}

func newBench(t testing.TB) *bench {
	db := kv.New(memkv.New())
	t.Cleanup(func() { db.Close() })
	clk := clock.NewFake(time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	s := New(service.Deps{KV: db.Scope([]byte("dynamodb")), Clock: clk, Ident: ident.NewSeeded(1, clk), Log: slog.New(slog.DiscardHandler)})
	b := &bench{t: t, s: s, ops: map[string]service.Operation{}, clk: clk}
	for _, o := range slices.Concat(s.Definition().Operations, s.StreamsDefinition().Operations) {
		_, op := o.Of()
		b.ops[op.Name] = o
	}
	return b
}

func (b *bench) caller() *service.Call {
	return service.NewCall(b, service.Call{Account: "123456789012", Region: "eu-north-1", Now: b.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

func (b *bench) Dispatch(ctx context.Context, c *service.Call, op smithy.Descriptor, in any) (any, error) {
	_, o := op.Of()
	if fn := b.other[o.Name]; fn != nil {
		return fn(c, in)
	}
	return b.ops[o.Name].Call(ctx, c, in)
}

func (b *bench) Judge(_ context.Context, _ *service.Call, check service.Check) error {
	if b.denied != "" && strings.HasSuffix(check.Resource, b.denied) {
		return fault.New("AccessDeniedException", 400, "denied")
	}
	return nil
}

func (b *bench) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, fault.New("AccessDenied", 403, "denied")
}

func call[In, Out any](b *bench, op smithy.Op[In, Out], in *In) (*Out, error) {
	b.t.Helper()
	return service.Invoke(context.Background(), b.caller(), op, in)
}

func must[In, Out any](b *bench, op smithy.Op[In, Out], in *In) *Out {
	b.t.Helper()
	out, err := call(b, op, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func element(name, kind string) api.KeySchemaElement {
	return api.KeySchemaElement{AttributeName: &name, KeyType: &kind}
}

func definition(name, kind string) api.AttributeDefinition {
	return api.AttributeDefinition{AttributeName: &name, AttributeType: &kind}
}

// tableInput is a table of id (S) and at (N) with an index on who (S).
func tableInput() *api.CreateTableInput {
	return &api.CreateTableInput{
		TableName: new("notes"), BillingMode: new(table.OnDemand),
		AttributeDefinitions: []api.AttributeDefinition{definition("id", "S"), definition("at", "N"), definition("who", "S")},
		KeySchema:            []api.KeySchemaElement{element("id", "HASH"), element("at", "RANGE")},
		GlobalSecondaryIndexes: []api.GlobalSecondaryIndex{{
			IndexName: new("by-who"), KeySchema: []api.KeySchemaElement{element("who", "HASH"), element("at", "RANGE")},
			Projection: &api.Projection{ProjectionType: new("KEYS_ONLY")},
		}},
	}
}

func put(b *bench, item avs) {
	b.t.Helper()
	must(b, api.PutItem, &api.PutItemInput{TableName: new("notes"), Item: item})
}

func TestTableNamesEveryOperation(t *testing.T) {
	seen := map[string]int{}
	for _, o := range newBench(t).s.Definition().Operations {
		_, op := o.Of()
		seen[op.Name]++
	}
	for _, op := range api.Schema.Operations {
		if seen[op.Name] != 1 {
			t.Errorf("%s is in the table %d times", op.Name, seen[op.Name])
		}
	}
}

func TestCreateTableRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*api.CreateTableInput)
		want   string
	}{
		{"no throughput", func(in *api.CreateTableInput) { in.BillingMode = nil }, "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"},
		{"unused definition", func(in *api.CreateTableInput) { in.GlobalSecondaryIndexes = nil }, "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"},
		{"first is range", func(in *api.CreateTableInput) { in.KeySchema[0].KeyType = new("RANGE") }, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"},
		{"no keys", func(in *api.CreateTableInput) { in.KeySchema = nil }, "Value null at 'keySchema' failed to satisfy constraint: Member must not be null"},
		{"undefined key", func(in *api.CreateTableInput) { in.KeySchema[0].AttributeName = new("x") }, "Some index key attributes are not defined in AttributeDefinitions. Keys: [x, at], AttributeDefinitions: [id, at, who]"},
		{"short name", func(in *api.CreateTableInput) { in.TableName = new("ab") }, "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"},
		{"stream", func(in *api.CreateTableInput) {
			in.StreamSpecification = &api.StreamSpecification{StreamEnabled: new(true)}
		}, "One or more parameter values were invalid: Table is being created with a stream enabled, UpdateViewType is required"},
		{"no stream with a view", func(in *api.CreateTableInput) {
			in.StreamSpecification = &api.StreamSpecification{StreamEnabled: new(false), StreamViewType: new("KEYS_ONLY")}
		}, "Table is being created with a stream disabled, UpdateViewType should not be specified"},
		{"same index twice", func(in *api.CreateTableInput) {
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, in.GlobalSecondaryIndexes[0])
		}, "Duplicate index name: by-who"},
		{"include nothing", func(in *api.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].Projection.ProjectionType = new("INCLUDE")
		}, "ProjectionType is INCLUDE, but NonKeyAttributes is not specified"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tableInput()
			tt.change(in)
			_, err := call(newBench(t), api.CreateTable, in)
			if !fault.Is(err, "ValidationException") || !strings.HasSuffix(words.MessageOf(err), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestPutItemRefuses(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	tests := []struct {
		item avs
		want string
	}{
		{avs{"id": str("a")}, "Missing the key at in the item"},
		{avs{"id": str("a"), "at": str("1")}, "Type mismatch for key at expected: N actual: S"},
		{avs{"id": str(""), "at": num("1")}, "The AttributeValue for a key attribute cannot contain an empty string value. Key: id"},
		{avs{"id": str("a"), "at": num("1"), "who": num("1")}, "Type mismatch for Index Key who Expected: S Actual: N IndexName: by-who"},
		{avs{"id": str("a"), "at": num("1e126")}, "Number overflow. Attempting to store a number with magnitude larger than supported range"},
		{avs{"id": str("a"), "at": num("1"), "s": av{SS: []string{}}}, "An string set  may not be empty"},
		{avs{"id": str("a"), "at": num("1"), "s": str(strings.Repeat("x", table.MaxItemBytes))}, "Item size has exceeded the maximum allowed size"},
		{avs{"id": str(strings.Repeat("x", 2049)), "at": num("1")}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
	}
	for _, tt := range tests {
		_, err := call(b, api.PutItem, &api.PutItemInput{TableName: new("notes"), Item: tt.item})
		if !fault.Is(err, "ValidationException") || !strings.HasSuffix(words.MessageOf(err), tt.want) {
			t.Errorf("got %v\nwant %s", err, tt.want)
		}
	}
	_, err := call(b, api.GetItem, &api.GetItemInput{TableName: new("other"), Key: avs{"id": str("a")}})
	if !fault.Is(err, "ResourceNotFoundException") || words.MessageOf(err) != "Requested resource not found" {
		t.Errorf("a table that is not there: %v", err)
	}
}

func TestItemLivesInTableAndIndex(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	for i := range 5 {
		put(b, avs{"id": str("a"), "at": num(fmt.Sprint(i)), "who": str("ann"), "text": str("t")})
	}
	q := &api.QueryInput{
		TableName: new("notes"), IndexName: new("by-who"), KeyConditionExpression: new("who = :w AND #at BETWEEN :l AND :h"),
		ExpressionAttributeNames:  map[string]string{"#at": "at"},
		ExpressionAttributeValues: avs{":w": str("ann"), ":l": num("1"), ":h": num("3.0")}, ScanIndexForward: new(false), Limit: new(int32(2)),
	}
	first := must(b, api.Query, q)
	q.ExclusiveStartKey = first.LastEvaluatedKey
	second := must(b, api.Query, q)
	want := []avs{
		{"id": str("a"), "at": num("3"), "who": str("ann")}, {"id": str("a"), "at": num("2"), "who": str("ann")},
		{"id": str("a"), "at": num("1"), "who": str("ann")},
	}
	if d := cmp.Diff(want, append(first.Items, second.Items...)); d != "" {
		t.Error(d)
	}
	must(b, api.UpdateItem, &api.UpdateItemInput{
		TableName: new("notes"), Key: avs{"id": str("a"), "at": num("2")}, UpdateExpression: new("REMOVE who"),
	})
	must(b, api.DeleteItem, &api.DeleteItemInput{TableName: new("notes"), Key: avs{"id": str("a"), "at": num("3")}})
	q.ExclusiveStartKey, q.Limit = nil, nil
	if out := must(b, api.Query, q); len(out.Items) != 1 || *out.Items[0]["at"].N != "1" {
		t.Errorf("the index still holds %v", out.Items)
	}
}

func TestConditionFails(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	old := avs{"id": str("a"), "at": num("1")}
	put(b, old)
	_, err := call(b, api.PutItem, &api.PutItemInput{
		TableName: new("notes"), Item: old, ConditionExpression: new("attribute_not_exists(id)"),
		ReturnValuesOnConditionCheckFailure: new("ALL_OLD"),
	})
	f := fault.As(err)
	if f == nil || f.Code != "ConditionalCheckFailedException" || f.Message != "The conditional request failed" {
		t.Fatalf("got %v", err)
	}
	if d := cmp.Diff(old, f.Body.(*api.ConditionalCheckFailedException).Item); d != "" {
		t.Error(d)
	}
}

func TestTransactionIsAllOrNothingAndOnce(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	put(b, avs{"id": str("a"), "at": num("1"), "n": num("1")})
	key := avs{"id": str("a"), "at": num("1")}
	add := api.TransactWriteItem{Update: &api.Update{
		TableName: new("notes"), Key: key, UpdateExpression: new("ADD n :one"), ExpressionAttributeValues: avs{":one": num("1")},
	}}
	fails := api.TransactWriteItem{ConditionCheck: &api.ConditionCheck{
		TableName: new("notes"), Key: avs{"id": str("b"), "at": num("1")}, ConditionExpression: new("attribute_exists(id)"),
	}}
	_, err := call(b, api.TransactWriteItems, &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{add, fails}})
	if !fault.Is(err, "TransactionCanceledException") || !strings.HasSuffix(words.MessageOf(err), "[None, ConditionalCheckFailed]") {
		t.Fatalf("got %v", err)
	}
	once := &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{add}, ClientRequestToken: new("token")}
	must(b, api.TransactWriteItems, once)
	must(b, api.TransactWriteItems, once)
	got := must(b, api.GetItem, &api.GetItemInput{TableName: new("notes"), Key: key})
	if *got.Item["n"].N != "2" {
		t.Errorf("n is %s after one of two transactions, done twice with one token", *got.Item["n"].N)
	}
	once.TransactItems = append(once.TransactItems, fails)
	if _, err := call(b, api.TransactWriteItems, once); !fault.Is(err, "IdempotentParameterMismatchException") {
		t.Errorf("another request with the token: %v", err)
	}
}

func TestIndexAddedLater(t *testing.T) {
	b := newBench(t)
	in := tableInput()
	in.GlobalSecondaryIndexes, in.AttributeDefinitions = nil, in.AttributeDefinitions[:2]
	must(b, api.CreateTable, in)
	put(b, avs{"id": str("a"), "at": num("1"), "who": str("ann")})
	out := must(b, api.UpdateTable, &api.UpdateTableInput{
		TableName: new("notes"), AttributeDefinitions: []api.AttributeDefinition{definition("who", "S")},
		GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{{Create: &api.CreateGlobalSecondaryIndexAction{
			IndexName: new("by-who"), KeySchema: []api.KeySchemaElement{element("who", "HASH")}, Projection: &api.Projection{ProjectionType: new("ALL")},
		}}},
	})
	if got := *out.TableDescription.GlobalSecondaryIndexes[0].IndexStatus; got != "CREATING" {
		t.Errorf("a new index is %s", got)
	}
	q := &api.QueryInput{
		TableName: new("notes"), IndexName: new("by-who"), KeyConditionExpression: new("who = :w"), ExpressionAttributeValues: avs{":w": str("ann")},
	}
	if _, err := call(b, api.Query, q); !fault.Is(err, "ValidationException") {
		t.Errorf("an index that is being filled answers %v", err)
	}
	put(b, avs{"id": str("b"), "at": num("1"), "who": str("ann")})
	if err := b.s.fillOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := must(b, api.Query, q); len(got.Items) != 2 {
		t.Errorf("the filled index holds %v", got.Items)
	}
}

func TestItemsExpire(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	soon := fmt.Sprint(b.clk.Now().Add(time.Hour).Unix())
	put(b, avs{"id": str("before"), "at": num("1"), "end": num(soon)})
	must(b, api.UpdateTimeToLive, &api.UpdateTimeToLiveInput{
		TableName: new("notes"), TimeToLiveSpecification: &api.TimeToLiveSpecification{AttributeName: new("end"), Enabled: new(true)},
	})
	put(b, avs{"id": str("after"), "at": num("1"), "end": num(soon)})
	put(b, avs{"id": str("text"), "at": num("1"), "end": str(soon)})
	put(b, avs{"id": str("ancient"), "at": num("1"), "end": num("5")})
	ctx := context.Background()
	if err := b.s.fillOnce(ctx); err != nil {
		t.Fatal(err)
	}
	count := func() int32 {
		if err := b.s.expireOnce(ctx); err != nil {
			t.Fatal(err)
		}
		return *must(b, api.Scan, &api.ScanInput{TableName: new("notes")}).Count
	}
	if n := count(); n != 4 {
		t.Errorf("%d items are left before their time", n)
	}
	b.clk.Advance(2 * time.Hour)
	if n := count(); n != 2 {
		t.Errorf("%d items are left", n)
	}
}

func TestSegmentsShareAllItems(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	for i := range 100 {
		put(b, avs{"id": str(fmt.Sprint("id", i)), "at": num("1")})
	}
	const segments = 3
	seen := map[string]int{}
	for i := range segments {
		in := &api.ScanInput{TableName: new("notes"), Segment: new(int32(i)), TotalSegments: new(int32(segments)), Limit: new(int32(7))}
		for {
			out := must(b, api.Scan, in)
			for _, it := range out.Items {
				seen[*it["id"].S]++
			}
			if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				break
			}
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was seen %d times", id, n)
		}
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 items were seen", len(seen))
	}
}

func TestTransactionIsJudgedItemByItem(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	key := avs{"id": str("a"), "at": num("1")}
	in := &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{
		{Put: &api.Put{TableName: new("notes"), Item: key}},
		{ConditionCheck: &api.ConditionCheck{TableName: new("other"), Key: key, ConditionExpression: new("attribute_exists(id)")}},
	}}
	_, op := api.TransactWriteItems.Of()
	checks, err := b.s.authorize(context.Background(), b.caller(), op, in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range checks {
		got = append(got, c.Action+" "+c.Resource+" "+strings.Join(moreKeys(t, c)["dynamodb:leadingkeys"], ","))
	}
	want := []string{
		"dynamodb:PutItem arn:aws:dynamodb:eu-north-1:123456789012:table/notes a",
		"dynamodb:ConditionCheckItem arn:aws:dynamodb:eu-north-1:123456789012:table/other ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEveryOperationIsJudged(t *testing.T) {
	b := newBench(t)
	for _, o := range b.s.Definition().Operations {
		if o.Call == nil {
			continue
		}
		_, op := o.Of()
		in := o.NewInput()
		statement := new("SELECT * FROM notes")
		switch in := in.(type) {
		case *api.ExecuteStatementInput:
			in.Statement = statement
		case *api.ExecuteTransactionInput:
			in.TransactStatements = []api.ParameterizedStatement{{Statement: statement}}
		case *api.TagResourceInput:
			in.ResourceArn = new("arn:aws:dynamodb:eu-north-1:123456789012:table/notes")
		case *api.UntagResourceInput:
			in.ResourceArn = new("arn:aws:dynamodb:eu-north-1:123456789012:table/notes")
		case *api.ListTagsOfResourceInput:
			in.ResourceArn = new("arn:aws:dynamodb:eu-north-1:123456789012:table/notes")
		}
		checks, err := b.s.authorize(context.Background(), b.caller(), op, in)
		if err != nil || len(checks) == 0 {
			t.Errorf("%s needs no permission: %v %v", op.Name, checks, err)
		}
	}
}

func BenchmarkPutItem(b *testing.B) {
	w := newBench(b)
	in := tableInput()
	in.GlobalSecondaryIndexes, in.AttributeDefinitions = nil, in.AttributeDefinitions[:2]
	must(w, api.CreateTable, in)
	req := &api.PutItemInput{TableName: new("notes"), Item: avs{"id": str("a"), "at": num("1"), "text": str(strings.Repeat("x", 1000))}}
	b.ReportAllocs()
	for b.Loop() {
		must(w, api.PutItem, req)
	}
}

func BenchmarkGetItem(b *testing.B) {
	w := newBench(b)
	must(w, api.CreateTable, tableInput())
	put(w, avs{"id": str("a"), "at": num("1"), "text": str(strings.Repeat("x", 1000))})
	req := &api.GetItemInput{TableName: new("notes"), Key: avs{"id": str("a"), "at": num("1")}}
	b.ReportAllocs()
	for b.Loop() {
		must(w, api.GetItem, req)
	}
}

func TestConditionKeys(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	names := map[string]string{"#at": "at"}
	tests := []struct {
		op      smithy.Descriptor
		in      any
		leading []string
		attrs   []string
	}{
		{api.Query, &api.QueryInput{
			TableName: new("notes"), KeyConditionExpression: new("#at > :n AND id = :i"), ExpressionAttributeNames: names,
			ExpressionAttributeValues: avs{":i": str("me"), ":n": num("1")}, ProjectionExpression: new("txt.x[0], more"),
		}, []string{"me"}, []string{"at", "id", "more", "txt"}},
		{api.Query, &api.QueryInput{TableName: new("notes"), KeyConditionExpression: new("id > :i"), ExpressionAttributeValues: avs{":i": str("me")}}, []string{noLeadingKey}, []string{"id"}},
		{api.Scan, &api.ScanInput{TableName: new("notes")}, []string{noLeadingKey}, nil},
		{api.UpdateItem, &api.UpdateItemInput{
			TableName: new("notes"), Key: avs{"id": str("me"), "at": num("1")}, UpdateExpression: new("SET a = if_not_exists(b, :v) REMOVE c ADD d :v"),
		}, []string{"me"}, []string{"a", "at", "b", "c", "d", "id"}},
	}
	for _, tt := range tests {
		_, op := tt.op.Of()
		checks, err := b.s.authorize(context.Background(), b.caller(), op, tt.in)
		if err != nil {
			t.Fatal(err)
		}
		got := moreKeys(t, checks[0])
		if d := cmp.Diff(tt.leading, got["dynamodb:leadingkeys"]); d != "" {
			t.Errorf("%s: leading keys: %s", op.Name, d)
		}
		if d := cmp.Diff(tt.attrs, got["dynamodb:attributes"]); d != "" {
			t.Errorf("%s: attributes: %s", op.Name, d)
		}
	}
}

// moreKeys are the condition keys that a check gives when it is asked.
func moreKeys(t *testing.T, c service.Check) policy.Keys {
	t.Helper()
	if c.More == nil {
		return c.Context
	}
	keys, err := c.More()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
