package esm

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	ddb "moln.dev/moln/api/dynamodbstreams"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/services/lambda/run"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func recordsOf(sequences ...string) []Record {
	out := make([]Record, len(sequences))
	for i, s := range sequences {
		out[i] = Record{Sequence: s, Key: s, At: noon, JSON: []byte(`{"s":"` + s + `"}`)}
	}
	return out
}

func TestReadAnswers(t *testing.T) {
	plain, report, window := Settings{}, Settings{ReportFailures: true}, Settings{TumblingS: 60, ReportFailures: true}
	for _, c := range []struct {
		settings Settings
		payload  string
		failed   int
		state    string
	}{
		{plain, `"anything"`, 3, ""},
		{plain, `{"batchItemFailures":[{"itemIdentifier":"2"}]}`, 3, ""},
		{report, `null`, 3, ""},
		{report, ``, 3, ""},
		{report, `{}`, 3, ""},
		{report, `{"batchItemFailures":null}`, 3, ""},
		{report, `{"batchItemFailures":[]}`, 3, ""},
		{report, `{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"}]}`, 1, ""},
		{report, `{"batchItemFailures":[{"itemIdentifier":""}]}`, 0, ""},
		{report, `{"batchItemFailures":[{"itemIdentifier":null}]}`, 0, ""},
		{report, `{"batchItemFailures":[{"wrong":"2"}]}`, 0, ""},
		{report, `{"batchItemFailures":[{"itemIdentifier":"9"}]}`, 0, ""},
		{report, `{"batchItemFailures":"2"}`, 0, ""},
		{report, `"text"`, 0, ""},
		{report, `[]`, 0, ""},
		{window, `{"state":{"a":1}}`, 3, `{"a":1}`},
		{window, `{"state":{"a":1},"batchItemFailures":[{"itemIdentifier":"3"}]}`, 2, `{"a":1}`},
		{window, `null`, 3, `{}`},
		{window, `{"state":5}`, 0, ""},
	} {
		a := c.settings.read(run.Result{Payload: []byte(c.payload)}, recordsOf("1", "2", "3"))
		if a.failedAt != c.failed || string(a.state) != c.state || a.tooLarge {
			t.Errorf("%+v %s: %d, state %s", c.settings, c.payload, a.failedAt, a.state)
		}
	}
	if a := plain.read(run.Result{FunctionError: "Unhandled"}, recordsOf("1")); a.failedAt != 0 {
		t.Error("a failed function has processed its batch")
	}
	big := `{"state":{"a":"` + strings.Repeat("x", stateBytesMax) + `"}}`
	if a := window.read(run.Result{Payload: []byte(big)}, recordsOf("1")); !a.tooLarge {
		t.Error("a state of more than a megabyte is not too large")
	}
}

func FuzzReadAnswers(f *testing.F) {
	f.Add(`{"batchItemFailures":[{"itemIdentifier":"2"}],"state":{}}`, true, true)
	f.Add(`null`, true, false)
	f.Fuzz(func(t *testing.T, payload string, report, tumbling bool) {
		s := Settings{ReportFailures: report}
		if tumbling {
			s.TumblingS = 1
		}
		a := s.read(run.Result{Payload: []byte(payload)}, recordsOf("1", "2", "3"))
		if a.failedAt < 0 || a.failedAt > 3 || a.state != nil && !json.Valid(a.state) {
			t.Errorf("%d, state %q", a.failedAt, a.state)
		}
	})
}

