// Package logship carries what functions write to CloudWatch Logs: in batches,
// in the background, as the function's own role.
//
// Lines are lost when the role may not write, when they come faster than they
// can be stored, and when the process is killed within a moment of them; an
// invocation never waits for its log.
package logship

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	logs "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

const (
	// shipAfter is how long lines are gathered, in real time.
	shipAfter       = 250 * time.Millisecond
	shipTimeout     = 10 * time.Second
	shipTries       = 3
	shipEventsMax   = 10_000
	shipBytesMax    = 1_000_000
	shipEventExtra  = 26
	pendingBytesMax = 8 << 20
	lineBytesMax    = 256 << 10
)

// line is one log event.
type line struct {
	at   time.Time
	text string
}

// Stream carries the log of one execution environment to CloudWatch Logs, in
// batches, as the function's role.
type Stream struct {
	// Call makes a call as the function's role.
	Call        func() *service.Call
	Group, Name string
	Subject     string // the function, for our own log

	shipper *Shipper

	sending sync.Mutex // one batch at a time

	mu        sync.Mutex
	pending   []line
	bytes     int
	lost      int
	scheduled bool

	created bool // guarded by sending
}

// Shipper knows the streams that have something to send.
type Shipper struct {
	log *slog.Logger

	mu     sync.Mutex
	dirty  map[*Stream]*time.Timer
	denied map[string]bool // functions whose denial was noted
	closed bool
	work   sync.WaitGroup
}

// New returns a Shipper. log is told, once per function, when lines are lost.
func New(log *slog.Logger) *Shipper {
	return &Shipper{log: log, dirty: map[*Stream]*time.Timer{}, denied: map[string]bool{}}
}

// Add takes a line. It is called with locks of the pool held and does no work.
func (s *Stream) Add(at time.Time, text string) {
	if len(text) > lineBytesMax-shipEventExtra-1 {
		text = text[:lineBytesMax-shipEventExtra-1]
	}
	if text == "" {
		text = " "
	}
	if text[len(text)-1] != '\n' {
		text += "\n"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes > pendingBytesMax {
		s.lost++
		return
	}
	s.pending = append(s.pending, line{at, text})
	s.bytes += len(text)
	if !s.scheduled {
		s.scheduled = s.shipper.schedule(s)
	}
}

// Open makes st one of this Shipper's. Nothing is stored until a line comes.
func (k *Shipper) Open(st *Stream) *Stream {
	st.shipper = k
	return st
}

// Refused says how many functions have had lines refused.
func (k *Shipper) Refused() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.denied)
}

func (k *Shipper) schedule(s *Stream) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	k.work.Add(1)
	k.dirty[s] = time.AfterFunc(shipAfter, func() {
		defer k.work.Done()
		k.mu.Lock()
		delete(k.dirty, s)
		k.mu.Unlock()
		s.flush()
	})
	return true
}

// Close sends what is left.
func (k *Shipper) Close() {
	k.mu.Lock()
	k.closed = true
	var now []*Stream
	for s, t := range k.dirty {
		if t.Stop() {
			now = append(now, s)
			k.work.Done()
		}
	}
	k.mu.Unlock()
	for _, s := range now {
		s.flush()
	}
	k.work.Wait()
}

// flush sends everything pending.
func (s *Stream) flush() {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	lines, lost := s.pending, s.lost
	s.pending, s.bytes, s.lost, s.scheduled = nil, 0, 0, false
	s.mu.Unlock()
	if lost > 0 {
		s.shipper.log.Warn("log lines of a function were dropped: they came faster than they could be stored", "function", s.Subject, "lines", lost)
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	ctx, cancel := context.WithTimeout(context.Background(), shipTimeout)
	defer cancel()
	for len(lines) > 0 {
		n := batch(lines)
		if err := s.send(ctx, lines[:n]); err != nil {
			s.shipper.refused(s, err)
			return
		}
		lines = lines[n:]
	}
}

// batch is how many lines fit into one request.
func batch(lines []line) int {
	bytes := 0
	for i, l := range lines {
		bytes += len(l.text) + shipEventExtra
		if i > 0 && (i >= shipEventsMax || bytes > shipBytesMax || l.at.Sub(lines[0].at) > 23*time.Hour) {
			return i
		}
	}
	return len(lines)
}

func (s *Stream) send(ctx context.Context, lines []line) error {
	in := &logs.PutLogEventsInput{LogGroupName: &s.Group, LogStreamName: &s.Name}
	for _, l := range lines {
		in.LogEvents = append(in.LogEvents, logs.InputLogEvent{Timestamp: new(l.at.UnixMilli()), Message: new(l.text)})
	}
	c := s.Call()
	var err error
	for range shipTries {
		if !s.created {
			if err = s.create(ctx, c); err != nil {
				return err
			}
			s.created = true
		}
		if _, err = service.Invoke(ctx, c, logs.PutLogEvents, in); err == nil {
			return nil
		}
		if isFault(err) && !fault.Is(err, "ResourceNotFoundException") {
			return err
		}
		s.created = false // somebody deleted the group, or we failed: once more
	}
	return err
}

// create makes group and stream; that there are some already is no error, and
// neither is a role that may only write to a group made for it.
func (s *Stream) create(ctx context.Context, c *service.Call) error {
	put := func() error {
		_, err := service.Invoke(ctx, c, logs.CreateLogStream, &logs.CreateLogStreamInput{LogGroupName: &s.Group, LogStreamName: &s.Name})
		if fault.Is(err, "ResourceAlreadyExistsException") {
			return nil
		}
		return err
	}
	err := put()
	if !fault.Is(err, "ResourceNotFoundException") {
		return err
	}
	if _, err := service.Invoke(ctx, c, logs.CreateLogGroup, &logs.CreateLogGroupInput{LogGroupName: &s.Group}); err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
		return err
	}
	return put()
}

// refused notes once per function that its log cannot be written.
func (k *Shipper) refused(s *Stream, err error) {
	k.mu.Lock()
	noted := k.denied[s.Subject]
	k.denied[s.Subject] = true
	k.mu.Unlock()
	if !noted {
		k.log.Warn("the log of a function cannot be written; its role needs logs:CreateLogGroup, logs:CreateLogStream and logs:PutLogEvents", "function", s.Subject, "error", err)
	}
}

func isFault(err error) bool { return fault.As(err) != nil }
