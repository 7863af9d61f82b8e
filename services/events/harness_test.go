package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/api/sns"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/gateway"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "eu-west-1"
	roleARN = "arn:aws:iam::" + account + ":role/send"
)

var begin = time.Date(2026, 3, 20, 12, 0, 30, 0, time.UTC)

// sent is what a target got.
type sent struct {
	to, body, as, group string
	attributes          map[string]string
}

// world is the service behind a real gateway, with a scheduler that runs, and
// with functions, queues and topics that only take note.
type world struct {
	t        testing.TB
	s        *Service
	g        *gateway.Gateway
	clk      *clock.Fake
	db       *kv.DB
	sched    *sched.Scheduler
	policies map[string]string // by user or role

	mu    sync.Mutex
	got   []sent
	fails map[string]error // by target
	tries map[string]int
}

// Credential implements identity.Directory: nobody signs here.
func (w *world) Credential(context.Context, string, string) (identity.Credential, error) {
	return identity.Credential{}, identity.ErrUnknownKey
}

// Policies implements identity.Directory.
func (w *world) Policies(_ context.Context, who identity.Principal) (identity.Policies, error) {
	doc := w.policies[who.UserName+who.RoleARN]
	if doc == "" {
		return identity.Policies{}, nil
	}
	p, err := policy.Parse([]byte(doc), policy.Identity)
	return identity.Policies{Identity: []*policy.Policy{p}}, err
}

// AssumeRole implements service.Assumer: EventBridge may assume the one role.
func (w *world) AssumeRole(_ context.Context, c *service.Call, a service.Assume) (service.Session, error) {
	if a.RoleARN != roleARN || c.Caller.Service != servicePrincipal {
		return service.Session{}, fault.New("AccessDenied", 403, "not authorized to perform: sts:AssumeRole")
	}
	return service.Session{Principal: identity.Principal{Principal: policy.Principal{
		Kind: policy.AssumedRole, ARN: "arn:aws:sts::" + account + ":assumed-role/send/x", RoleARN: roleARN, AccountID: account,
	}}}, nil
}

// take is what every target does.
func (w *world) take(m sent) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries[m.to]++
	if err := w.fails[m.to]; err != nil {
		return err
	}
	w.got = append(w.got, m)
	return nil
}

// InvokeFunction implements functions.Runner.
func (w *world) InvokeFunction(_ context.Context, r functions.Request) (functions.Response, error) {
	return functions.Response{}, w.take(sent{to: r.FunctionARN, body: string(r.Payload), as: r.Caller.Service + " " + r.Caller.SourceARN})
}

func name(c *service.Call) string {
	if c.Caller.Service != "" {
		return c.Caller.Service + " " + c.Caller.SourceARN
	}
	return c.Caller.RoleARN
}

func (w *world) sendMessage(_ context.Context, c *service.Call, in *sqs.SendMessageInput) (*sqs.SendMessageOutput, error) {
	at := strings.Split(*in.QueueUrl, "/")
	m := sent{to: "arn:aws:sqs:" + c.Region + ":" + at[3] + ":" + at[4], body: *in.MessageBody, as: name(c), group: smithy.Val(in.MessageGroupId)}
	for k, v := range in.MessageAttributes {
		if m.attributes == nil {
			m.attributes = map[string]string{}
		}
		m.attributes[k] = *v.StringValue
	}
	return nil, w.take(m)
}

func (w *world) publish(_ context.Context, c *service.Call, in *sns.PublishInput) (*sns.PublishOutput, error) {
	return nil, w.take(sent{to: *in.TopicArn, body: *in.Message, as: name(c)})
}

