package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/run"
)

var queueARN = arn.ARN{Partition: "aws", Service: "sqs", Region: "eu-west-1", Account: "123456789012", Resource: "q"}

// letter is a message in a post office's queue.
type letter struct {
	id, body, group string
	hidden          time.Time
	receives        int
}

// post stands for SQS: one queue with a visibility timeout, in order where
// letters have groups.
type post struct {
	t       *testing.T
	clock   *clock.Virtual
	visible time.Duration

	mu       sync.Mutex
	letters  []*letter
	arrived  chan struct{} // closed when a letter comes
	asked    time.Duration // the visibility timeout that the last receive asked for
	trouble  error
	receives int
}

func newPost(t *testing.T) *post {
	return &post{t: t, clock: clock.NewVirtual(clock.System()), visible: 30 * time.Second, arrived: make(chan struct{})}
}

func (p *post) send(group string, bodies ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range bodies {
		p.letters = append(p.letters, &letter{id: fmt.Sprintf("id-%d", len(p.letters)+1), body: body, group: group})
	}
	close(p.arrived)
	p.arrived = make(chan struct{})
}

func (p *post) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, l := range p.letters {
		if l.id != "" {
			n++
		}
	}
	return n
}

// Dispatch implements service.Backend.
func (p *post) Dispatch(ctx context.Context, c *service.Call, _ smithy.Descriptor, in any) (any, error) {
	if c.Account != queueARN.Account || c.Region != queueARN.Region {
		return nil, errors.New("asked elsewhere")
	}
	switch in := in.(type) {
	case *api.GetQueueAttributesInput:
		return &api.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(p.visible / time.Second))}}, nil
	case *api.ReceiveMessageInput:
		return p.receive(ctx, in)
	case *api.DeleteMessageBatchInput:
		return p.remove(in), nil
	}
	return nil, fmt.Errorf("%T", in)
}

func (p *post) receive(ctx context.Context, in *api.ReceiveMessageInput) (*api.ReceiveMessageOutput, error) {
	until := p.clock.Now().Add(time.Duration(*in.WaitTimeSeconds) * time.Second)
	for {
		p.mu.Lock()
		p.receives++
		if err := p.trouble; err != nil {
			p.trouble = nil
			p.mu.Unlock()
			return nil, err
		}
		hide := p.visible
		p.asked = 0
		if in.VisibilityTimeout != nil {
			hide = time.Duration(*in.VisibilityTimeout) * time.Second
			p.asked = hide
		}
		out, arrived := p.some(int(*in.MaxNumberOfMessages), hide), p.arrived
		p.mu.Unlock()
		now := p.clock.Now()
		if len(out.Messages) > 0 || !now.Before(until) {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-arrived:
		case <-p.clock.After(min(until.Sub(now), 100*time.Millisecond)):
		}
	}
}

func (p *post) some(most int, hide time.Duration) *api.ReceiveMessageOutput {
	out, now, shut := &api.ReceiveMessageOutput{}, p.clock.Now(), map[string]bool{}
	for _, l := range p.letters {
		if l.group != "" && l.id != "" && now.Before(l.hidden) {
			shut[l.group] = true
		}
	}
	for _, l := range p.letters {
		if l.id == "" || now.Before(l.hidden) || shut[l.group] || len(out.Messages) == most {
			continue
		}
		l.hidden = now.Add(hide)
		l.receives++
		out.Messages = append(out.Messages, api.Message{
			MessageId: new(l.id), ReceiptHandle: new(fmt.Sprintf("%s/%d", l.id, l.receives)), Body: &l.body, MD5OfBody: new("md5"),
			Attributes: map[string]string{"SentTimestamp": strconv.FormatInt(now.UnixMilli(), 10), "ApproximateReceiveCount": strconv.Itoa(l.receives)},
		})
	}
	return out
}

