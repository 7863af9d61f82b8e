// Package observe is what moln says about itself: logs (log/slog), metrics (a
// small registry written as Prometheus text) and traces (spans in the W3C
// trace context), in one handle that is passed down and never global.
//
// It is not what an account sees of its own applications: CloudWatch, X-Ray and
// the usage meter are services with their own storage. Nothing here is durable
// and nothing here may slow a request down: counting is one atomic operation,
// and every table has a named limit.
package observe

import (
	"context"
	"log/slog"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

// Observer is the handle. Its fields are safe for concurrent use.
type Observer struct {
	Log     *slog.Logger
	Metrics *Registry
	Traces  *Tracer
}

// Options says where what is observed goes.
type Options struct {
	// Log takes the log records; nil drops them. Records written with a
	// context that carries a span get trace_id and span_id.
	Log slog.Handler
	// Spans is called with every span that ends, from the goroutine that ended
	// it; nil keeps the recent ones only.
	Spans func(Span)
	Clock clock.Clock
	Ident *ident.Source
}

// New returns an Observer.
func New(o Options) *Observer {
	h := o.Log
	if h == nil {
		h = slog.DiscardHandler
	}
	return &Observer{
		Log:     slog.New(traceHandler{h}),
		Metrics: NewRegistry(),
		Traces:  NewTracer(o.Clock, o.Ident, o.Spans),
	}
}

// traceHandler adds the ids of the context's span to records.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if p, ok := ParentFrom(ctx); ok {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", p.TraceID.String()), slog.String("span_id", p.SpanID.String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