// fakes are the services of targets: one operation each, allowed to everybody.
func (w *world) fakes() []service.Definition {
	anybody, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`), policy.Resource)
	if err != nil {
		w.t.Fatal(err)
	}
	authorize := func(_ context.Context, c *service.Call, op *smithy.Operation, _ any) ([]service.Check, error) {
		return []service.Check{{Action: op.Actions[0], Resource: "*", Policy: anybody, Account: c.Account}}, nil
	}
	queues := service.Table[*world]{service.Full(sqs.SendMessage, (*world).sendMessage)}
	topics := service.Table[*world]{service.Full(sns.Publish, (*world).publish)}
	return []service.Definition{
		{Schema: &sqs.Schema, Operations: queues.Bind(w), Authorize: authorize},
		{Schema: &sns.Schema, Operations: topics.Bind(w), Authorize: authorize},
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clk: clock.NewFake(begin), db: kv.New(memkv.New()), policies: map[string]string{}, fails: map[string]error{}, tries: map[string]int{}}
	w.start()
	return w
}

// start makes the service anew over the same store, as after a restart.
func (w *world) start() {
	w.t.Helper()
	ids := ident.NewSeeded(1, w.clk)
	log := slog.New(slog.DiscardHandler)
	w.sched = sched.New(w.db.Scope([]byte("sched/")), w.clk, ids, log)
	broker := &functions.Broker{}
	broker.Bind(w)
	w.s = New(service.Deps{
		KV: w.db.Scope([]byte("events/")), Clock: w.clk, Ident: ids, Log: log, Sched: w.sched, Functions: broker, Meter: observe.NewRegistry(),
		System: func(account, region string) *service.Call {
			return service.NewCall(w.g, service.Call{Account: account, Region: region, Now: w.clk.Now(), Log: log})
		},
	})
	trail, err := audit.New("")
	if err != nil {
		w.t.Fatal(err)
	}
	w.g, err = gateway.New(gateway.Config{
		Services: append(w.fakes(), w.s.Definition()), Directory: w, Assumer: w, Clock: w.clk, Ident: ids, Log: log,
		Metrics: observe.NewRegistry(), Audit: trail, Account: account, Suffixes: []string{"localhost"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// run runs the scheduler until the returned function is called.
func (w *world) run() (stop func()) { return w.runs(w.sched) }

func (w *world) runs(s *sched.Scheduler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // stopped before it ran
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// as is a call by a principal.
func (w *world) as(p identity.Principal) *service.Call {
	return service.NewCall(w.g, service.Call{Caller: p, Account: p.AccountID, Region: region, Now: w.clk.Now(), RequestID: "request", Log: slog.New(slog.DiscardHandler)})
}

func (w *world) root() *service.Call { return w.as(identity.Root(account)) }

func (w *world) user(name, account, doc string) *service.Call {
	w.policies[name] = doc
	return w.as(identity.Principal{UserName: name, Principal: policy.Principal{Kind: policy.User, ARN: "arn:aws:iam::" + account + ":user/" + name, AccountID: account, UserID: "AIDA" + name}})
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

// until waits for a condition.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s; got %v", what, w.all())
		}
	}
}

func (w *world) all() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sent(nil), w.got...)
}

// took waits until n messages came in all, and gives them.
func (w *world) took(n int) []sent {
	w.t.Helper()
	w.until(fmt.Sprintf("%d messages", n), func() bool { return len(w.all()) >= n })
	if got := w.all(); len(got) > n {
		w.t.Fatalf("%d messages, want %d: %v", len(got), n, got)
	}
	return w.all()
}

// idle waits until no job is left that is due.
func (w *world) idle() {
	w.t.Helper()
	w.until("idle", func() bool {
		for _, kind := range []string{deliverKind, letterKind} {
			jobs, err := w.sched.Jobs(context.Background(), kind, 0)
			if err != nil || len(jobs) > 0 {
				return false
			}
		}
		return true
	})
}

func functionARN(name string) string {
	return "arn:aws:lambda:" + region + ":" + account + ":function:" + name
}

func queueARN(name string) string {
	return arn.ARN{Partition: "aws", Service: "sqs", Region: region, Account: account, Resource: name}.String()
}

// rule makes a rule with targets on a bus, "" for the default.
func (w *world) rule(bus, name, pattern string, targets ...api.Target) {
	w.t.Helper()
	must(w.t, w.root(), api.PutRule, &api.PutRuleInput{Name: &name, EventBusName: text(bus), EventPattern: &pattern})
	if len(targets) > 0 {
		must(w.t, w.root(), api.PutTargets, &api.PutTargetsInput{Rule: &name, EventBusName: text(bus), Targets: targets})
	}
}

func to(id, arn string) api.Target { return api.Target{Id: &id, Arn: &arn} }

func entry(source, kind, detail string) api.PutEventsRequestEntry {
	return api.PutEventsRequestEntry{Source: &source, DetailType: &kind, Detail: &detail}
}

// put puts events that must be taken.
func (w *world) put(c *service.Call, entries ...api.PutEventsRequestEntry) []string {
	w.t.Helper()
	out := must(w.t, c, api.PutEvents, &api.PutEventsInput{Entries: entries})
	var ids []string
	for _, e := range out.Entries {
		if e.EventId == nil {
			w.t.Fatalf("not taken: %s %s", *e.ErrorCode, *e.ErrorMessage)
		}
		ids = append(ids, *e.EventId)
	}
	return ids
}
