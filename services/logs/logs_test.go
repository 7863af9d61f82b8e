package logs

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/service/servicetest"
)

type harness struct {
	*servicetest.Backend
	t   *testing.T
	s   *Service
	clk *clock.Fake
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
	h := &harness{t: t, clk: clk}
	h.s = New(service.Deps{KV: kv.New(memkv.New()), Clock: clk, Ident: ident.NewSeeded(1, clk), Log: slog.New(slog.DiscardHandler)})
	h.Backend = servicetest.New(h.s.Definition(), "InvalidParameterException")
	return h
}

func (h *harness) call() *service.Call {
	return service.NewCall(h, service.Call{Account: "000000000000", Region: "us-east-1", Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

func do[In, Out any](h *harness, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(context.Background(), h.call(), op, in)
}

func must[In, Out any](h *harness, op smithy.Op[In, Out], in *In) *Out {
	h.t.Helper()
	out, err := do(h, op, in)
	if err != nil {
		_, o := op.Of()
		h.t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

func refused[In, Out any](h *harness, op smithy.Op[In, Out], in *In, code, message string) {
	h.t.Helper()
	_, err := do(h, op, in)
	if f := fault.As(err); f == nil || f.Code != code || f.Status != 400 || f.Message != message {
		_, o := op.Of()
		h.t.Errorf("%s: got %v\nwant %s: %s", o.Name, err, code, message)
	}
}

// group makes a group with streams.
func (h *harness) group(name string, streams ...string) {
	h.t.Helper()
	must(h, api.CreateLogGroup, &api.CreateLogGroupInput{LogGroupName: &name})
	for _, s := range streams {
		must(h, api.CreateLogStream, &api.CreateLogStreamInput{LogGroupName: &name, LogStreamName: &s})
	}
}

// put writes messages, all at one time.
func (h *harness) put(group, stream string, at time.Time, messages ...string) {
	h.t.Helper()
	in := &api.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for _, m := range messages {
		in.LogEvents = append(in.LogEvents, api.InputLogEvent{Message: &m, Timestamp: new(at.UnixMilli())})
	}
	if out := must(h, api.PutLogEvents, in); out.RejectedLogEventsInfo != nil {
		h.t.Fatalf("rejected %+v", out.RejectedLogEventsInfo)
	}
}

func messages(events []api.OutputLogEvent) []string {
	out := []string{}
	for _, e := range events {
		out = append(out, *e.Message)
	}
	return out
}

func TestTableListsEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newHarness(t).s.Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, d := range api.Operations() {
		if _, o := d.Of(); seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

// TestEveryOperation calls all that the table says is there.
func TestEveryOperation(t *testing.T) {
	h := newHarness(t)
	const noGroup, noStream = "The specified log group does not exist.", "The specified log stream does not exist."
	h.group("/a/b", "s1")
	name, arn := new("/a/b"), new("arn:aws:logs:us-east-1:000000000000:log-group:/a/b")
	refused(h, api.CreateLogGroup, &api.CreateLogGroupInput{LogGroupName: name}, "ResourceAlreadyExistsException", "The specified log group already exists")
	refused(h, api.CreateLogStream, &api.CreateLogStreamInput{LogGroupName: name, LogStreamName: new("s1")}, "ResourceAlreadyExistsException", "The specified log stream already exists")
	refused(h, api.CreateLogStream, &api.CreateLogStreamInput{LogGroupName: new("none"), LogStreamName: new("s1")}, "ResourceNotFoundException", noGroup)
	refused(h, api.CreateLogGroup, &api.CreateLogGroupInput{LogGroupName: new("k"), KmsKeyId: new("key")}, "InvalidParameterException", "moln does not encrypt log groups with KMS keys")
	must(h, api.PutRetentionPolicy, &api.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: new(int32(7))})
	if _, err := do(h, api.PutRetentionPolicy, &api.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: new(int32(8))}); !fault.Is(err, "InvalidParameterException") {
		t.Errorf("eight days: %v", err)
	}
	g := must(h, api.DescribeLogGroups, &api.DescribeLogGroupsInput{}).LogGroups
	if len(g) != 1 || *g[0].Arn != *arn+":*" || *g[0].LogGroupArn != *arn || *g[0].RetentionInDays != 7 {
		t.Errorf("groups %+v", g)
	}
	must(h, api.DeleteRetentionPolicy, &api.DeleteRetentionPolicyInput{LogGroupName: name})
	must(h, api.TagResource, &api.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}})
	must(h, api.UntagResource, &api.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}})
	must(h, api.TagLogGroup, &api.TagLogGroupInput{LogGroupName: name, Tags: map[string]string{"c": "3", "d": "4"}})
	must(h, api.UntagLogGroup, &api.UntagLogGroupInput{LogGroupName: name, Tags: []string{"d"}})
	want := map[string]string{"b": "2", "c": "3"}
	if d := cmp.Diff(want, must(h, api.ListTagsForResource, &api.ListTagsForResourceInput{ResourceArn: arn}).Tags); d != "" {
		t.Errorf("tags (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, must(h, api.ListTagsLogGroup, &api.ListTagsLogGroupInput{LogGroupName: name}).Tags); d != "" {
		t.Errorf("tags (-want +got):\n%s", d)
	}
	refused(h, api.TagLogGroup, &api.TagLogGroupInput{LogGroupName: new("none"), Tags: want}, "ResourceNotFoundException", noGroup)
	h.put("/a/b", "s1", h.clk.Now(), "hello")
	s := must(h, api.DescribeLogStreams, &api.DescribeLogStreamsInput{LogGroupIdentifier: arn}).LogStreams
	if len(s) != 1 || *s[0].FirstEventTimestamp != h.clk.Now().UnixMilli() || *s[0].Arn != *arn+":log-stream:s1" {
		t.Errorf("streams %+v", s)
	}
	if got := must(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupIdentifier: arn, LogStreamName: new("s1")}).Events; len(got) != 1 {
		t.Errorf("events %+v", got)
	}
	refused(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: name, LogStreamName: new("s2")}, "ResourceNotFoundException", noStream)
	refused(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: name, LogStreamName: new("s1"), NextToken: new("x")}, "InvalidParameterException", "The specified nextToken is invalid.")
	refused(h, api.PutLogEvents, &api.PutLogEventsInput{LogGroupName: name, LogStreamName: new("s2"), LogEvents: []api.InputLogEvent{{Message: new("m"), Timestamp: new(h.clk.Now().UnixMilli())}}}, "ResourceNotFoundException", noStream)
	must(h, api.FilterLogEvents, &api.FilterLogEventsInput{LogGroupName: name})
	refused(h, api.FilterLogEvents, &api.FilterLogEventsInput{LogGroupName: new("none")}, "ResourceNotFoundException", noGroup)
	refused(h, api.FilterLogEvents, &api.FilterLogEventsInput{LogGroupName: name, LogStreamNames: []string{"s2"}}, "ResourceNotFoundException", noStream)
	must(h, api.DeleteLogStream, &api.DeleteLogStreamInput{LogGroupName: name, LogStreamName: new("s1")})
	refused(h, api.DeleteLogStream, &api.DeleteLogStreamInput{LogGroupName: name, LogStreamName: new("s1")}, "ResourceNotFoundException", noStream)
	must(h, api.DeleteLogGroup, &api.DeleteLogGroupInput{LogGroupName: name})
	refused(h, api.DeleteLogGroup, &api.DeleteLogGroupInput{LogGroupName: name}, "ResourceNotFoundException", noGroup)
	must(h, api.PutResourcePolicy, &api.PutResourcePolicyInput{PolicyName: new("p"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}}`)})
	must(h, api.DescribeResourcePolicies, &api.DescribeResourcePoliciesInput{})
	must(h, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{PolicyName: new("p")})
	for _, name := range h.Missed() {
		t.Errorf("%s was not called", name)
	}
}

// TestGetLogEventsPaging reads a stream forward and back, by pages, and wants
// every event once each way, the same token at the ends, and no event lost
// where the reader turns.
func TestGetLogEventsPaging(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	var want []string
	for i := range 25 { // three events have each time
		m := fmt.Sprintf("m%02d", i)
		want = append(want, m)
		h.put("g", "s", h.clk.Now().Add(time.Duration(i/3)*time.Second), m)
	}
	page := func(token *string, head bool) *api.GetLogEventsOutput {
		return must(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), NextToken: token, Limit: new(int32(4)), StartFromHead: &head})
	}
	var forward []string
	var last *api.GetLogEventsOutput
	for token := (*string)(nil); ; token = last.NextForwardToken {
		last = page(token, true)
		forward = append(forward, messages(last.Events)...)
		if token != nil && *last.NextForwardToken == *token {
			break
		}
	}
	if d := cmp.Diff(want, forward); d != "" {
		t.Errorf("forward (-want +got):\n%s", d)
	}
	var back []string
	for token := last.NextBackwardToken; ; token = last.NextBackwardToken {
		last = page(token, true)
		back = append(messages(last.Events), back...)
		if *last.NextBackwardToken == *token {
			break
		}
	}
	if d := cmp.Diff(want, back); d != "" {
		t.Errorf("back (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want[:4], messages(page(last.NextForwardToken, true).Events)); d != "" {
		t.Errorf("forward again (-want +got):\n%s", d)
	}
	// Without a token and from the tail, the newest page comes, in order.
	tail := page(nil, false)
	if d := cmp.Diff(want[21:], messages(tail.Events)); d != "" {
		t.Errorf("tail (-want +got):\n%s", d)
	}
	// Events that come later are found from the token of the end.
	h.put("g", "s", h.clk.Now().Add(time.Minute), "late")
	if got := messages(page(tail.NextForwardToken, true).Events); len(got) != 1 || got[0] != "late" {
		t.Errorf("after the end %v", got)
	}
	first, end := h.clk.Now().Add(time.Second).UnixMilli(), h.clk.Now().Add(3*time.Second).UnixMilli()
	part := must(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s"), StartTime: &first, EndTime: &end, StartFromHead: new(true)})
	if d := cmp.Diff(want[3:9], messages(part.Events)); d != "" {
		t.Errorf("part (-want +got):\n%s", d)
	}
}

// TestFilterLogEventsPaging: whatever the sizes and the interleaving, every
// event comes once, in the order of time.
func TestFilterLogEventsPaging(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := newHarness(t)
		h.group("g", "a", "b", "c", "empty")
		padding := ""
		if seed%2 == 1 {
			padding = strings.Repeat("x", 40_000) // pages end by their bytes
		}
		total := 60
		for i := range total {
			stream := []string{"a", "b", "c"}[rng.IntN(3)]
			h.put("g", stream, h.clk.Now().Add(time.Duration(rng.IntN(10))*time.Second), fmt.Sprintf("m%02d%s", i, padding))
		}
		for _, limit := range []int32{1, 7, 0} {
			seen, times, pages := map[string]int{}, []int64{}, 0
			in := &api.FilterLogEventsInput{LogGroupName: new("g")}
			if limit > 0 {
				in.Limit = &limit
			}
			for {
				out := must(h, api.FilterLogEvents, in)
				if limit > 0 && len(out.Events) > int(limit) {
					t.Fatalf("%d events, limit %d", len(out.Events), limit)
				}
				for _, e := range out.Events {
					seen[*e.EventId]++
					times = append(times, *e.Timestamp)
				}
				if pages++; pages > 10*total {
					t.Fatal("the pages do not end")
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			if len(seen) != total || len(times) != total || !slices.IsSorted(times) {
				t.Errorf("seed %d, limit %d: %d different of %d events, %d wanted, sorted %v", seed, limit, len(seen), len(times), total, slices.IsSorted(times))
			}
			if padding != "" && limit == 0 && pages < 3 {
				t.Errorf("%d events of 40 kB in %d pages", total, pages)
			}
		}
	}
}

func TestFilterLogEvents(t *testing.T) {
	h := newHarness(t)
	h.group("g", "a1", "a2", "b")
	for i := range 30 {
		h.put("g", "a1", h.clk.Now().Add(time.Duration(i)*time.Second), fmt.Sprintf("INFO %d", i))
	}
	h.put("g", "a2", h.clk.Now().Add(40*time.Second), "ERROR in a2")
	h.put("g", "b", h.clk.Now(), "ERROR in b")
	for _, tt := range []struct {
		name string
		in   api.FilterLogEventsInput
		want []string
	}{
		{"pattern", api.FilterLogEventsInput{FilterPattern: new("ERROR")}, []string{"ERROR in b", "ERROR in a2"}},
		{"prefix", api.FilterLogEventsInput{FilterPattern: new("ERROR"), LogStreamNamePrefix: new("a")}, []string{"ERROR in a2"}},
		{"names", api.FilterLogEventsInput{FilterPattern: new("ERROR"), LogStreamNames: []string{"b"}}, []string{"ERROR in b"}},
		{"end is included", api.FilterLogEventsInput{EndTime: new(h.clk.Now().UnixMilli())}, []string{"INFO 0", "ERROR in b"}},
		{"start", api.FilterLogEventsInput{StartTime: new(h.clk.Now().Add(29 * time.Second).UnixMilli())}, []string{"INFO 29", "ERROR in a2"}},
		// A small limit does not make a search through many pages.
		{"limit", api.FilterLogEventsInput{FilterPattern: new("a2"), Limit: new(int32(1))}, []string{"ERROR in a2"}},
	} {
		tt.in.LogGroupName = new("g")
		var got []string
		for _, e := range must(h, api.FilterLogEvents, &tt.in).Events {
			got = append(got, *e.Message)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	refused(h, api.FilterLogEvents, &api.FilterLogEventsInput{LogGroupName: new("g"), LogStreamNames: []string{"b"}, LogStreamNamePrefix: new("a")}, "InvalidParameterException", "logStreamNames and logStreamNamePrefix cannot be used together.")
}

// TestDescribePaging lists more groups and streams than a page has.
func TestDescribePaging(t *testing.T) {
	h := newHarness(t)
	for i := range 7 {
		h.group(fmt.Sprintf("g%d", i))
		must(h, api.CreateLogStream, &api.CreateLogStreamInput{LogGroupName: new("g0"), LogStreamName: new(fmt.Sprintf("s%d", i))})
		h.put("g0", fmt.Sprintf("s%d", i), h.clk.Now().Add(time.Duration(-i)*time.Minute), "m")
	}
	var groups []string
	for token := (*string)(nil); ; {
		out := must(h, api.DescribeLogGroups, &api.DescribeLogGroupsInput{NextToken: token, Limit: new(int32(3))})
		for _, g := range out.LogGroups {
			groups = append(groups, *g.LogGroupName)
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if d := cmp.Diff([]string{"g0", "g1", "g2", "g3", "g4", "g5", "g6"}, groups); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
	var streams []string
	for token := (*string)(nil); ; {
		out := must(h, api.DescribeLogStreams, &api.DescribeLogStreamsInput{LogGroupName: new("g0"), NextToken: token, Limit: new(int32(3)), OrderBy: new(api.OrderByLastEventTime), Descending: new(true)})
		for _, s := range out.LogStreams {
			streams = append(streams, *s.LogStreamName)
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if d := cmp.Diff([]string{"s0", "s1", "s2", "s3", "s4", "s5", "s6"}, streams); d != "" {
		t.Errorf("streams (-want +got):\n%s", d)
	}
	if n := len(must(h, api.DescribeLogGroups, &api.DescribeLogGroupsInput{LogGroupNamePrefix: new("g1")}).LogGroups); n != 1 {
		t.Errorf("%d groups with prefix g1", n)
	}
}

// TestRetention: the worker removes what is too old, of every group, and sleeps
// in between.
func TestRetention(t *testing.T) {
	h := newHarness(t)
	h.group("short", "s")
	h.group("kept", "s")
	must(h, api.PutRetentionPolicy, &api.PutRetentionPolicyInput{LogGroupName: new("short"), RetentionInDays: new(int32(1))})
	for _, g := range []string{"short", "kept"} {
		h.put(g, "s", h.clk.Now(), "old")
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.s.Definition().Workers[0].Run(ctx) }()
	asleep := func() {
		for deadline := time.Now().Add(5 * time.Second); h.clk.Timers() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the worker does not sleep")
			}
		}
	}
	asleep()
	h.clk.Advance(23 * time.Hour)
	asleep()
	h.put("short", "s", h.clk.Now(), "new")
	h.clk.Advance(2 * time.Hour)
	asleep()
	count := func(g string) []string {
		return messages(must(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: &g, LogStreamName: new("s")}).Events)
	}
	if d := cmp.Diff([]string{"new"}, count("short")); d != "" {
		t.Errorf("short (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"old"}, count("kept")); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("worker: %v", err)
	}
}

// TestDeletionCascades is L3: a group or stream made anew is empty, and no key
// of the old one is left.
func TestDeletionCascades(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s", "t")
	h.group("g2", "s")
	for _, g := range []string{"g", "g2"} {
		h.put(g, "s", h.clk.Now(), "m")
	}
	must(h, api.DeleteLogStream, &api.DeleteLogStreamInput{LogGroupName: new("g"), LogStreamName: new("s")})
	must(h, api.CreateLogStream, &api.CreateLogStreamInput{LogGroupName: new("g"), LogStreamName: new("s")})
	if got := must(h, api.GetLogEvents, &api.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s")}).Events; len(got) != 0 {
		t.Errorf("events %v", got)
	}
	h.put("g", "t", h.clk.Now(), "m")
	must(h, api.DeleteLogGroup, &api.DeleteLogGroupInput{LogGroupName: new("g")})
	items, err := h.s.deps.KV.Scan(context.Background(), kv.Range{})
	if err != nil || len(items) != 3 { // group, stream and event of g2
		t.Errorf("%d keys are left, %v", len(items), err)
	}
	must(h, api.CreateLogGroup, &api.CreateLogGroupInput{LogGroupName: new("p"), DeletionProtectionEnabled: new(true)})
	refused(h, api.DeleteLogGroup, &api.DeleteLogGroupInput{LogGroupName: new("p")}, "ValidationException", "The log group is protected from deletion.")
}

func TestManyStreams(t *testing.T) {
	h := newHarness(t)
	h.group("g")
	n := kv.MaxScanItems + 10
	for i := range n {
		st := stream{Name: fmt.Sprintf("s%05d", i), Created: 1}
		if err := h.s.store.createStream(context.Background(), placeOf(h.call()), "g", st); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.s.store.streams(context.Background(), placeOf(h.call()), "g", "", "", streamsPerOrder)
	if err != nil || len(got) != n {
		t.Errorf("%d streams, %v; want %d", len(got), err, n)
	}
}

func TestGroupResource(t *testing.T) {
	h := newHarness(t)
	rt := h.s.Definition().Resources[0]
	work := func(what string, f func(context.Context, *service.Call, *service.Resource) error, r *service.Resource) {
		t.Helper()
		if err := f(context.Background(), h.call(), r); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	first := &groupProperties{RetentionInDays: new(int32(7)), Tags: []struct{ Key, Value string }{{"a", "1"}}}
	r := &service.Resource{Type: rt.Name, LogicalID: "Log", StackName: "stack", Token: "T", Properties: first, Tags: map[string]string{"s": "t"}}
	work("create", rt.Create, r)
	if r.PhysicalID != "stack-Log-T" || r.Attributes["Arn"] != "arn:aws:logs:us-east-1:000000000000:log-group:stack-Log-T:*" {
		t.Errorf("resource %+v", r)
	}
	retention := func() int32 {
		return smithy.Val(must(h, api.DescribeLogGroups, &api.DescribeLogGroupsInput{}).LogGroups[0].RetentionInDays)
	}
	if d := cmp.Diff(map[string]string{"a": "1", "s": "t"}, must(h, api.ListTagsLogGroup, &api.ListTagsLogGroupInput{LogGroupName: &r.PhysicalID}).Tags); d != "" || retention() != 7 {
		t.Errorf("retention %d, tags (-want +got):\n%s", retention(), d)
	}
	r.Old, r.Properties = first, &groupProperties{Tags: []struct{ Key, Value string }{{"b", "2"}}}
	work("update", rt.Update, r)
	if d := cmp.Diff(map[string]string{"b": "2", "s": "t"}, must(h, api.ListTagsLogGroup, &api.ListTagsLogGroupInput{LogGroupName: &r.PhysicalID}).Tags); d != "" || retention() != 0 {
		t.Errorf("retention %d, tags (-want +got):\n%s", retention(), d)
	}
	r.Old, r.Properties = r.Properties, &groupProperties{DeletionProtectionEnabled: new(true)}
	if err := rt.Update(context.Background(), h.call(), r); !fault.Is(err, "InvalidRequest") {
		t.Errorf("protected by an update: %v", err)
	}
	work("delete", rt.Delete, r)
	work("delete again", rt.Delete, r)
}
