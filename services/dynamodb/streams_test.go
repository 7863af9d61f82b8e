package dynamodb

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	streamsapi "moln.dev/moln/api/dynamodbstreams"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/words"
)

// streamed makes the table of tableInput with a stream and returns its ARN.
func streamed(b *bench, view string) string {
	b.t.Helper()
	in := tableInput()
	in.StreamSpecification = &api.StreamSpecification{StreamEnabled: new(true), StreamViewType: &view}
	return *must(b, api.CreateTable, in).TableDescription.LatestStreamArn
}

func shardsOf(b *bench, arn string) []streamsapi.Shard {
	b.t.Helper()
	return must(b, streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &arn}).StreamDescription.Shards
}

func iteratorAt(b *bench, arn string, in streamsapi.GetShardIteratorInput) *string {
	b.t.Helper()
	in.StreamArn = &arn
	if in.ShardId == nil {
		in.ShardId = shardsOf(b, arn)[0].ShardId
	}
	return must(b, streamsapi.GetShardIterator, &in).ShardIterator
}

// history reads a stream from its oldest record through all shards, and writes
// each record as text.
func history(b *bench, arn string) (out []string) {
	b.t.Helper()
	for _, sh := range shardsOf(b, arn) {
		it := iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardId: sh.ShardId, ShardIteratorType: new("TRIM_HORIZON")})
		for it != nil {
			got := must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: it})
			for _, r := range got.Records {
				out = append(out, recordText(r))
			}
			if it = got.NextShardIterator; len(got.Records) == 0 {
				break
			}
		}
	}
	return out
}

func recordText(r streamsapi.Record) string {
	d := r.Dynamodb
	text := *r.EventName + " " + imageText(d.Keys)
	if d.OldImage != nil {
		text += " old: " + imageText(d.OldImage)
	}
	if d.NewImage != nil {
		text += " new: " + imageText(d.NewImage)
	}
	if r.UserIdentity != nil {
		text += " by " + *r.UserIdentity.Type + " " + *r.UserIdentity.PrincipalId
	}
	return text
}

func imageText(m map[string]streamsapi.AttributeValue) string {
	var parts []string
	for _, n := range sortedNames(m) {
		v := ""
		switch {
		case m[n].S != nil:
			v = *m[n].S
		case m[n].N != nil:
			v = *m[n].N
		}
		parts = append(parts, n+"="+v)
	}
	return strings.Join(parts, ",")
}

