package observe

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

const (
	// SpansKept is how many ended spans Recent has to give.
	SpansKept = 4096
	// AttributesMax is how many attributes a span keeps; what comes after is
	// counted in Span.Dropped.
	AttributesMax = 32
)

// TraceID names a trace, SpanID a span in it.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

func (id TraceID) String() string { return hex.EncodeToString(id[:]) }
func (id SpanID) String() string  { return hex.EncodeToString(id[:]) }

// Parent is the place in a trace that new spans hang on.
type Parent struct {
	TraceID TraceID
	SpanID  SpanID
	Sampled bool
}

// Attribute is something known about a span.
type Attribute struct{ Key, Value string }

// Span is a span that has ended.
type Span struct {
	Parent
	// ParentID is zero in the first span of a trace.
	ParentID   SpanID
	Name       string
	Start      time.Time
	Duration   time.Duration
	Attributes []Attribute
	Dropped    int
	Err        string
}

// Tracer makes spans. It is safe for concurrent use; a nil *Tracer makes spans
// that go nowhere.
type Tracer struct {
	clk   clock.Clock
	ident *ident.Source
	sink  func(Span)

	mu   sync.Mutex
	ring []Span
	next int
}

// NewTracer returns a Tracer; sink may be nil.
func NewTracer(clk clock.Clock, ids *ident.Source, sink func(Span)) *Tracer {
	return &Tracer{clk: clk, ident: ids, sink: sink}
}

// Active is a span that goes on. Its methods are safe for concurrent use and
// do nothing on nil or after End.
type Active struct {
	tracer *Tracer

	mu    sync.Mutex
	span  Span
	ended bool
}

type parentKey struct{}

// WithParent returns a context whose spans hang on p, as read from a request.
func WithParent(ctx context.Context, p Parent) context.Context {
	return context.WithValue(ctx, parentKey{}, p)
}

// ParentFrom returns what a span started with ctx would hang on.
func ParentFrom(ctx context.Context) (Parent, bool) {
	p, ok := ctx.Value(parentKey{}).(Parent)
	return p, ok
}

// Start begins a span below the one ctx carries, or a new trace.
func (t *Tracer) Start(ctx context.Context, name string) (context.Context, *Active) {
	if t == nil {
		return ctx, nil
	}
	parent, ok := ParentFrom(ctx)
	s := Span{Parent: parent, ParentID: parent.SpanID, Name: name, Start: t.clk.Now()}
	if !ok {
		s.TraceID, s.Sampled = TraceID(t.ident.Bytes(len(s.TraceID))), true
	}
	s.SpanID = SpanID(t.ident.Bytes(len(s.SpanID)))
	return WithParent(ctx, s.Parent), &Active{tracer: t, span: s}
}

// Set notes an attribute.
func (a *Active) Set(key, value string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ended:
	case len(a.span.Attributes) >= AttributesMax:
		a.span.Dropped++
	default:
		a.span.Attributes = append(a.span.Attributes, Attribute{key, value})
	}
}

// End ends the span; err, if not nil, is why it failed. Only the first call
// counts.
func (a *Active) End(err error) {
	if a == nil {
		return
	}
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		return
	}
	a.ended = true
	a.span.Duration = a.tracer.clk.Now().Sub(a.span.Start)
	if err != nil {
		a.span.Err = err.Error()
	}
	span := a.span
	a.mu.Unlock()
	a.tracer.keep(span)
}

func (t *Tracer) keep(s Span) {
	if !s.Sampled {
		return
	}
	t.mu.Lock()
	if len(t.ring) < SpansKept {
		t.ring = append(t.ring, s)
	} else {
		t.ring[t.next] = s
		t.next = (t.next + 1) % SpansKept
	}
	t.mu.Unlock()
	if t.sink != nil {
		t.sink(s)
	}
}

// Recent returns the last spans that ended, at most SpansKept, oldest first.
func (t *Tracer) Recent() []Span {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Span, 0, len(t.ring))
	out = append(out, t.ring[t.next:]...)
	return append(out, t.ring[:t.next]...)
}

// ErrTraceparent: a header that is no W3C traceparent. Such a header is
// ignored by who follows the standard.
var ErrTraceparent = errors.New("observe: malformed traceparent")

const (
	traceparentBytes = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	flagSampled      = 1
)

// ParseTraceparent reads a W3C traceparent header. Of versions later than 00
// it reads what version 00 knows.
func ParseTraceparent(header string) (Parent, error) {
	if len(header) < traceparentBytes {
		return Parent{}, ErrTraceparent
	}
	for i := range len(header) {
		if c := header[i]; c >= 'A' && c <= 'F' {
			return Parent{}, ErrTraceparent // the standard allows lower case only
		}
	}
	var version, flags [1]byte
	var p Parent
	fields := []struct {
		dst []byte
		at  int
	}{{version[:], 0}, {p.TraceID[:], 3}, {p.SpanID[:], 36}, {flags[:], 53}}
	for _, f := range fields {
		end := f.at + 2*len(f.dst)
		if _, err := hex.Decode(f.dst, []byte(header[f.at:end])); err != nil {
			return Parent{}, ErrTraceparent
		}
		if end < len(header) && header[end] != '-' {
			return Parent{}, ErrTraceparent
		}
	}
	if version[0] == 0xff || version[0] == 0 && len(header) != traceparentBytes {
		return Parent{}, ErrTraceparent
	}
	if p.TraceID == (TraceID{}) || p.SpanID == (SpanID{}) {
		return Parent{}, ErrTraceparent
	}
	p.Sampled = flags[0]&flagSampled != 0
	return p, nil
}

// Traceparent returns the W3C header for p.
func (p Parent) Traceparent() string {
	flags := "-00"
	if p.Sampled {
		flags = "-01"
	}
	return "00-" + p.TraceID.String() + "-" + p.SpanID.String() + flags
}
