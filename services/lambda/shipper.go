package lambda

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

// stream carries the log of one execution environment to CloudWatch Logs, in
// batches, as the function's role (L6).
type stream struct {
	shipper *shipper
	call    func() *service.Call
	group   string
	name    string
	subject string // the function, for our own log

	sending sync.Mutex // one batch at a time

	mu        sync.Mutex
	pending   []line
	bytes     int
	lost      int
	scheduled bool

	created bool // guarded by sending
}

// shipper knows the streams that have something to send.
type shipper struct {
	log *slog.Logger

	mu     sync.Mutex
	dirty  map[*stream]*time.Timer
	denied map[string]bool // functions whose denial was noted
	closed bool
	work   sync.WaitGroup
}

func newShipper(log *slog.Logger) *shipper {
	return &shipper{log: log, dirty: map[*stream]*time.Timer{}, denied: map[string]bool{}}
}

// add takes a line. It is called with locks of the pool held and does no work.
func (s *stream) add(at time.Time, text string) {
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

func (k *shipper) schedule(s *stream) bool {
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

// close sends what is left.
func (k *shipper) close() {
	k.mu.Lock()
	k.closed = true
	var now []*stream
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
func (s *stream) flush() {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	lines, lost := s.pending, s.lost
	s.pending, s.bytes, s.lost, s.scheduled = nil, 0, 0, false
	s.mu.Unlock()
	if lost > 0 {
		s.shipper.log.Warn("log lines of a function were dropped: they came faster than they could be stored", "function", s.subject, "lines", lost)
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

func (s *stream) send(ctx context.Context, lines []line) error {
	in := &logs.PutLogEventsInput{LogGroupName: &s.group, LogStreamName: &s.name}
	for _, l := range lines {
		in.LogEvents = append(in.LogEvents, logs.InputLogEvent{Timestamp: new(l.at.UnixMilli()), Message: new(l.text)})
	}
	c := s.call()
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
func (s *stream) create(ctx context.Context, c *service.Call) error {
	put := func() error {
		_, err := service.Invoke(ctx, c, logs.CreateLogStream, &logs.CreateLogStreamInput{LogGroupName: &s.group, LogStreamName: &s.name})
		if fault.Is(err, "ResourceAlreadyExistsException") {
			return nil
		}
		return err
	}
	err := put()
	if !fault.Is(err, "ResourceNotFoundException") {
		return err
	}
	if _, err := service.Invoke(ctx, c, logs.CreateLogGroup, &logs.CreateLogGroupInput{LogGroupName: &s.group}); err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
		return err
	}
	return put()
}

// refused notes once per function that its log cannot be written.
func (k *shipper) refused(s *stream, err error) {
	k.mu.Lock()
	noted := k.denied[s.subject]
	k.denied[s.subject] = true
	k.mu.Unlock()
	if !noted {
		k.log.Warn("the log of a function cannot be written; its role needs logs:CreateLogGroup, logs:CreateLogStream and logs:PutLogEvents", "function", s.subject, "error", err)
	}
}

func isFault(err error) bool { return fault.As(err) != nil }