func TestStreamViews(t *testing.T) {
	tests := map[string][]string{
		"KEYS_ONLY": {"INSERT at=1,id=a", "MODIFY at=1,id=a", "REMOVE at=1,id=a"},
		"NEW_IMAGE": {"INSERT at=1,id=a new: at=1,id=a,who=x", "MODIFY at=1,id=a new: at=1,id=a,who=y", "REMOVE at=1,id=a"},
		"OLD_IMAGE": {"INSERT at=1,id=a", "MODIFY at=1,id=a old: at=1,id=a,who=x", "REMOVE at=1,id=a old: at=1,id=a,who=y"},
		"NEW_AND_OLD_IMAGES": {
			"INSERT at=1,id=a new: at=1,id=a,who=x", "MODIFY at=1,id=a old: at=1,id=a,who=x new: at=1,id=a,who=y",
			"REMOVE at=1,id=a old: at=1,id=a,who=y",
		},
	}
	for view, want := range tests {
		t.Run(view, func(t *testing.T) {
			b := newBench(t)
			arn := streamed(b, view)
			key := avs{"id": str("a"), "at": num("1")}
			put(b, avs{"id": str("a"), "at": num("1"), "who": str("x")})
			put(b, avs{"id": str("a"), "at": num("1.0"), "who": str("x")}) // changes nothing
			must(b, api.UpdateItem, &api.UpdateItemInput{
				TableName: new("notes"), Key: key, UpdateExpression: new("SET who = :w"), ExpressionAttributeValues: avs{":w": str("y")},
			})
			must(b, api.DeleteItem, &api.DeleteItemInput{TableName: new("notes"), Key: key})
			must(b, api.DeleteItem, &api.DeleteItemInput{TableName: new("notes"), Key: key}) // is gone
			if d := cmp.Diff(want, history(b, arn)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestStreamSeesEveryKindOfWrite(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "NEW_IMAGE")
	item := func(id string) avs { return avs{"id": str(id), "at": num("1")} }
	must(b, api.BatchWriteItem, &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{"notes": {
		{PutRequest: &api.PutRequest{Item: item("batch")}}, {PutRequest: &api.PutRequest{Item: item("gone")}},
	}}})
	must(b, api.TransactWriteItems, &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{
		{Put: &api.Put{TableName: new("notes"), Item: item("transaction")}},
		{Delete: &api.Delete{TableName: new("notes"), Key: item("gone")}},
		{ConditionCheck: &api.ConditionCheck{TableName: new("notes"), Key: item("batch"), ConditionExpression: new("attribute_exists(id)")}},
	}})
	_, err := call(b, api.TransactWriteItems, &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{
		{Put: &api.Put{TableName: new("notes"), Item: item("cancelled")}},
		{Put: &api.Put{TableName: new("notes"), Item: item("batch"), ConditionExpression: new("attribute_not_exists(id)")}},
	}})
	if !fault.Is(err, "TransactionCanceledException") {
		t.Fatal(err)
	}
	if _, err := run(b, `INSERT INTO notes VALUE {'id': 'partiql', 'at': 1}`); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"INSERT at=1,id=batch new: at=1,id=batch", "INSERT at=1,id=gone new: at=1,id=gone",
		"INSERT at=1,id=transaction new: at=1,id=transaction", "REMOVE at=1,id=gone",
		"INSERT at=1,id=partiql new: at=1,id=partiql",
	}
	got := history(b, arn)
	slices.Sort(got[:2]) // a batch has no order
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestStreamOfExpiredItems(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "KEYS_ONLY")
	must(b, api.UpdateTimeToLive, &api.UpdateTimeToLiveInput{
		TableName: new("notes"), TimeToLiveSpecification: &api.TimeToLiveSpecification{AttributeName: new("end"), Enabled: new(true)},
	})
	put(b, avs{"id": str("a"), "at": num("1"), "end": num(fmt.Sprint(b.clk.Now().Unix() + 5))})
	b.clk.Advance(time.Minute)
	if err := b.s.expireOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []string{"INSERT at=1,id=a", "REMOVE at=1,id=a by Service dynamodb.amazonaws.com"}
	if d := cmp.Diff(want, history(b, arn)); d != "" {
		t.Error(d)
	}
}

