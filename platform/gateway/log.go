package gateway

import (
	"context"
	"log/slog"
)

// requestHandler adds the request id to what a request logs. Most requests log
// nothing, so it is added when a record is written and not, as Logger.With
// does, for every request.
type requestHandler struct {
	base slog.Handler
	id   string
}

func requestLog(base *slog.Logger, id string) *slog.Logger {
	return slog.New(&requestHandler{base.Handler(), id})
}

// full is the handler with the id.
func (h *requestHandler) full() slog.Handler {
	return h.base.WithAttrs([]slog.Attr{slog.String("request", h.id)})
}

// Enabled implements slog.Handler.
func (h *requestHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.base.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *requestHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.full().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler { return h.full().WithAttrs(attrs) }

// WithGroup implements slog.Handler.
func (h *requestHandler) WithGroup(name string) slog.Handler { return h.full().WithGroup(name) }