func (p *post) remove(in *api.DeleteMessageBatchInput) *api.DeleteMessageBatchOutput {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := &api.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		id, _, _ := strings.Cut(*e.ReceiptHandle, "/")
		for _, l := range p.letters {
			if l.id == id {
				l.id = ""
			}
		}
		out.Successful = append(out.Successful, api.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out
}

// Judge implements service.Backend.
func (*post) Judge(_ context.Context, c *service.Call, check service.Check) error {
	if d := policy.Evaluate(policy.Request{Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: check.Account}, policy.Set{Resource: check.Policy}); !d.Allowed {
		return fault.New("AccessDenied", 403, "no")
	}
	return nil
}

// Assume implements service.Backend.
func (*post) Assume(context.Context, *service.Call, service.Assume) (service.Session, error) {
	return service.Session{}, nil
}

// given is the event that functions are given.
type given struct {
	Records []struct {
		MessageID string `json:"messageId"`
		Body      string `json:"body"`
	}
}

// heard counts what a poller tells.
type heard struct {
	mu                                                sync.Mutex
	polled, filtered, refused, answered, failed, gone int
	trouble                                           error
}

func (h *heard) add(to *int, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*to += n
}
func (h *heard) Polled(n int)   { h.add(&h.polled, n) }
func (h *heard) Filtered(n int) { h.add(&h.filtered, n) }
func (h *heard) Refused(error)  { h.add(&h.refused, 1) }
func (h *heard) Answered(n, failed int, _ time.Duration) {
	h.add(&h.answered, n)
	h.add(&h.failed, failed)
}
func (h *heard) Deleted(n int, _ error) { h.add(&h.gone, n) }
func (h *heard) Trouble(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = err
}

// work polls a post's queue until the test ends; handle is the function.
func (p *post) work(s Settings, handle func(g given) (run.Result, error), change func(*Host)) (tell *heard, stop func()) {
	tell = &heard{}
	s.Queue = queueARN
	h := Host{
		Clock: p.clock, Tell: tell, Join: func([]string) string { return "" }, Loops: func(string) bool { return false },
		Call: func(context.Context) (*service.Call, error) {
			return service.NewCall(p, service.Call{Account: "210987654321", Region: "eu-west-1"}), nil
		},
		Timeout: func(context.Context) (time.Duration, error) { return 3 * time.Second, nil },
		BackOff: func(int) time.Duration { return 10 * time.Millisecond },
		Invoke: func(_ context.Context, event []byte, _ string) (run.Result, error) {
			var g given
			if err := json.Unmarshal(event, &g); err != nil {
				p.t.Error(err)
			}
			return handle(g)
		},
	}
	if change != nil {
		change(&h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); New(s, h).Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	p.t.Cleanup(stop)
	return tell, stop
}

// await waits for something while the clock runs fast.
func (p *post) await(what string, ok func() bool) {
	p.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(limit) {
			p.t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(time.Millisecond)
		p.clock.Advance(200 * time.Millisecond)
	}
}

// TestEveryMessage has a function that fails and is throttled at random: each
// message is processed, and deleted, and no batch is larger than it may be.
func TestEveryMessage(t *testing.T) {
	for _, s := range []Settings{
		{BatchSize: 1}, {BatchSize: 7, ReportFailures: true}, {BatchSize: 40, Window: 2 * time.Second}, {BatchSize: 10, Concurrency: Concurrency{Most: 2}},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			p, rng := newPost(t), rand.New(rand.NewPCG(1, uint64(s.BatchSize)))
			var mu sync.Mutex
			done, under, most := map[string]bool{}, 0, 0
			tell, _ := p.work(s, func(g given) (run.Result, error) {
				mu.Lock()
				under++
				most = max(most, under)
				luck := rng.IntN(5)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				under--
				if len(g.Records) > s.BatchSize || len(g.Records) == 0 {
					t.Errorf("a batch of %d", len(g.Records))
				}
				switch {
				case luck == 0:
					return run.Result{FunctionError: "Unhandled"}, nil
				case luck == 1:
					return run.Result{}, fault.New("TooManyRequestsException", 429, "later")
				case luck == 2 && s.ReportFailures:
					for _, r := range g.Records[1:] {
						done[r.Body] = true
					}
					return run.Result{Payload: fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, g.Records[0].MessageID)}, nil
				}
				for _, r := range g.Records {
					done[r.Body] = true
				}
				return run.Result{Payload: []byte("null")}, nil
			}, nil)
			for i := range 300 {
				p.send("", fmt.Sprint(i))
			}
			p.await("the end of the queue", func() bool { return p.left() == 0 })
			mu.Lock()
			defer mu.Unlock()
			if len(done) != 300 {
				t.Errorf("%d messages were processed", len(done))
			}
			if limit := s.Concurrency.scale().most; most > limit {
				t.Errorf("%d batches at once, limit %d", most, limit)
			}
			p.await("the count", func() bool { tell.mu.Lock(); defer tell.mu.Unlock(); return tell.gone >= 300 })
		})
	}
}

