package queue

import (
	"context"
	"sync"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/run"
)

const (
	// receiversMost is how many receive at once from a queue that has much.
	receiversMost = 5
	// troubleFirst and troubleMost bound the pause after a failed receive.
	troubleFirst = time.Second
	troubleMost  = 30 * time.Second
	// lookEvery is how often a queue is asked for its visibility timeout.
	lookEvery = time.Minute
	// windowPoll is how often the last second of a batching window is used.
	windowPoll = 100 * time.Millisecond
	// windowSpare is what a message is hidden for beside the batching window and
	// the function's timeout, where there is a window.
	windowSpare = 30 * time.Second
)

// Settings are what a mapping says of the polling.
type Settings struct {
	Queue          arn.ARN
	FIFO           bool
	BatchSize      int
	Window         time.Duration
	ReportFailures bool
	Concurrency    Concurrency
}

// Host is what the poller needs of the service that runs it. All of it may be
// called by several goroutines.
type Host struct {
	Clock clock.Clock
	// Call is a call as the function's role.
	Call func(context.Context) (*service.Call, error)
	// Timeout is the function's.
	Timeout func(context.Context) (time.Duration, error)
	// Invoke gives the function an event with a trace header and waits for it; its
	// context does not end with the poller's.
	Invoke func(ctx context.Context, event []byte, trace string) (run.Result, error)
	// Join is the trace header of a batch of messages with these; Loops says that
	// one is of a loop which is to end.
	Join  func(traces []string) string
	Loops func(trace string) bool
	// Wants says that a record passes the filters; nil: there are none.
	Wants func(record []byte) bool
	// BackOff is how long to wait after so many failures.
	BackOff func(failures int) time.Duration
	Tell    Listener
}

// Listener hears what comes of messages and batches.
type Listener interface {
	// Polled, Filtered: so many messages were received, or not wanted.
	Polled(messages int)
	Filtered(messages int)
	// Refused: the function could not be given a batch.
	Refused(err error)
	// Answered: it was, and failed on so many of it.
	Answered(messages, failed int, age time.Duration)
	// Deleted: so many were deleted, but for err.
	Deleted(messages int, err error)
	// Trouble: the queue could not be read.
	Trouble(err error)
}

// Poller polls one queue for one mapping.
type Poller struct {
	Settings
	host   Host
	client client

	mu        sync.Mutex
	scale     scale
	running   int
	receiving int
	busy      bool          // the last receive was full
	freed     chan struct{} // rings when there may be room
	troubles  int           // failed receives since the last good one
	refusals  int           // batches that the function could not be given, likewise
	visible   time.Duration // of the queue
	hidden    time.Duration // what receives ask for, zero for the queue's own
	looked    time.Time
}

// New makes a poller; it does nothing before Run.
func New(s Settings, h Host) *Poller {
	return &Poller{
		Settings: s, host: h, scale: s.Concurrency.scale(), freed: make(chan struct{}, 1),
		client: client{about: about{s.Queue.String(), s.Queue.Region}, url: s.Queue.QueueURL(), call: func(ctx context.Context) (*service.Call, error) {
			c, err := h.Call(ctx)
			if err != nil {
				return nil, err
			}
			return in(c, s.Queue), nil
		}},
	}
}

// Run polls until ctx ends, and then until what was received is done (Q4).
func (p *Poller) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for p.enter(ctx) {
		all.Go(func() {
			defer p.leave()
			g, err := p.turn(ctx)
			if err != nil && ctx.Err() == nil {
				p.host.Tell.Trouble(err)
			}
			p.drop(ctx, g.unwanted)
			if len(g.messages) > 0 {
				p.process(ctx, g)
			}
		})
	}
}

// enter waits until there may be one more batch and one more receiver; false
// where ctx has ended.
func (p *Poller) enter(ctx context.Context) bool {
	for ctx.Err() == nil {
		p.mu.Lock()
		receivers := 1
		if p.busy && p.Window == 0 {
			receivers = receiversMost
		}
		free := p.receiving < receivers
		if free && p.running < p.scale.limit {
			p.running++
			p.receiving++
			p.mu.Unlock()
			return true
		}
		growing := free && p.busy
		p.mu.Unlock()
		if p.awaitRoom(ctx, growing) {
			p.mu.Lock()
			p.scale.grow()
			p.mu.Unlock()
		}
	}
	return false
}

// awaitRoom waits for a batch or a receiver to end; true where it is time for
// one more batch before that.
func (p *Poller) awaitRoom(ctx context.Context, growing bool) bool {
	var due <-chan time.Time
	if growing {
		t := p.host.Clock.NewTimer(p.scale.every)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-p.freed:
	case <-due:
		return true
	}
	return false
}

