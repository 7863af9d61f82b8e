package sns

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	kmsapi "moln.dev/moln/api/kms"
	api "moln.dev/moln/api/sns"
	sqsapi "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/outbound"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/service/servicetest"
)

const (
	account  = "000000000000"
	stranger = "111122223333"
	region   = "us-east-1"
	patience = 10 * time.Second
)

// harness is the service with a scheduler that runs, and stand-ins for the services
// that it delivers to.
type harness struct {
	*servicetest.Backend
	t   testing.TB
	s   *Service
	clk *clock.Fake
	db  *kv.DB

	queued  chan sent // what queues were sent
	invoked chan functions.Request
	mailed  chan mail.Message

	mu     sync.Mutex
	refuse map[string]error // by queue's name: what it answers
	kms    error
	iam    map[string]*policy.Policy // by the principal's ARN
	tries  map[string]int            // by queue's name
}

// sent is a message that a queue got, and who sent it.
type sent struct {
	caller identity.Principal
	*sqsapi.SendMessageInput
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
	sealer, err := seal.New(make([]byte, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{
		t: t, clk: clk, db: kv.New(memkv.New()), queued: make(chan sent, 1000), invoked: make(chan functions.Request, 100), mailed: make(chan mail.Message, 100),
		refuse: map[string]error{}, iam: map[string]*policy.Policy{}, tries: map[string]int{},
	}
	log := slog.New(slog.DiscardHandler)
	ids := ident.NewSeeded(1, clk)
	jobs := sched.New(h.db.Scope([]byte("sched/")), clk, ids, log)
	broker := new(functions.Broker)
	broker.Bind(runner{h})
	h.s = New(service.Deps{
		KV: h.db.Scope([]byte("sns/")), Clock: clk, Ident: ids, Seal: sealer, Log: log, Sched: jobs, Functions: broker,
		System: func(account, region string) *service.Call {
			return service.NewCall(h, service.Call{Account: account, Region: region, Now: clk.Now(), Log: log})
		},
		Site: service.Site{Endpoint: "http://127.0.0.1:4566"},
	}, mailbox{h}, outbound.Client(outbound.Local))
	h.Backend = servicetest.New(h.s.Definition(), "ValidationError")
	h.Judging = h.judge
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- jobs.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h
}

// Dispatch is the backend's, with queues and keys beside the service.
func (h *harness) Dispatch(ctx context.Context, c *service.Call, d smithy.Descriptor, in any) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch in := in.(type) {
	case *sqsapi.SendMessageInput:
		name := (*in.QueueUrl)[len("https://sqs.us-east-1.amazonaws.com/000000000000/"):]
		h.tries[name]++
		if err := h.refuse[name]; err != nil {
			return nil, err
		}
		h.queued <- sent{c.Caller, in}
		return &sqsapi.SendMessageOutput{}, nil
	case *kmsapi.GenerateDataKeyInput:
		return &kmsapi.GenerateDataKeyOutput{}, h.kms
	}
	h.mu.Unlock()
	defer h.mu.Lock()
	return h.Backend.Dispatch(ctx, c, d, in)
}

func (h *harness) setQueue(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse[name] = err
}

func (h *harness) tried(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tries[name]
}

type runner struct{ h *harness }

func (r runner) InvokeFunction(_ context.Context, req functions.Request) (functions.Response, error) {
	r.h.invoked <- req
	return functions.Response{}, nil
}

type mailbox struct{ h *harness }

func (m mailbox) Send(_ context.Context, msg mail.Message) error {
	m.h.mailed <- msg
	return nil
}

// judge goes by the callers' own policies and by what the check says.
func (h *harness) judge(c *service.Call, check service.Check) error {
	set := policy.Set{Resource: check.Policy}
	if p := h.iam[c.Caller.ARN]; p != nil {
		set.Identity = []*policy.Policy{p}
	}
	owner := check.Account
	if owner == "" {
		owner = c.Account
	}
	keys := policy.Keys{"aws:sourcearn": {c.Caller.SourceARN}, "aws:sourceaccount": {c.Caller.SourceAccount}}
	for k, v := range check.Context {
		keys[k] = v
	}
	d := policy.Evaluate(policy.Request{
		Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: owner, Context: keys,
	}, set)
	if d.Allowed {
		return nil
	}
	return check.Fault(d)
}

// call is one by the account's root.
func (h *harness) call() *service.Call {
	return service.NewCall(h, service.Call{Caller: identity.Root(account), Account: account, Region: region, Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

// foreign is a call by another account's root.
func (h *harness) foreign() *service.Call {
	c := h.call().As(identity.Root(stranger))
	c.Account = stranger
	return c
}

// user is a call by a user of the account with an IAM policy, which may be empty.
func (h *harness) user(name, doc string) *service.Call {
	h.t.Helper()
	arn := "arn:aws:iam::" + account + ":user/" + name
	if doc != "" {
		p, err := policy.Parse([]byte(doc), policy.Identity)
		if err != nil {
			h.t.Fatal(err)
		}
		h.iam[arn] = p
	}
	return h.call().As(identity.Principal{Principal: policy.Principal{Kind: policy.User, ARN: arn, AccountID: account, UserID: "AIDA" + name}})
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
	if f := fault.As(err); f == nil || f.Code != code || (message != "" && f.Message != message) {
		_, o := op.Of()
		t.Errorf("%s: got %v\nwant %s: %s", o.Name, err, code, message)
	}
}

// topic makes one and gives its ARN; pairs are attributes.
func (h *harness) topic(name string, pairs ...string) string {
	h.t.Helper()
	return *must(h.t, h.call(), api.CreateTopic, &api.CreateTopicInput{Name: &name, Attributes: attributesIn(pairs)}).TopicArn
}

func attributesIn(pairs []string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func queueOf(name string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + name }

// subscribe subscribes a queue and gives the subscription's ARN.
func (h *harness) subscribe(topic, queue string, pairs ...string) string {
	h.t.Helper()
	return *must(h.t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &topic, Protocol: new("sqs"), Endpoint: new(queueOf(queue)), Attributes: attributesIn(pairs)}).SubscriptionArn
}

func (h *harness) publish(topic, text string) string {
	h.t.Helper()
	return *must(h.t, h.call(), api.Publish, &api.PublishInput{TopicArn: &topic, Message: &text}).MessageId
}

// take waits for something.
func take[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

// none says that nothing waits, after what was published later has come.
func none[T any](t testing.TB, from <-chan T) {
	t.Helper()
	select {
	case v := <-from:
		t.Errorf("unexpected: %+v", v)
	default:
	}
}

// until waits for a condition.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("in vain: " + what)
		}
	}
}

// body is the document that a queue got.
func (s sent) body(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(*s.MessageBody), &v); err != nil {
		t.Fatalf("%s: %v", *s.MessageBody, err)
	}
	return v
}
