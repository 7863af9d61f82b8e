package telemetry

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/engine/pool/runtimeapi"
)

// earlyMax and earlyBytesMax bound what is kept for those who subscribe during
// init: no more than the largest queue of theirs would take.
const (
	earlyMax      = 2000
	earlyBytesMax = queuedFactor * bytesMax
)

// Dial connects to a port inside the environment.
type Dial func(ctx context.Context, port int) (net.Conn, error)

// event is one, ready to be sent.
type event struct {
	category string
	kind     string
	at       time.Time
	record   any
}

// Hub takes an environment's events and serves its subscribers. It is safe for
// concurrent use.
type Hub struct {
	now   func() time.Time
	dial  Dial
	idle  atomic.Bool                   // no subscriber will ever want anything
	watch func(kind string, record any) // the host's own ear; may be nil

	mu      sync.Mutex
	early   []event
	held    int // bytes of early's lines
	closed  bool
	paused  bool
	sending int
	wake    *sync.Cond // of mu: resumed, or ended
	ended   bool
	subs    []*subscriber
}

// New returns a hub. dial may be nil.
func New(now func() time.Time, dial Dial) *Hub {
	h := &Hub{now: now, dial: dial}
	h.wake = sync.NewCond(&h.mu)
	return h
}

// Watch has f told of each event of the platform, before Platform returns.
func (h *Hub) Watch(f func(kind string, record any)) { h.watch = f }

// Platform tells an event of the platform.
func (h *Hub) Platform(kind string, record any) {
	if h.watch != nil {
		h.watch(kind, record)
	}
	if !h.idle.Load() {
		h.tell(event{Platform, kind, h.now(), record}, 0)
	}
}

// Line tells a line of the function's or an extension's log. structured says
// that the log's format is JSON: what is an object is sent as one.
func (h *Hub) Line(category string, at time.Time, line string, structured bool) {
	if h.idle.Load() {
		return
	}
	var record any = line
	if structured && strings.HasPrefix(line, "{") && json.Valid([]byte(line)) {
		record = json.RawMessage(line)
	}
	h.tell(event{category, category, at, record}, len(line))
}

// tell gives an event, whose line has that many bytes, to all who listen or may
// yet.
func (h *Hub) tell(e event, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed && len(h.early) < earlyMax && h.held+bytes <= earlyBytesMax {
		h.early = append(h.early, e)
		h.held += bytes
	}
	for _, s := range h.subs {
		s.take(e)
	}
}

// Close ends the time for subscriptions.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed, h.early = true, nil
	h.idle.Store(len(h.subs) == 0)
}

// Subscribed says whether anybody listens.
func (h *Hub) Subscribed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs) > 0
}

// Serve answers a subscription by the extension called name. ok is false when
// the request is none.
func (h *Hub) Serve(q runtimeapi.Request, name func() (string, *runtimeapi.Response)) (response runtimeapi.Response, ok bool) {
	d, ok := dialects[strings.TrimSuffix(q.Path, "/")]
	if !ok {
		return runtimeapi.Response{}, false
	}
	if q.Method != "PUT" {
		return runtimeapi.ErrorResponse(405, "MethodNotAllowed", "only PUT is allowed"), true
	}
	who, refused := name()
	if refused != nil {
		return *refused, true
	}
	return h.subscribe(d, who, q.Body), true
}

func (h *Hub) subscribe(d dialect, name string, body []byte) runtimeapi.Response {
	response, told := h.enter(d, name, body)
	if told != nil && h.watch != nil {
		h.watch(Subscription, *told)
	}
	return response
}

func (h *Hub) enter(d dialect, name string, body []byte) (response runtimeapi.Response, told *SubscriptionRecord) {
	if h.dial == nil {
		return runtimeapi.ErrorResponse(202, d.title+".NotSupported", d.title+" API is not supported"), nil
	}
	o, problems := d.parse(body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.ended {
		return runtimeapi.ErrorResponse(403, d.title+".SubscriptionClosed", d.title+" API subscription is closed"), nil
	}
	if len(problems) > 0 {
		return runtimeapi.ErrorResponse(400, "ValidationError", refusal(problems)), nil
	}
	s := newSubscriber(h, d, name, o)
	h.subs = slices.DeleteFunc(h.subs, func(other *subscriber) bool {
		if same := other.name == name && other.dialect.logs == d.logs; same {
			other.stop()
			return true
		}
		return false
	})
	for _, e := range h.early {
		s.take(e)
	}
	h.subs = append(h.subs, s)
	told = &SubscriptionRecord{name, "Subscribed", o.types}
	e := event{Platform, Subscription, h.now(), *told}
	if len(h.early) < earlyMax {
		h.early = append(h.early, e)
	}
	for _, s := range h.subs {
		s.take(e)
	}
	return runtimeapi.Response{Status: 200, Body: []byte(`"OK"`)}, told
}

// Idle says that no subscriber will ever want anything.
func (h *Hub) Idle() bool { return h.idle.Load() }

// Pause stops deliveries, because the environment is about to stand still. It
// fails while one is under way.
func (h *Hub) Pause() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sending > 0 {
		return false
	}
	h.paused = true
	return true
}

// Resume lets deliveries go on.
func (h *Hub) Resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = false
	h.wake.Broadcast()
}

// begin waits for leave to send; false says that there is nothing to send for
// any more. end must follow a true.
func (h *Hub) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.paused && !h.ended {
		h.wake.Wait()
	}
	if h.ended {
		return false
	}
	h.sending++
	return true
}

func (h *Hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sending--
}

// Flush sends what is buffered and waits for it.
func (h *Hub) Flush(ctx context.Context) {
	h.mu.Lock()
	subs := slices.Clone(h.subs)
	h.mu.Unlock()
	for _, s := range subs {
		s.flush(ctx)
	}
}

// End drops everything: the environment is gone.
func (h *Hub) End() {
	h.idle.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended, h.early = true, nil
	h.wake.Broadcast()
	for _, s := range h.subs {
		s.stop()
	}
}
