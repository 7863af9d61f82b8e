package async

import (
	"context"
	"encoding/json"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
	"moln.dev/moln/services/lambda/target"
)

const (
	recordVersion = "1.0"
	recordTime    = "2006-01-02T15:04:05.000Z"
	// recordBytesMax is where the response's payload is left out of a record, so
	// that the event itself is not lost: a job holds no more.
	recordBytesMax = sched.PayloadBytesMax - 8<<10
	detailSuccess  = "Lambda Function Invocation Result - Success"
	detailFailure  = "Lambda Function Invocation Result - Failure"
)

// record is what a destination is told of the end of an event.
//
// Source: "Retaining records of asynchronous invocations".
type record struct {
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	RequestContext  requestContext   `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	// ApproximateInvokeCount is how often the function had the event.
	ApproximateInvokeCount int `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// recordOf words the end of an event.
func recordOf(e Event, v verdict, now time.Time) record {
	r := record{
		Version: recordVersion, Timestamp: now.UTC().Format(recordTime), RequestPayload: e.Payload,
		RequestContext: requestContext{RequestID: e.RequestID, FunctionARN: eventARN(e.ref()), Condition: v.condition, ApproximateInvokeCount: e.Failures},
	}
	if v.result == nil {
		return r
	}
	r.RequestContext.ApproximateInvokeCount++
	r.ResponseContext = &responseContext{StatusCode: 200, ExecutedVersion: v.result.Version, FunctionError: v.result.FunctionError}
	if len(e.Payload)+len(v.result.Payload) <= recordBytesMax && json.Valid(v.result.Payload) {
		r.ResponsePayload = v.result.Payload
	}
	return r
}

// delivery is a record on its way.
type delivery struct {
	Account     string `json:"account"`
	Region      string `json:"region"`
	Name        string `json:"name"`
	Qualifier   string `json:"qualifier,omitempty"`
	Depth       int    `json:"depth,omitempty"`
	Destination string `json:"destination"`
	Key         string `json:"key"`
	Record      record `json:"record"`
	// Trace is the trace header of what the function has made of the event.
	Trace string `json:"trace,omitempty"`
	// Letter is sent in place of Record where the destination is for dead letters.
	Letter *letter `json:"letter,omitempty"`
}

func (q *Queue) delivery(e Event, destination string, v verdict) delivery {
	now := q.deps.Clock.Now()
	return delivery{
		Account: e.Account, Region: e.Region, Name: e.Name, Qualifier: e.Qualifier, Depth: e.Depth, Destination: destination,
		Key:    "aws/lambda/async/" + e.Name + now.UTC().Format("/2006/01/02/2006-01-02T15.04.05-") + q.deps.Ident.UUID(),
		Record: recordOf(e, v, now), Trace: q.engine.PassedOn(run.Invocation{Ref: e.ref(), Trace: e.Trace}),
	}
}

// deliveries are what is to be sent of the end of an event: its record, and the
// event itself as a dead letter.
func (q *Queue) deliveries(ctx context.Context, e Event, r rules, v verdict) ([]delivery, error) {
	var out []delivery
	if to := r.destination(v.condition); to != "" {
		out = append(out, q.delivery(e, to, v))
	}
	if v.condition == "" || v.condition == success {
		return out, nil
	}
	to, err := q.deadLetters(ctx, e)
	if err != nil || to == "" {
		return out, err
	}
	d := q.delivery(e, to, v)
	d.Letter = letterOf(e, v)
	return append(out, d), nil
}

// deliver sends a record, as the role that the function has by now (A3).
func (q *Queue) deliver(ctx context.Context, work sched.Run) error {
	var d delivery
	if err := json.Unmarshal(work.Payload, &d); err != nil {
		return sched.Permanent(err)
	}
	err := q.send(ctx, d)
	if fault.Final(err) {
		q.deps.Log.Warn("a destination refused a record", "destination", d.Destination, "function", d.Name, "request", d.Record.RequestContext.RequestID, "error", err)
		return sched.Permanent(err)
	}
	return err
}

func (q *Queue) send(ctx context.Context, d delivery) error {
	t, ok := target.Parse(d.Destination)
	if !ok {
		return fn.Invalid("The destination ARN %s is invalid.", d.Destination)
	}
	m, err := d.message()
	if err != nil {
		return err
	}
	r := fn.At(fn.Place{Account: d.Account, Region: d.Region}, d.Name, d.Qualifier)
	c, err := q.asRole(ctx, q.deps.System(d.Account, d.Region), r)
	if err != nil {
		return err
	}
	c.Depth = d.Depth + 1
	return t.Send(ctx, c, m)
}

// message is the delivery as its target gets it.
func (d *delivery) message() (target.Message, error) {
	if l := d.Letter; l != nil {
		return target.Message{Body: l.Payload, Attributes: l.attributes(), Trace: d.Trace}, nil
	}
	body, err := json.Marshal(d.Record)
	detail := detailFailure
	if d.Record.RequestContext.Condition == success {
		detail = detailSuccess
	}
	return target.Message{Body: body, Key: d.Key, DetailType: detail, Trace: d.Trace, Resources: []string{d.Record.RequestContext.FunctionARN, d.Destination}}, err
}

// asRole is a call as the role of what r names.
func (q *Queue) asRole(ctx context.Context, c *service.Call, r fn.Ref) (*service.Call, error) {
	_, v, err := q.engine.Target(ctx, r)
	if err != nil {
		return nil, err
	}
	ses, err := q.engine.Assume(ctx, c, r, v.Role)
	if err != nil {
		return nil, err
	}
	return c.As(ses.Principal), nil
}
