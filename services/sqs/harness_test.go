package sqs

import (
	"context"
	"log/slog"
	"testing"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/service/servicetest"
)

const (
	account  = "000000000000"
	region   = "us-east-1"
	endpoint = "http://127.0.0.1:4566"
)

// harness calls operations as the gateway does: validate, judge, call.
type harness struct {
	*servicetest.Backend
	t   testing.TB
	s   *Service
	clk *clock.Fake
	iam map[string]*policy.Policy // by the principal's ARN
}

func newHarness(t testing.TB) *harness { return newHarnessOn(t, kv.New(memkv.New())) }

func newHarnessOn(t testing.TB, db *kv.DB) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
	sealer, err := seal.New(make([]byte, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, clk: clk, iam: map[string]*policy.Policy{}}
	ids := ident.NewSeeded(1, clk)
	h.s = New(service.Deps{
		Sched: sched.New(db.Scope([]byte("sched")), clk, ids, slog.New(slog.DiscardHandler)),
		KV:    db.Scope([]byte("sqs")), Clock: clk, Ident: ids, Seal: sealer, Log: slog.New(slog.DiscardHandler),
		Site: service.Site{Endpoint: endpoint},
	})
	h.Backend = servicetest.New(h.s.Definition(), "MissingParameter")
	h.Judging = h.judge
	return h
}

// judge goes by the callers' own policies and by what the check says.
func (h *harness) judge(c *service.Call, check service.Check) error {
	set := policy.Set{Resource: check.Policy}
	if p := h.iam[c.Caller.ARN]; p != nil {
		set.Identity = []*policy.Policy{p}
	}
	keys := policy.Keys{}
	for k, v := range check.Context {
		keys[k] = v
	}
	if c.Caller.SourceARN != "" {
		keys["aws:sourcearn"] = []string{c.Caller.SourceARN}
	}
	d := policy.Evaluate(policy.Request{
		Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: check.Account, Context: keys,
	}, set)
	switch {
	case d.Allowed:
		return nil
	case check.Fault != nil:
		return check.Fault(d)
	}
	return fault.New("AccessDeniedException", 400, "%s", d.Message(c.Caller.ARN, check.Action, check.Resource))
}

// call is one by the account's root.
func (h *harness) call() *service.Call {
	return service.NewCall(h, service.Call{Caller: identity.Root(account), Account: account, Region: region, Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

func do[In, Out any](c *service.Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(context.Background(), c, op, in)
}

func must[In, Out any](t testing.TB, c *service.Call, op smithy.Op[In, Out], in *In) *Out {
	t.Helper()
	out, err := do(c, op, in)
	if err != nil {
		_, o := op.Of()
		t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

// fails wants a fault; message may be empty to compare the code only.
func fails[In, Out any](t testing.TB, c *service.Call, op smithy.Op[In, Out], in *In, code, message string) {
	t.Helper()
	_, err := do(c, op, in)
	f := fault.As(err)
	if f != nil && f.Query != "" && f.Code != code {
		f = &fault.Fault{Code: f.Query, Message: f.Message}
	}
	if f == nil || f.Code != code || (message != "" && f.Message != message) {
		_, o := op.Of()
		t.Errorf("%s: got %v\nwant %s: %s", o.Name, err, code, message)
	}
}

func (h *harness) create(name string, attributes map[string]string) *string {
	h.t.Helper()
	return must(h.t, h.call(), api.CreateQueue, &api.CreateQueueInput{QueueName: &name, Attributes: attributes}).QueueUrl
}

func (h *harness) send(url *string, body string) *api.SendMessageOutput {
	h.t.Helper()
	return must(h.t, h.call(), api.SendMessage, &api.SendMessageInput{QueueUrl: url, MessageBody: &body})
}

// receive takes up to ten messages, with all that is known of them.
func (h *harness) receive(url *string) []api.Message {
	h.t.Helper()
	return must(h.t, h.call(), api.ReceiveMessage, &api.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: new(int32(10)), MessageSystemAttributeNames: []string{"All"}, MessageAttributeNames: []string{"All"},
	}).Messages
}

func bodies(all []api.Message) []string {
	out := []string{}
	for _, m := range all {
		out = append(out, *m.Body)
	}
	return out
}

func (h *harness) remove(url *string, m api.Message) {
	h.t.Helper()
	must(h.t, h.call(), api.DeleteMessage, &api.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
}

// counts are the three numbers of a queue.
func (h *harness) counts(url *string) [3]string {
	h.t.Helper()
	a := must(h.t, h.call(), api.GetQueueAttributes, &api.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []string{"All"}}).Attributes
	return [3]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"]}
}
