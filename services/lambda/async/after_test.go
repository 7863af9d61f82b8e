package async

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"moln.dev/moln/services/lambda/run"
)

var accepted = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAfter(t *testing.T) {
	good, bad := run.Result{Version: "1"}, run.Result{FunctionError: "Unhandled"}
	all := rules{retries: 2, maxAge: time.Hour}
	for _, c := range []struct {
		name      string
		failures  int
		rules     rules
		result    run.Result
		age       time.Duration
		condition string
		retry     time.Duration // after now
	}{
		{"success", 0, all, good, 0, success, 0},
		{"a late success", 2, all, good, 2 * time.Hour, success, 0},
		{"first failure", 0, all, bad, 0, "", time.Minute},
		{"second failure", 1, all, bad, time.Minute, "", 2 * time.Minute},
		{"third failure", 2, all, bad, 3 * time.Minute, retriesExhausted, 0},
		{"no retries", 0, rules{maxAge: time.Hour}, bad, 0, retriesExhausted, 0},
		{"too old at the next try", 0, rules{retries: 2, maxAge: time.Minute}, bad, time.Second, eventAgeExceeded, 0},
	} {
		now := accepted.Add(c.age)
		v := after(Event{Accepted: accepted, Failures: c.failures}, c.rules, c.result, now)
		var retry time.Duration
		if !v.retryAt.IsZero() {
			retry = v.retryAt.Sub(now)
		}
		if v.condition != c.condition || retry != c.retry {
			t.Errorf("%s: %q, again in %v", c.name, v.condition, retry)
		}
	}
}

func TestRecord(t *testing.T) {
	e := Event{Account: "123456789012", Region: "eu-west-1", Name: "f", RequestID: "r", Payload: []byte(`{"a":1}`), Accepted: accepted, Failures: 2}
	got, err := json.Marshal(recordOf(e, verdict{condition: retriesExhausted, result: &run.Result{FunctionError: "Unhandled", Version: "$LATEST", Payload: []byte(`{"errorMessage":"no"}`)}}, accepted))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":"1.0","timestamp":"2026-03-01T12:00:00.000Z",` +
		`"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":3},` +
		`"requestPayload":{"a":1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"no"}}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	aged, err := json.Marshal(recordOf(e, verdict{condition: eventAgeExceeded}, accepted))
	if err != nil {
		t.Fatal(err)
	}
	const wantAged = `{"version":"1.0","timestamp":"2026-03-01T12:00:00.000Z",` +
		`"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST","condition":"EventAgeExceeded","approximateInvokeCount":2},"requestPayload":{"a":1}}`
	if d := cmp.Diff(wantAged, string(aged)); d != "" {
		t.Error(d)
	}
}