func TestStreamBeginsEndsAndBeginsAnew(t *testing.T) {
	b := newBench(t)
	update := func(spec api.StreamSpecification) (*api.TableDescription, error) {
		out, err := call(b, api.UpdateTable, &api.UpdateTableInput{TableName: new("notes"), StreamSpecification: &spec})
		if err != nil {
			return nil, err
		}
		return out.TableDescription, nil
	}
	refuses := func(spec api.StreamSpecification, want string) {
		t.Helper()
		if _, err := update(spec); !fault.Is(err, "ValidationException") || words.MessageOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	on := api.StreamSpecification{StreamEnabled: new(true), StreamViewType: new("KEYS_ONLY")}
	off := api.StreamSpecification{StreamEnabled: new(false)}
	must(b, api.CreateTable, tableInput())
	put(b, avs{"id": str("before"), "at": num("1")})
	refuses(off, "Table has no stream to disable: TableName: notes")
	refuses(api.StreamSpecification{StreamEnabled: new(true)}, "One or more parameter values were invalid: If stream is being enabled then UpdateViewType is required")
	d, err := update(on)
	if err != nil {
		t.Fatal(err)
	}
	first := *d.LatestStreamArn
	if !strings.HasSuffix(first, ":table/notes/stream/"+*d.LatestStreamLabel) || *d.StreamSpecification.StreamViewType != "KEYS_ONLY" {
		t.Errorf("got %s, %+v", first, d.StreamSpecification)
	}
	refuses(on, "Table already has an enabled stream: TableName: notes")
	refuses(api.StreamSpecification{StreamEnabled: new(false), StreamViewType: new("KEYS_ONLY")}, "One or more parameter values were invalid: If stream is being disabled, then UpdateViewType must not be specified")
	put(b, avs{"id": str("a"), "at": num("1")})
	if d, err = update(off); err != nil || d.StreamSpecification != nil || *d.LatestStreamArn != first {
		t.Errorf("after the end: %v, %+v", err, d)
	}
	put(b, avs{"id": str("between"), "at": num("1")})
	if d, err = update(on); err != nil || *d.LatestStreamArn == first {
		t.Fatalf("anew: %v, %+v", err, d)
	}
	second := *d.LatestStreamArn
	put(b, avs{"id": str("b"), "at": num("1")})
	must(b, api.DeleteTable, &api.DeleteTableInput{TableName: new("notes")})
	for arn, want := range map[string]string{first: "INSERT at=1,id=a", second: "INSERT at=1,id=b"} {
		if d := cmp.Diff([]string{want}, history(b, arn)); d != "" {
			t.Error(d)
		}
		got := must(b, streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &arn}).StreamDescription
		if *got.StreamStatus != "DISABLED" || got.Shards[0].SequenceNumberRange.EndingSequenceNumber == nil {
			t.Errorf("%s is %s, with shards %+v", arn, *got.StreamStatus, got.Shards[0].SequenceNumberRange)
		}
	}
	list := must(b, streamsapi.ListStreams, &streamsapi.ListStreamsInput{TableName: new("notes"), Limit: new(int32(1))})
	rest := must(b, streamsapi.ListStreams, &streamsapi.ListStreamsInput{ExclusiveStartStreamArn: list.LastEvaluatedStreamArn})
	if *list.Streams[0].StreamArn != first || len(rest.Streams) != 1 || *rest.Streams[0].StreamArn != second {
		t.Errorf("listed %+v and %+v", list.Streams, rest.Streams)
	}
	b.clk.Advance(25 * time.Hour)
	if err := b.s.store.TendStreams(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list := must(b, streamsapi.ListStreams, &streamsapi.ListStreamsInput{}); len(list.Streams) != 0 {
		t.Errorf("after a day there are %+v", list.Streams)
	}
	if _, err := call(b, streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &first}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("after a day: %v", err)
	}
}