// TestOrderOfGroups has a function that fails at random on a FIFO queue: of a
// group, no message is processed before the one before it.
func TestOrderOfGroups(t *testing.T) {
	p, rng := newPost(t), rand.New(rand.NewPCG(3, 4))
	var mu sync.Mutex
	next, total := map[string]int{}, 0
	p.work(Settings{BatchSize: 5, FIFO: true}, func(g given) (run.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(4) == 0 {
			return run.Result{FunctionError: "Unhandled"}, nil
		}
		for _, r := range g.Records {
			group, number, _ := strings.Cut(r.Body, "-")
			if n, _ := strconv.Atoi(number); n != next[group] {
				t.Errorf("%s, want %d", r.Body, next[group])
			}
			next[group]++
			total++
		}
		return run.Result{}, nil
	}, nil)
	for i := range 120 {
		group := string("abc"[i%3])
		p.send(group, fmt.Sprintf("%s-%d", group, i/3))
	}
	p.await("the end of the queue", func() bool { return p.left() == 0 })
	if total != 120 {
		t.Errorf("%d messages", total)
	}
}

func TestFilteredMessagesAreDeleted(t *testing.T) {
	p := newPost(t)
	var mu sync.Mutex
	var got []string
	tell, _ := p.work(Settings{BatchSize: 10}, func(g given) (run.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range g.Records {
			got = append(got, r.Body)
		}
		return run.Result{}, nil
	}, func(h *Host) {
		h.Wants = func(record []byte) bool { return strings.Contains(string(record), `"body":{"a":1}`) }
	})
	p.send("", `{"a":1}`, `{"a":2}`, `text`, ` {"a":1}`)
	p.await("the end of the queue", func() bool { return p.left() == 0 })
	p.await("four deleted", func() bool { tell.mu.Lock(); defer tell.mu.Unlock(); return tell.gone == 4 && tell.filtered == 2 })
	slices.Sort(got)
	if !slices.Equal(got, []string{` {"a":1}`, `{"a":1}`}) {
		t.Errorf("the function was given %q", got)
	}
}

func TestWindowHidesMessagesForLonger(t *testing.T) {
	p := newPost(t)
	p.visible = 10 * time.Second
	batches := make(chan int, 10)
	p.work(Settings{BatchSize: 100, Window: 4 * time.Second}, func(g given) (run.Result, error) {
		batches <- len(g.Records)
		return run.Result{}, nil
	}, nil)
	p.send("", "1", "2")
	p.await("a receive", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.letters[0].receives == 1 })
	p.send("", "3")
	p.await("the end of the queue", func() bool { return p.left() == 0 })
	if n := <-batches; n != 3 {
		t.Errorf("a batch of %d", n)
	}
	if p.mu.Lock(); p.asked != 37*time.Second {
		t.Errorf("hidden for %v", p.asked)
	}
	p.mu.Unlock()
}

