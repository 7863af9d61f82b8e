package gateway

import (
	"bytes"
	"log/slog"
	"testing"
)

// TestRequestLogWritesAsWithDoes: a later id changes nothing that is written.
func TestRequestLogWritesAsWithDoes(t *testing.T) {
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	var got, want bytes.Buffer
	logger := func(w *bytes.Buffer) *slog.Logger {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: plain})).With("service", "s3")
	}
	write := func(l *slog.Logger) {
		l.Info("a", "k", "v")
		l.Debug("not enabled")
		l.With("x", 1).WithGroup("g").Warn("b", "k", "v")
		l.WithGroup("g").Error("c", "k", "v")
	}
	write(requestLog(logger(&got), "id-1"))
	write(logger(&want).With("request", "id-1"))
	if got.String() != want.String() || got.Len() == 0 {
		t.Errorf("got\n%swant\n%s", &got, &want)
	}
}