func TestStreamChangesAlone(t *testing.T) {
	b := newBench(t)
	must(b, api.CreateTable, tableInput())
	spec := &api.StreamSpecification{StreamEnabled: new(true), StreamViewType: new("KEYS_ONLY")}
	tests := map[string]*api.UpdateTableInput{
		"TableClass modification must be the only operation in the request":         {TableClass: new("STANDARD")},
		"DeletionProtection modification must be the only operation in the request": {DeletionProtectionEnabled: new(true)},
		"You cannot modify stream status while updating table IOPS":                 {BillingMode: new("PROVISIONED")},
		"You cannot create or delete index while changing stream status": {GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{
			{Delete: &api.DeleteGlobalSecondaryIndexAction{IndexName: new("by-who")}},
		}},
	}
	for want, in := range tests {
		in.TableName, in.StreamSpecification = new("notes"), spec
		if _, err := call(b, api.UpdateTable, in); !strings.HasSuffix(words.MessageOf(err), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestShardsRollAndRecordsAreTrimmed(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "KEYS_ONLY")
	tend := func() {
		t.Helper()
		if err := b.s.store.TendStreams(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	put(b, avs{"id": str("a"), "at": num("1")})
	first := shardsOf(b, arn)[0]
	oldest := iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")})
	got := must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: oldest})
	if len(got.Records) != 1 || got.NextShardIterator == nil {
		t.Fatalf("an open shard gave %d records and next %v", len(got.Records), got.NextShardIterator)
	}
	b.clk.Advance(4 * time.Hour)
	tend()
	put(b, avs{"id": str("b"), "at": num("1")})
	shards := shardsOf(b, arn)
	if len(shards) != 2 || *shards[0].ShardId != *first.ShardId || *shards[1].ParentShardId != *first.ShardId {
		t.Fatalf("after four hours there are %+v", shards)
	}
	if *shards[1].SequenceNumberRange.StartingSequenceNumber <= *shards[0].SequenceNumberRange.EndingSequenceNumber {
		t.Errorf("the child begins at %s, the parent ends at %s", *shards[1].SequenceNumberRange.StartingSequenceNumber, *shards[0].SequenceNumberRange.EndingSequenceNumber)
	}
	filter := &streamsapi.ShardFilter{Type: new("CHILD_SHARDS"), ShardId: first.ShardId}
	d := must(b, streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &arn, ShardFilter: filter}).StreamDescription
	if len(d.Shards) != 1 || *d.Shards[0].ShardId != *shards[1].ShardId {
		t.Errorf("children: %+v", d.Shards)
	}
	page := must(b, streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &arn, Limit: new(int32(1))}).StreamDescription
	page = must(b, streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &arn, ExclusiveStartShardId: page.LastEvaluatedShardId}).StreamDescription
	if len(page.Shards) != 1 || *page.Shards[0].ShardId != *shards[1].ShardId || page.LastEvaluatedShardId != nil {
		t.Errorf("second page: %+v", page)
	}
	it := iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")})
	closed := must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: it})
	if len(closed.Records) != 1 || closed.NextShardIterator != nil {
		t.Errorf("a closed shard gave %d records and next %v", len(closed.Records), closed.NextShardIterator)
	}
	if d := cmp.Diff([]string{"INSERT at=1,id=a", "INSERT at=1,id=b"}, history(b, arn)); d != "" {
		t.Error(d)
	}
	if _, err := call(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: oldest}); !fault.Is(err, "ExpiredIteratorException") {
		t.Errorf("an old iterator: %v", err)
	}

	b.clk.Advance(21 * time.Hour)
	seq := got.Records[0].Dynamodb.SequenceNumber
	it = iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("AT_SEQUENCE_NUMBER"), SequenceNumber: seq})
	if _, err := call(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: it}); !fault.Is(err, "TrimmedDataAccessException") {
		t.Errorf("a record that is due to be trimmed: %v", err)
	}
	if d := cmp.Diff([]string{"INSERT at=1,id=b"}, history(b, arn)); d != "" {
		t.Error(d)
	}
	tend()
	at := &streamsapi.GetShardIteratorInput{StreamArn: &arn, ShardId: first.ShardId, ShardIteratorType: new("AT_SEQUENCE_NUMBER"), SequenceNumber: seq}
	if _, err := call(b, streamsapi.GetShardIterator, at); !fault.Is(err, "TrimmedDataAccessException") {
		t.Errorf("a trimmed record: %v", err)
	}
	if d := cmp.Diff([]string{"INSERT at=1,id=b"}, history(b, arn)); d != "" {
		t.Error(d)
	}
}