func TestAfter(t *testing.T) {
	said := func(p piece) string {
		var b strings.Builder
		for _, r := range p.records {
			b.WriteString(r.Sequence)
		}
		return fmt.Sprintf("%s/%d", b.String(), p.failures)
	}
	for _, c := range []struct {
		name              string
		bisect            bool
		retries           int32
		records           string
		failures, at      int
		next, given, also string
	}{
		{"all done", true, 2, "abcd", 0, 4, "", "", ""},
		{"a retry", false, 2, "abcd", 0, 0, "abcd/1", "", ""},
		{"without end", false, -1, "ab", 99, 0, "ab/100", "", ""},
		{"the last retry", false, 2, "ab", 2, 0, "", "ab", ""},
		{"no retries", false, 0, "ab", 0, 0, "", "ab", ""},
		{"split", true, 0, "abcde", 0, 0, "ab/0", "", "cde/0"},
		{"split keeps the count", true, 2, "ab", 2, 0, "a/2", "", "b/2"},
		{"one cannot be split", true, 0, "a", 0, 0, "", "a", ""},
		{"what is left", true, 2, "abcd", 0, 2, "cd/1", "", ""},
		{"what is left and given up", false, 1, "abcd", 1, 3, "", "d", ""},
	} {
		s := Settings{Bisect: c.bisect, RetriesMax: c.retries}
		next, lost := s.after(piece{recordsOf(strings.Split(c.records, "")...), c.failures, 1}, answer{failedAt: c.at})
		var got []string
		for _, p := range next {
			got = append(got, said(p))
		}
		var want []string
		for _, w := range []string{c.next, c.also} {
			if w != "" {
				want = append(want, w)
			}
		}
		gone := strings.TrimSuffix(said(piece{records: lost}), "/0")
		if !cmp.Equal(got, want) || gone != c.given {
			t.Errorf("%s: next %v, given up %q", c.name, got, gone)
		}
	}
}

