package esm

import (
	"context"
	"encoding/json"
	"time"
)

// eventBytesMax is how large the records of a batch may be as JSON: a synchronous
// invocation's payload, less what is around them.
const eventBytesMax = 6<<20 - 4096

// recordBytes is how large the records of a batch may be beside the state that a
// tumbling window has by then.
func (s *Settings) recordBytes() int {
	if s.TumblingS > 0 {
		return eventBytesMax - stateBytesMax
	}
	return eventBytesMax
}

// lane gives the records of some keys of a shard to the function, one batch
// after the other (E3).
type lane struct {
	*consumer
	kick   chan struct{}
	queue  []*entry // guarded by consumer.mu
	window *window  // open tumbling window; only the lane's goroutine uses it
}

// batch is what a lane does next.
type batch struct {
	entries []*entry
	// closing: the tumbling window is over.
	closing bool
}

// run works until the shard has ended and nothing is left.
func (l *lane) run(ctx context.Context) error {
	for {
		b, err := l.next(ctx)
		switch {
		case err != nil:
			return err
		case b.closing:
			err = l.closeWindow(ctx, false)
		case len(b.entries) == 0:
			return nil
		default:
			if s := l.m.TumblingS; s > 0 && l.window == nil {
				l.window = windowOf(b.entries[0].At, s)
			}
			err = l.process(ctx, b.entries)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for a batch. An empty one means that there will be none.
func (l *lane) next(ctx context.Context) (batch, error) {
	for {
		now := l.now()
		l.mu.Lock()
		n, closing, wait := l.ready(now)
		if n > 0 || closing {
			b := batch{l.queue[:n:n], closing}
			l.queue = l.queue[n:]
			l.mu.Unlock()
			return b, ctx.Err()
		}
		idle := l.ended && len(l.queue) == 0
		l.mu.Unlock()
		if idle {
			return batch{}, ctx.Err()
		}
		if err := l.pause(ctx, wait); err != nil {
			return batch{}, err
		}
	}
}

// pause waits for a kick, or for as long as wait says if it is not zero.
func (l *lane) pause(ctx context.Context, wait time.Duration) error {
	var due <-chan time.Time
	if wait > 0 {
		t := l.deps.Clock.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.kick:
	case <-due:
	}
	return nil
}

// ready says how many records make a batch now, or that the window is to be
// closed first, or how long to wait at most.
func (l *lane) ready(now time.Time) (n int, closing bool, wait time.Duration) {
	var head *entry
	if len(l.queue) > 0 {
		head = l.queue[0]
	}
	if l.window != nil && l.window.over(head, l.ended, l.caughtUp) {
		return 0, true, 0
	}
	if head == nil {
		return 0, false, 0
	}
	n, full := l.fill(head)
	due := head.seen.Add(time.Duration(l.m.WindowS) * time.Second)
	if full || l.ended || !now.Before(due) {
		return n, false, 0
	}
	return 0, false, due.Sub(now)
}

// fill counts the records that fit into a batch; full says that no later one
// could be added to it.
func (l *lane) fill(head *entry) (n int, full bool) {
	w := l.window
	if w == nil && l.m.TumblingS > 0 {
		w = windowOf(head.At, l.m.TumblingS)
	}
	bytes := 0
	for _, e := range l.queue {
		bytes += len(e.JSON) + 1
		if n == int(l.m.BatchSize) || n > 0 && bytes > l.m.recordBytes() || w != nil && !e.At.Before(w.End) {
			return n, true
		}
		n++
	}
	return n, n == int(l.m.BatchSize)
}

// event is what the function is given.
func (l *lane) event(records []Record, final, early bool) []byte {
	size := 1024
	for i := range records {
		size += len(records[i].JSON) + 1
	}
	b := append(make([]byte, 0, size), `{"Records":[`...)
	for i := range records {
		b = append(comma(b, i), records[i].JSON...)
	}
	b = append(b, ']')
	if w := l.window; w != nil {
		about, err := json.Marshal(struct {
			Window struct {
				Start time.Time `json:"start"`
				End   time.Time `json:"end"`
			} `json:"window"`
			State  json.RawMessage `json:"state"`
			Shard  string          `json:"shardId"`
			Source string          `json:"eventSourceARN"`
			Final  bool            `json:"isFinalInvokeForWindow"`
			Early  bool            `json:"isWindowTerminatedEarly"`
		}{struct {
			Start time.Time `json:"start"`
			End   time.Time `json:"end"`
		}{w.Start, w.End}, w.State, l.shard, l.m.Source, final, early})
		if err != nil {
			panic("esm: " + err.Error()) // the state was read as JSON
		}
		b = append(append(b, ','), about[1:len(about)-1]...)
	}
	return append(b, '}')
}