func TestShardIterators(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "KEYS_ONLY")
	var times []time.Time
	for _, id := range []string{"a", "b", "c"} {
		times = append(times, b.clk.Now())
		put(b, avs{"id": str(id), "at": num("1")})
		b.clk.Advance(time.Second)
	}
	all := must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")})})
	latest := iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("LATEST")})
	put(b, avs{"id": str("d"), "at": num("1")})
	ids := func(it *string, limit *int32) string {
		t.Helper()
		var out []string
		for _, r := range must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: it, Limit: limit}).Records {
			out = append(out, *r.Dynamodb.Keys["id"].S)
		}
		return strings.Join(out, "")
	}
	second := all.Records[1].Dynamodb.SequenceNumber
	if len(*second) != 21 {
		t.Errorf("a sequence number is %s", *second)
	}
	tests := []struct {
		in    streamsapi.GetShardIteratorInput
		limit *int32
		want  string
	}{
		{streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")}, nil, "abcd"},
		{streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")}, new(int32(2)), "ab"},
		{streamsapi.GetShardIteratorInput{ShardIteratorType: new("AT_SEQUENCE_NUMBER"), SequenceNumber: second}, nil, "bcd"},
		{streamsapi.GetShardIteratorInput{ShardIteratorType: new("AFTER_SEQUENCE_NUMBER"), SequenceNumber: second}, nil, "cd"},
		{streamsapi.GetShardIteratorInput{ShardIteratorType: new("AT_TIMESTAMP"), Timestamp: &times[1]}, nil, "bcd"},
		{streamsapi.GetShardIteratorInput{ShardIteratorType: new("LATEST")}, nil, ""},
	}
	for _, tt := range tests {
		if got := ids(iteratorAt(b, arn, tt.in), tt.limit); got != tt.want {
			t.Errorf("%s reads %s, want %s", *tt.in.ShardIteratorType, got, tt.want)
		}
	}
	if got := ids(latest, nil); got != "d" {
		t.Errorf("what came after LATEST is %s", got)
	}
	shard := shardsOf(b, arn)[0].ShardId
	refused := []struct {
		in   streamsapi.GetShardIteratorInput
		code string
	}{
		{streamsapi.GetShardIteratorInput{StreamArn: &arn, ShardId: shard, ShardIteratorType: new("AT_SEQUENCE_NUMBER")}, "ValidationException"},
		{streamsapi.GetShardIteratorInput{StreamArn: &arn, ShardId: shard, ShardIteratorType: new("LATEST"), SequenceNumber: second}, "ValidationException"},
		{streamsapi.GetShardIteratorInput{StreamArn: &arn, ShardId: shard, ShardIteratorType: new("AT_SEQUENCE_NUMBER"), SequenceNumber: new(strings.Repeat("9", 21))}, "ValidationException"},
		{streamsapi.GetShardIteratorInput{StreamArn: &arn, ShardId: new("shardId-00000000000000000000-00000000"), ShardIteratorType: new("LATEST")}, "ResourceNotFoundException"},
		{streamsapi.GetShardIteratorInput{StreamArn: new("arn:aws:dynamodb:eu-north-1:123456789012:table/notes/stream/never"), ShardId: shard, ShardIteratorType: new("LATEST")}, "ResourceNotFoundException"},
		{streamsapi.GetShardIteratorInput{StreamArn: new(strings.Repeat("x", 50)), ShardId: shard, ShardIteratorType: new("LATEST")}, "ValidationException"},
	}
	for _, tt := range refused {
		if _, err := call(b, streamsapi.GetShardIterator, &tt.in); !fault.Is(err, tt.code) {
			t.Errorf("%s: got %v, want %s", *tt.in.ShardIteratorType, err, tt.code)
		}
	}
	for _, it := range []string{"x", *latest + "x", arn + "|1|e30"} {
		if _, err := call(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: &it}); fault.As(err) == nil {
			t.Errorf("the iterator %s: %v", it, err)
		}
	}
}

func TestAnswersOfRecordsAreBounded(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "NEW_IMAGE")
	for i := range 4 {
		put(b, avs{"id": str("a"), "at": num(fmt.Sprint(i)), "text": str(strings.Repeat("x", 390<<10))})
	}
	it := iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")})
	got := must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: it})
	if len(got.Records) != 2 || *got.Records[0].Dynamodb.SizeBytes < 390<<10 {
		t.Errorf("%d records in one answer, the first of %d bytes", len(got.Records), *got.Records[0].Dynamodb.SizeBytes)
	}
	if got = must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: got.NextShardIterator}); len(got.Records) != 2 {
		t.Errorf("%d records in the next", len(got.Records))
	}
}