func TestChecks(t *testing.T) {
	const table, standard, fifo = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/x", "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sqs:us-east-1:000000000000:q.fifo"
	for _, c := range []struct {
		source string
		in     api.CreateEventSourceMappingInput
		want   string // a part of the message; "" is that it is taken
	}{
		{table, api.CreateEventSourceMappingInput{}, ""},
		{table, api.CreateEventSourceMappingInput{MaximumRecordAgeInSeconds: new(int32(59))}, "maximumRecordAgeInSeconds"},
		{table, api.CreateEventSourceMappingInput{MaximumRecordAgeInSeconds: new(int32(-1))}, ""},
		{table, api.CreateEventSourceMappingInput{ScalingConfig: &api.ScalingConfig{MaximumConcurrency: new(int32(2))}}, "Unsupported ScalingConfig parameter for given event source mapping type."},
		{table, api.CreateEventSourceMappingInput{ProvisionedPollerConfig: &api.ProvisionedPollerConfig{MinimumPollers: new(int32(2))}}, "Unsupported ProvisionedPollerConfig"},
		{table, api.CreateEventSourceMappingInput{DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: new("x")}}}, "Unsupported DestinationConfig parameter"},
		{table, api.CreateEventSourceMappingInput{FilterCriteria: &api.FilterCriteria{Filters: []api.Filter{{Pattern: new(`{"a":[{"wildcard":"*"}]}`)}}}}, "Invalid filter pattern definition."},
		{table, api.CreateEventSourceMappingInput{FilterCriteria: &api.FilterCriteria{Filters: make([]api.Filter, 6)}}, "less than or equal to 5"},
		{table, api.CreateEventSourceMappingInput{MetricsConfig: &api.EventSourceMappingMetricsConfig{Metrics: []string{"EventCount"}}}, ""},
		{table, api.CreateEventSourceMappingInput{MetricsConfig: &api.EventSourceMappingMetricsConfig{Metrics: []string{"EventCount", "KafkaMetrics"}}}, "Unsupported MetricsConfig"},
		{table, api.CreateEventSourceMappingInput{LoggingConfig: &api.EventSourceMappingLoggingConfig{SystemLogLevel: new("INFO")}}, "Unsupported LoggingConfig"},
		{standard, api.CreateEventSourceMappingInput{BatchSize: new(int32(11))}, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		{standard, api.CreateEventSourceMappingInput{BatchSize: new(int32(11)), MaximumBatchingWindowInSeconds: new(int32(1))}, ""},
		{standard, api.CreateEventSourceMappingInput{BisectBatchOnFunctionError: new(true)}, "Unsupported BisectBatchOnFunctionError"},
		{standard, api.CreateEventSourceMappingInput{ScalingConfig: &api.ScalingConfig{MaximumConcurrency: new(int32(2))}}, ""},
		{standard, api.CreateEventSourceMappingInput{DestinationConfig: &api.DestinationConfig{OnFailure: &api.OnFailure{Destination: new("x")}}}, "Unsupported DestinationConfig"},
		{standard, api.CreateEventSourceMappingInput{ProvisionedPollerConfig: &api.ProvisionedPollerConfig{MaximumPollers: new(int32(3))}}, ""},
		{standard, api.CreateEventSourceMappingInput{ProvisionedPollerConfig: &api.ProvisionedPollerConfig{MinimumPollers: new(int32(1))}}, "MinimumPollers should be between [2, 200]"},
		{standard, api.CreateEventSourceMappingInput{ProvisionedPollerConfig: &api.ProvisionedPollerConfig{MinimumPollers: new(int32(9)), MaximumPollers: new(int32(3))}}, "MinimumPollers should be between [2, 200]"},
		{standard, api.CreateEventSourceMappingInput{ProvisionedPollerConfig: &api.ProvisionedPollerConfig{PollerGroupName: new("g")}}, "Unsupported PollerGroupName"},
		{standard, api.CreateEventSourceMappingInput{ProvisionedPollerConfig: &api.ProvisionedPollerConfig{MaximumPollers: new(int32(3))}, ScalingConfig: &api.ScalingConfig{MaximumConcurrency: new(int32(2))}}, "Provisioned mode for SQS ESM does not support maximum concurrency feature."},
		{fifo, api.CreateEventSourceMappingInput{BatchSize: new(int32(11))}, "less than or equal to 10"},
		{fifo, api.CreateEventSourceMappingInput{MaximumBatchingWindowInSeconds: new(int32(1))}, "Batching window is not supported for FIFO queues"},
	} {
		k, err := kindOf(c.source)
		if err != nil {
			t.Fatal(err)
		}
		r := requestOfCreate(&c.in)
		err = r.check(k)
		set := streamDefaults()
		if k.isQueue() {
			set = queueDefaults()
		}
		if err == nil {
			err = r.apply(&set)
		}
		if err == nil {
			err = set.checkFit(k)
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.in, err, c.want)
		}
	}
	for _, source := range []string{"x", "arn:aws:sns:us-east-1:000000000000:t", "arn:aws:kafka:us-east-1:000000000000:cluster/x"} {
		if _, err := kindOf(source); err == nil {
			t.Errorf("%s is an event source", source)
		}
	}
	both := request{tumbling: new(int32(5)), parallel: new(int32(2))}
	if s := streamDefaults(); both.apply(&s) == nil {
		t.Error("tumbling windows with a parallelization factor were taken")
	}
}

func TestEncodeRecord(t *testing.T) {
	r := ddb.Record{
		EventID: new("e"), EventName: new("MODIFY"), EventVersion: new("1.1"), EventSource: new("aws:dynamodb"), AwsRegion: new("us-east-1"),
		UserIdentity: &ddb.Identity{Type: new("Service"), PrincipalId: new("dynamodb.amazonaws.com")},
		Dynamodb: &ddb.StreamRecord{
			ApproximateCreationDateTime: new(noon), Keys: map[string]ddb.AttributeValue{"id": {S: new(`a"b`)}, "n": {N: new("1")}},
			NewImage: map[string]ddb.AttributeValue{
				"b": {B: []byte{1, 2}}, "bs": {BS: [][]byte{{3}}}, "l": {L: []ddb.AttributeValue{{BOOL: new(true)}, {NULL: new(true)}}},
				"m": {M: map[string]ddb.AttributeValue{}}, "ns": {NS: []string{"1", "2"}}, "e": {S: new("")},
			},
			SequenceNumber: new("7"), SizeBytes: new(int64(9)), StreamViewType: new("NEW_IMAGE"),
		},
	}
	got := encodeRecord(&r, "arn:x", "id")
	const want = `{"eventID":"e","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",` +
		`"dynamodb":{"ApproximateCreationDateTime":1772366400,"Keys":{"id":{"S":"a\"b"},"n":{"N":"1"}},` +
		`"NewImage":{"b":{"B":"AQI="},"bs":{"BS":["Aw=="]},"e":{"S":""},"l":{"L":[{"BOOL":true},{"NULL":true}]},"m":{"M":{}},"ns":{"NS":["1","2"]}},` +
		`"SequenceNumber":"7","SizeBytes":9,"StreamViewType":"NEW_IMAGE"},"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"eventSourceARN":"arn:x"}`
	if d := cmp.Diff(want, string(got.JSON)); d != "" {
		t.Error(d)
	}
	if got.Key != `{"S":"a\"b"}` || got.Sequence != "7" || !got.At.Equal(noon) {
		t.Errorf("%+v", got)
	}
}

