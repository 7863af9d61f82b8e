package esm

import (
	"context"
	"encoding/json"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/lambda/target"
)

// Conditions under which records are given up.
const (
	conditionRetries = "RetryAttemptsExhausted"
	conditionAge     = "RecordAgeExceeded"
)

const (
	// tellMax is how often a destination is tried.
	tellMax = 5
	// isoMillis is how records tell the time.
	isoMillis = "2006-01-02T15:04:05.000Z"
	// objectTime is the time in the name of an object.
	objectTime = "/2006/01/02/2006-01-02T15.04.05-"
)

// failure is the record of a batch that was given up, as destinations are told.
//
// Source: "Retaining discarded batch records", services-dynamodb-errors.
type failure struct {
	RequestContext  requestContext   `json:"requestContext"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	Batch           batchInfo        `json:"DDBStreamBatchInfo"`
	// Payload is the whole event, for buckets only.
	Payload string `json:"payload,omitempty"`
}

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Invokes     int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode int    `json:"statusCode"`
	Version    string `json:"executedVersion"`
	Error      string `json:"functionError,omitempty"`
}

type batchInfo struct {
	Shard  string    `json:"shardId"`
	First  string    `json:"startSequenceNumber"`
	Last   string    `json:"endSequenceNumber"`
	Oldest time.Time `json:"approximateArrivalOfFirstRecord"`
	Newest time.Time `json:"approximateArrivalOfLastRecord"`
	Size   int       `json:"batchSize"`
	Stream string    `json:"streamArn"`
}

// giveUp tells the destination of records that are not tried any more. The error
// is ctx's: what the destination does not take is logged.
func (l *lane) giveUp(ctx context.Context, records []Record, condition string, invokes int, last *attempt) error {
	l.meters.fate(fateGivenUp, len(records))
	if l.m.OnFailure == "" {
		l.count(countDropped, len(records))
	}
	if l.m.OnFailure == "" {
		l.deps.Log.Warn("records of an event source mapping were given up", "mapping", l.m.UUID, "shard", l.shard,
			"first", records[0].Sequence, "records", len(records), "why", condition)
		return nil
	}
	f := l.failure(records, condition, invokes, last)
	for n := 1; ; n++ {
		err := l.tell(ctx, f, records)
		if err == nil {
			l.count(countTold, len(records))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n == tellMax || fault.Final(err) {
			l.meters.lost.With().Inc()
			l.count(countDropped, len(records))
			l.deps.Log.Warn("a destination did not take what was given up", "mapping", l.m.UUID, "destination", l.m.OnFailure, "error", err)
			return nil
		}
		if err := clock.Sleep(ctx, l.deps.Clock, l.backOff(n)); err != nil {
			return err
		}
	}
}

func (l *lane) failure(records []Record, condition string, invokes int, last *attempt) failure {
	first, end := &records[0], &records[len(records)-1]
	f := failure{
		RequestContext: requestContext{RequestID: l.deps.Ident.UUID(), FunctionARN: l.m.ref().ARN(), Condition: condition, Invokes: invokes},
		Version:        "1.0", Timestamp: l.now().UTC().Format(isoMillis),
		Batch: batchInfo{l.shard, first.Sequence, end.Sequence, first.At.UTC(), end.At.UTC(), len(records), l.m.Source},
	}
	if last != nil && invokes > 0 {
		f.RequestContext.RequestID = last.id
		f.ResponseContext = &responseContext{200, last.result.Version, last.result.FunctionError}
	}
	return f
}

// tell sends the record of a failure as the function's role.
func (l *lane) tell(ctx context.Context, f failure, records []Record) error {
	t, ok := target.Parse(l.m.OnFailure)
	if !ok {
		return badDestination(l.m.OnFailure)
	}
	if t.Kind == target.Bucket {
		f.Payload = string(l.event(records, false, false))
	}
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	c, _, err := l.session(ctx, l.m)
	if err != nil {
		return err
	}
	key := "aws/lambda/" + l.m.UUID + "/" + l.shard + l.now().UTC().Format(objectTime) + l.deps.Ident.UUID()
	return t.Send(ctx, c, target.Message{Body: body, Key: key})
}