func TestStreamsAreJudgedByARN(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "KEYS_ONLY")
	shard := shardsOf(b, arn)[0].ShardId
	it := iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("LATEST")})
	tests := []struct {
		op     smithy.Descriptor
		in     any
		want   string
		action string
	}{
		{streamsapi.DescribeStream, &streamsapi.DescribeStreamInput{StreamArn: &arn}, arn, "dynamodb:DescribeStream"},
		{streamsapi.GetShardIterator, &streamsapi.GetShardIteratorInput{StreamArn: &arn, ShardId: shard, ShardIteratorType: new("LATEST")}, arn, "dynamodb:GetShardIterator"},
		{streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: it}, arn, "dynamodb:GetRecords"},
		{streamsapi.ListStreams, &streamsapi.ListStreamsInput{}, "*", "dynamodb:ListStreams"},
		{streamsapi.ListStreams, &streamsapi.ListStreamsInput{TableName: new("notes")}, "arn:aws:dynamodb:eu-north-1:123456789012:table/notes/stream/*", "dynamodb:ListStreams"},
	}
	authorize := b.s.StreamsDefinition().Authorize
	for _, tt := range tests {
		_, op := tt.op.Of()
		checks, err := authorize(context.Background(), b.caller(), op, tt.in)
		if err != nil || len(checks) != 1 || checks[0].Resource != tt.want || checks[0].Action != tt.action {
			t.Errorf("%s: %+v, %v", op.Name, checks, err)
		}
	}
	_, op := streamsapi.GetRecords.Of()
	for _, text := range []string{"x", "arn:aws:s3:::b|1|e30", "|1|e30"} {
		if checks, err := authorize(context.Background(), b.caller(), op, &streamsapi.GetRecordsInput{ShardIterator: &text}); err == nil {
			t.Errorf("the iterator %q is judged by %+v", text, checks)
		}
	}
}

func FuzzIterator(f *testing.F) {
	f.Add("arn:aws:dynamodb:eu-north-1:123456789012:table/notes/stream/2026-11-03T04:05:06.000|1|eyJsIjowfQ")
	b := newBench(f)
	streamed(b, "KEYS_ONLY")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := b.ops["GetRecords"].Call(context.Background(), b.caller(), &streamsapi.GetRecordsInput{ShardIterator: &text})
		if err != nil && fault.As(err) == nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// TestForgedIterators: an iterator is no secret, and what a client makes of one
// is refused or leads nowhere.
func TestForgedIterators(t *testing.T) {
	b := newBench(t)
	arn := streamed(b, "NEW_IMAGE")
	must(b, api.PutItem, &api.PutItemInput{TableName: new("notes"), Item: avs{"id": str("a"), "at": num("1")}})
	good := *iteratorAt(b, arn, streamsapi.GetShardIteratorInput{ShardIteratorType: new("TRIM_HORIZON")})
	now := b.clk.Now().UnixMilli()
	for _, place := range []string{
		`{"l":0,"s":0,"n":18446744073709551615,"t":%d}`, `{"l":0,"s":0,"n":18446744073709551615,"o":true,"t":%d}`,
		`{"l":0,"s":18446744073709551615,"n":0,"t":%d}`, `{"l":9223372036854775807,"s":0,"n":0,"t":%d}`, `{"l":-1,"s":0,"n":0,"t":%d}`,
		`{"l":0,"s":1,"n":0,"t":%d}`, `{"l":0,"s":0,"n":0,"t":9223372036854775807}//%d`, `{"t":-9223372036854775808}//%d`, `{}//%d`, `null//%d`, `[%d]`,
	} {
		text, _, _ := strings.Cut(fmt.Sprintf(place, now), "//")
		forged := arn + "|1|" + base64.RawURLEncoding.EncodeToString([]byte(text))
		out, err := call(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: &forged})
		if err != nil && fault.As(err) == nil {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && len(out.Records) > 1 {
			t.Errorf("%s: %d records", text, len(out.Records))
		}
	}
	if out := must(b, streamsapi.GetRecords, &streamsapi.GetRecordsInput{ShardIterator: &good}); len(out.Records) != 1 {
		t.Errorf("%d records", len(out.Records))
	}
}
