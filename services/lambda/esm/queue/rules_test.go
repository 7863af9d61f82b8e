package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sqs"
)

func TestRecord(t *testing.T) {
	a := about{"arn:aws:sqs:us-east-2:123456789012:my-queue", "us-east-2"}
	m, r := a.messageOf(&api.Message{
		MessageId: new("059f36b4"), ReceiptHandle: new("AQEB"), Body: new(`{"a": "<1>"}`), MD5OfBody: new("e4e6"),
		Attributes: map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183", "AWSTraceHeader": "Root=1"},
		MessageAttributes: map[string]api.MessageAttributeValue{
			"n": {DataType: new("Number"), StringValue: new("6")}, "b": {DataType: new("Binary"), BinaryValue: []byte{1, 2}},
		},
		MD5OfMessageAttributes: new("77"),
	})
	const want = `{"messageId":"059f36b4","receiptHandle":"AQEB","body":"{\"a\": \"<1>\"}",` +
		`"attributes":{"AWSTraceHeader":"Root=1","ApproximateReceiveCount":"1","SentTimestamp":"1545082649183"},` +
		`"messageAttributes":{"b":{"binaryValue":"AQI=","stringListValues":[],"binaryListValues":[],"dataType":"Binary"},` +
		`"n":{"stringValue":"6","stringListValues":[],"binaryListValues":[],"dataType":"Number"}},` +
		`"md5OfBody":"e4e6","md5OfMessageAttributes":"77","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue","awsRegion":"us-east-2"}`
	if d := cmp.Diff(want, string(m.json)); d != "" {
		t.Error(d)
	}
	if m.trace != "Root=1" || !m.sent.Equal(time.UnixMilli(1545082649183)) {
		t.Errorf("%+v", m)
	}
	if f := string(r.filtered()); !strings.Contains(f, `"body":{"a":"<1>"}`) {
		t.Errorf("filters see %s", f)
	}
	for _, text := range []string{"plain", `"quoted"`, "12", "{broken", ""} {
		_, r := a.messageOf(&api.Message{Body: &text})
		if f := string(r.filtered()); !strings.Contains(f, fmt.Sprintf(`"body":%q`, text)) {
			t.Errorf("filters see %s", f)
		}
	}
}

func batchOf(ids ...string) []message {
	out := make([]message, len(ids))
	for i, id := range ids {
		out[i].id = id
	}
	return out
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    []int
	}{
		{"", nil}, {"null", nil}, {"{}", nil}, {`{"batchItemFailures":null}`, nil}, {`{"batchItemFailures":[]}`, nil}, {`{"other":1}`, nil},
		{`{"batchItemFailures":[{"itemIdentifier":"b"}]}`, []int{1}},
		{`{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}`, []int{0, 2}},
		{`{"batchItemFailures":[{"itemIdentifier":""}]}`, []int{0, 1, 2}},
		{`{"batchItemFailures":[{"itemIdentifier":null}]}`, []int{0, 1, 2}},
		{`{"batchItemFailures":[{"identifier":"a"}]}`, []int{0, 1, 2}},
		{`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"x"}]}`, []int{0, 1, 2}},
		{`{"batchItemFailures":"a"}`, []int{0, 1, 2}},
		{`{"batchItemFailures":`, []int{0, 1, 2}},
		{`"done"`, []int{0, 1, 2}},
	} {
		var got []int
		for i := range failures([]byte(c.payload), batchOf("a", "b", "c")) {
			got = append(got, i)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.payload, got, c.want)
		}
	}
}

func FuzzFailures(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"b"}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for i := range failures(payload, batchOf("a", "b")) {
			if i < 0 || i > 1 {
				t.Errorf("%q names %d", payload, i)
			}
		}
	})
}

func TestPieces(t *testing.T) {
	sized := func(sizes ...int) []message {
		out := make([]message, len(sizes))
		for i, n := range sizes {
			out[i].json = make([]byte, n)
		}
		return out
	}
	const half = bodyBytesMax / 2
	for _, c := range []struct {
		batch []message
		want  []int
	}{
		{nil, nil}, {sized(1, 2, 3), []int{3}}, {sized(half, half-2), []int{2}}, {sized(half, half), []int{1, 1}}, {sized(bodyBytesMax+9, 1, 1), []int{1, 2}},
	} {
		var got []int
		for _, part := range pieces(c.batch) {
			got = append(got, len(part))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

func TestScale(t *testing.T) {
	s := Concurrency{}.scale()
	if s.limit != batchesFirst || s.most > batchesMost {
		t.Errorf("%+v", s)
	}
	s.grow()
	s.throttled()
	s.throttled()
	s.failed()
	if s.limit != batchesLeast {
		t.Errorf("throttled to %d", s.limit)
	}
	s.idle()
	if s.limit != batchesFirst {
		t.Errorf("idle at %d", s.limit)
	}
	two := Concurrency{Most: 2}.scale()
	if two.grow(); two.limit != 2 {
		t.Errorf("grown to %d over its maximum", two.limit)
	}
	if p := (Concurrency{PollersMin: 2, PollersMax: 2}).scale(); p.limit != 20 || p.least != 20 || p.most != 20 || p.every != growProvisioned {
		t.Errorf("%+v", p)
	}
}