func TestReady(t *testing.T) {
	at := func(second int) *entry {
		return &entry{Record: Record{At: noon.Add(time.Duration(second) * time.Second), JSON: []byte("{}")}, seen: noon}
	}
	big := func() *entry {
		return &entry{Record: Record{At: noon, JSON: make([]byte, eventBytesMax/2)}, seen: noon}
	}
	for _, c := range []struct {
		name     string
		settings Settings
		queue    []*entry
		window   *window
		ended    bool
		caughtUp time.Time
		n        int
		closing  bool
		wait     time.Duration
	}{
		{"nothing", Settings{BatchSize: 2}, nil, nil, false, noon, 0, false, 0},
		{"what there is", Settings{BatchSize: 3}, []*entry{at(0), at(0)}, nil, false, noon, 2, false, 0},
		{"no more than the size", Settings{BatchSize: 2}, []*entry{at(0), at(0), at(0)}, nil, false, noon, 2, false, 0},
		{"no more than 6 MB", Settings{BatchSize: 9}, []*entry{big(), big(), big()}, nil, false, noon, 1, false, 0},
		{"the batching window", Settings{BatchSize: 9, WindowS: 10}, []*entry{at(0)}, nil, false, noon, 0, false, 9 * time.Second},
		{"full before its window", Settings{BatchSize: 1, WindowS: 10}, []*entry{at(0)}, nil, false, noon, 1, false, 0},
		{"a shard's end", Settings{BatchSize: 9, WindowS: 10}, []*entry{at(0)}, nil, true, noon, 1, false, 0},
		{"one tumbling window", Settings{BatchSize: 9, TumblingS: 5}, []*entry{at(0), at(4), at(5)}, nil, false, noon, 2, false, 0},
		{"the next window closes this", Settings{BatchSize: 9, TumblingS: 5}, []*entry{at(5)}, windowOf(noon, 5), false, noon, 0, true, 0},
		{"late for its window", Settings{BatchSize: 9, TumblingS: 5}, []*entry{at(-1)}, windowOf(noon, 5), false, noon, 1, false, 0},
		{"a window goes on", Settings{BatchSize: 9, TumblingS: 5}, nil, windowOf(noon, 5), false, noon.Add(5 * time.Second), 0, false, 0},
		{"time closes a window", Settings{BatchSize: 9, TumblingS: 5}, nil, windowOf(noon, 5), false, noon.Add(6 * time.Second), 0, true, 0},
		{"a shard's end closes a window", Settings{BatchSize: 9, TumblingS: 5}, nil, windowOf(noon, 5), true, noon, 0, true, 0},
	} {
		l := &lane{window: c.window, queue: c.queue, consumer: &consumer{poller: &poller{m: &Mapping{Settings: c.settings}}, ended: c.ended, caughtUp: c.caughtUp}}
		n, closing, wait := l.ready(noon.Add(time.Second))
		if n != c.n || closing != c.closing || wait != c.wait {
			t.Errorf("%s: %d records, closing %v, wait %v", c.name, n, closing, wait)
		}
	}
}
