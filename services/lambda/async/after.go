package async

import (
	"context"
	"time"

	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// Conditions under which an event ends, as destinations are told.
const (
	success          = "Success"
	retriesExhausted = "RetriesExhausted"
	eventAgeExceeded = "EventAgeExceeded"
)

// retryDelays come after the first and the second failure of a function.
//
// Source: "How Lambda handles errors and retries with asynchronous invocation".
var retryDelays = []time.Duration{time.Minute, 2 * time.Minute}

// rules are a function's for its events.
type rules struct {
	retries             int
	maxAge              time.Duration
	onSuccess, onFailed string // ARNs, or ""
}

func (q *Queue) rules(ctx context.Context, r fn.Ref) (rules, error) {
	if r.Qualifier == fn.Latest {
		r.Qualifier = ""
	}
	e, _, err := q.store.EventConfig(ctx, r)
	out := rules{retriesMax, ageDefaultS * time.Second, e.OnSuccess, e.OnFailure}
	if e.Retries != nil {
		out.retries = int(*e.Retries)
	}
	if e.MaxAgeS != nil {
		out.maxAge = time.Duration(*e.MaxAgeS) * time.Second
	}
	return out, err
}

// destination is who is told of an end under a condition, "" for nobody.
func (r rules) destination(condition string) string {
	switch condition {
	case "":
		return ""
	case success:
		return r.onSuccess
	}
	return r.onFailed
}

// verdict is what comes after a run: a retry, or the end under a condition.
type verdict struct {
	retryAt   time.Time
	condition string
	why       string // of an end that is a loss, for the log
	code      int    // HTTP status of an end without a result
	result    *run.Result
}

// after decides what comes after an event that reached its function.
func after(e Event, r rules, res run.Result, now time.Time) verdict {
	switch {
	case res.FunctionError == "":
		return verdict{condition: success, result: &res}
	case e.Failures >= r.retries || e.Failures >= len(retryDelays):
		return verdict{condition: retriesExhausted, why: "the function failed on it too often", result: &res}
	}
	at := now.Add(retryDelays[e.Failures])
	if at.Sub(e.Accepted) > r.maxAge {
		return verdict{condition: eventAgeExceeded, why: "it would be older than its maximum age at the next try", result: &res}
	}
	return verdict{retryAt: at}
}