// TestThrottledUntilHidden leaves a batch that stays throttled, so that the queue
// counts its receives.
func TestThrottledUntilHidden(t *testing.T) {
	p := newPost(t)
	p.visible = 5 * time.Second
	var calls sync.Map
	p.work(Settings{BatchSize: 1}, func(g given) (run.Result, error) {
		calls.Store(time.Now(), true)
		return run.Result{}, fault.New("TooManyRequestsException", 429, "later")
	}, func(h *Host) { h.BackOff = func(int) time.Duration { return time.Second } })
	p.send("", "1")
	p.await("a third receive", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.letters[0].receives >= 3 })
	n := 0
	calls.Range(func(any, any) bool { n++; return true })
	if n < 4 {
		t.Errorf("%d tries in 2 receives", n)
	}
}

func TestStopGivesWhatWasReceived(t *testing.T) {
	p := newPost(t)
	began, finish := make(chan struct{}), make(chan struct{})
	_, stop := p.work(Settings{BatchSize: 10}, func(given) (run.Result, error) {
		close(began)
		<-finish
		return run.Result{}, nil
	}, nil)
	p.send("", "1")
	<-began
	go func() { time.Sleep(10 * time.Millisecond); close(finish) }()
	stop()
	if p.left() != 0 {
		t.Error("a message that was processed is not deleted")
	}
}

func TestTroubleIsToldAndPasses(t *testing.T) {
	p := newPost(t)
	p.trouble = fault.New("AWS.SimpleQueueService.NonExistentQueue", 400, "The specified queue does not exist.")
	tell, _ := p.work(Settings{BatchSize: 10}, func(given) (run.Result, error) { return run.Result{}, nil }, nil)
	p.send("", "1")
	p.await("the end of the queue", func() bool { return p.left() == 0 })
	tell.mu.Lock()
	defer tell.mu.Unlock()
	if fault.As(tell.trouble) == nil {
		t.Errorf("trouble %v", tell.trouble)
	}
}

// TestLoopsAreLeft gives the function what is in no loop, and leaves the rest.
func TestLoopsAreLeft(t *testing.T) {
	p := newPost(t)
	tell, _ := p.work(Settings{BatchSize: 10}, func(g given) (run.Result, error) {
		for _, r := range g.Records {
			if r.Body == "loop" {
				return run.Result{}, fault.New("RecursiveInvocationException", 400, "stop")
			}
		}
		return run.Result{}, nil
	}, func(h *Host) { h.Loops = func(trace string) bool { return trace == "round" } })
	c := client{about: about{arn: "a"}}
	looping, _ := c.messageOf(&api.Message{MessageId: new("x"), Attributes: map[string]string{"AWSTraceHeader": "round"}})
	if looping.trace != "round" {
		t.Error("the trace of a message is lost")
	}
	p.send("", "loop")
	p.await("a refusal", func() bool { tell.mu.Lock(); defer tell.mu.Unlock(); return tell.refused > 0 })
	p.send("", "straight")
	p.await("the straight one", func() bool { tell.mu.Lock(); defer tell.mu.Unlock(); return tell.gone == 1 })
	if p.left() != 1 {
		t.Errorf("%d left", p.left())
	}
}

func TestCheck(t *testing.T) {
	p := newPost(t)
	role := identity.Principal{Principal: policy.Principal{Kind: policy.AssumedRole, AccountID: "123456789012", RoleARN: "arn:aws:iam::123456789012:role/r", ARN: "arn:aws:sts::123456789012:assumed-role/r/s"}}
	c := service.NewCall(p, service.Call{Account: "123456789012", Region: "eu-west-1"})
	_, err := Check(t.Context(), c, c.As(role), queueARN)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Operation != "ReceiveMessage" {
		t.Errorf("%v", err)
	}
}