func (p *Poller) leave() {
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
	p.ring()
}

func (p *Poller) ring() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// turn is one receiver's: it gathers a batch, or rests after an error.
func (p *Poller) turn(ctx context.Context) (*gathering, error) {
	g := &gathering{}
	full, err := p.gather(ctx, g)
	wait := p.turned(len(g.messages), full && err == nil, err)
	if wait > 0 && len(g.messages) == 0 {
		_ = clock.Sleep(ctx, p.host.Clock, wait)
	}
	p.mu.Lock()
	p.receiving--
	p.mu.Unlock()
	p.ring()
	return g, err
}

// turned notes what came of a turn, and says how long to rest after it.
func (p *Poller) turned(messages int, full bool, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = full
	if err != nil {
		p.troubles++
		return min(troubleFirst<<min(p.troubles-1, 10), troubleMost)
	}
	p.troubles = 0
	if messages == 0 && p.running == 1 {
		p.scale.idle()
	}
	return 0
}

// look keeps what is known of the queue's visibility timeout fresh, and says for
// how long receives are to hide messages.
//
// Source: services-sqs-configure: with a batching window a message is hidden for
// as long as window and function may take.
func (p *Poller) look(ctx context.Context) (hidden time.Duration, err error) {
	now := p.host.Clock.Now()
	p.mu.Lock()
	fresh := !p.looked.IsZero() && now.Sub(p.looked) < lookEvery
	hidden = p.hidden
	p.mu.Unlock()
	if fresh {
		return hidden, nil
	}
	visible, err := p.client.visible(ctx)
	if err != nil {
		return 0, err
	}
	hidden = 0
	if p.Window > 0 {
		timeout, err := p.host.Timeout(ctx)
		if err != nil {
			return 0, err
		}
		if need := p.Window + timeout + windowSpare; visible < need {
			visible, hidden = need, need
		}
	}
	p.mu.Lock()
	p.visible, p.hidden, p.looked = visible, hidden, now
	p.mu.Unlock()
	return hidden, nil
}

// gathering is a batch that is being made.
type gathering struct {
	messages []message
	bytes    int
	unwanted []message // by the filters
	began    time.Time // when the first message was received
}

// gather receives a batch: what is there now, or what comes within the window.
// full says that there may be more.
func (p *Poller) gather(ctx context.Context, g *gathering) (full bool, err error) {
	hidden, err := p.look(ctx)
	if err != nil {
		return false, err
	}
	for wait := time.Duration(waitMax * time.Second); ; {
		want := p.BatchSize - len(g.messages)
		got, err := p.client.receive(ctx, want, int(min(wait/time.Second, waitMax)), hidden)
		if err != nil {
			return false, err
		}
		p.take(g, got)
		if len(g.messages) >= p.BatchSize || g.bytes >= bodyBytesMax {
			return true, nil
		}
		if p.Window == 0 || len(g.messages) == 0 {
			return len(got) == min(want, receiveMax), nil
		}
		if wait = g.began.Add(p.Window).Sub(p.host.Clock.Now()); wait <= 0 {
			return false, nil
		}
		if len(got) == 0 && wait < time.Second && clock.Sleep(ctx, p.host.Clock, windowPoll) != nil {
			return false, nil
		}
	}
}

// take sorts what was received into what the function gets and what not.
func (p *Poller) take(g *gathering, got []api.Message) {
	p.host.Tell.Polled(len(got))
	for i := range got {
		m, r := p.client.messageOf(&got[i])
		if p.host.Wants != nil && !p.host.Wants(r.filtered()) {
			g.unwanted = append(g.unwanted, m)
			continue
		}
		if len(g.messages) == 0 {
			g.began = p.host.Clock.Now()
		}
		g.messages = append(g.messages, m)
		g.bytes += len(m.json) + 1
	}
}

// drop deletes what the filters do not want.
func (p *Poller) drop(ctx context.Context, unwanted []message) {
	if len(unwanted) == 0 {
		return
	}
	p.host.Tell.Filtered(len(unwanted))
	p.remove(ctx, unwanted)
}

func (p *Poller) remove(ctx context.Context, done []message) {
	if len(done) == 0 {
		return
	}
	err := p.client.remove(context.WithoutCancel(ctx), p.host.Clock, done)
	p.host.Tell.Deleted(len(done), err)
}

// throttled says that the function may be given a batch again later.
func throttled(err error) bool {
	f := fault.As(err)
	return f == nil || f.Status == 429 || f.Status >= 500
}
