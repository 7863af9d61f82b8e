package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// queuedFactor is how many full buffers may wait for a subscriber (T2).
	queuedFactor = 4
	sendTimeout  = 2 * time.Second
	sendTries    = 3
	retryPause   = 50 * time.Millisecond
	fellBehind   = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."
)

// subscriber is one extension's queue and the goroutine that empties it.
type subscriber struct {
	hub     *Hub
	dialect dialect
	name    string
	order   order
	types   map[string]bool
	client  *http.Client
	conn    net.Conn // of TCP; the sender's

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	dropped DroppedRecord
	idle    chan struct{} // closed while nothing is queued or on its way
	full    chan struct{} // has room for one: there is enough to send
	first   chan struct{} // has room for one: the queue is no longer empty
	ctx     context.Context
	stop    context.CancelFunc
}

func newSubscriber(h *Hub, d dialect, name string, o order) *subscriber {
	s := &subscriber{
		hub: h, dialect: d, name: name, order: o, types: map[string]bool{},
		full: make(chan struct{}, 1), first: make(chan struct{}, 1),
	}
	for _, t := range o.types {
		s.types[t] = true
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.client = &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return h.dial(ctx, o.port)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	go s.run()
	return s
}

// take queues an event, or drops it. It never blocks.
func (s *subscriber) take(e event) {
	if !s.types[e.category] {
		return
	}
	for _, e := range s.dialect.translate(e, s.order.schema) {
		s.push(encode(e))
	}
}

func encode(e event) []byte {
	raw, _ := json.Marshal(struct { // nothing in a record can fail
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{Stamp(e.at), e.kind, e.record})
	return raw
}

func (s *subscriber) push(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+len(raw) > s.order.bytes*queuedFactor || len(s.queue) >= s.order.items*queuedFactor {
		s.dropped.DroppedRecords++
		s.dropped.DroppedBytes += len(raw)
		return
	}
	if len(s.queue) == 0 {
		if s.idle == nil {
			s.idle = make(chan struct{})
		}
		signal(s.first)
	}
	s.queue = append(s.queue, raw)
	s.bytes += len(raw)
	if len(s.queue) >= s.order.items || s.bytes >= s.order.bytes {
		signal(s.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run sends a batch whenever there is enough of it, or it has waited long enough.
func (s *subscriber) run() {
	defer s.client.CloseIdleConnections()
	for {
		select {
		case <-s.first:
		case <-s.ctx.Done():
			s.close()
			return
		}
		wait := time.NewTimer(s.order.timeout)
		select {
		case <-s.full:
		case <-wait.C:
		case <-s.ctx.Done():
		}
		wait.Stop()
		s.empty()
	}
}

func (s *subscriber) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
}

// settle tells those who flush that nothing is left. Called with mu held.
func (s *subscriber) settle() {
	if s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// empty sends all that is queued.
func (s *subscriber) empty() {
	for {
		s.mu.Lock()
		batch := s.cut()
		if len(batch) == 0 || s.ctx.Err() != nil {
			s.settle()
			s.mu.Unlock()
			return
		}
		dropped := s.dropped
		s.dropped = DroppedRecord{}
		s.mu.Unlock()
		if dropped.DroppedRecords > 0 && s.types[Platform] {
			dropped.Reason = fellBehind
			batch = append(batch, encode(event{Platform, LogsDropped, s.hub.now(), dropped}))
		}
		if !s.hub.begin() {
			continue // which finds that it is over
		}
		err := s.send(batch)
		s.hub.end()
		if err != nil {
			s.mu.Lock()
			s.dropped.DroppedRecords += dropped.DroppedRecords + len(batch)
			s.dropped.DroppedBytes += dropped.DroppedBytes + size(batch)
			s.mu.Unlock()
		}
	}
}

// cut takes a batch off the queue. Called with mu held.
func (s *subscriber) cut() [][]byte {
	n, total := 0, 0
	for n < len(s.queue) && n < s.order.items && (n == 0 || total+len(s.queue[n]) <= s.order.bytes) {
		total += len(s.queue[n])
		n++
	}
	batch := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	s.bytes -= total
	return batch
}

func size(batch [][]byte) int {
	total := 0
	for _, raw := range batch {
		total += len(raw)
	}
	return total
}

// flush sends at once and waits until nothing is left.
func (s *subscriber) flush(ctx context.Context) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	signal(s.full)
	select {
	case <-idle:
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
}

func (s *subscriber) send(batch [][]byte) error {
	var err error
	for try := range sendTries {
		if try > 0 {
			select {
			case <-time.After(retryPause << try):
			case <-s.ctx.Done():
				return s.ctx.Err()
			}
		}
		if s.order.tcp {
			err = s.sendLines(batch)
		} else {
			err = s.post(batch)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// post sends a batch as a JSON array.
func (s *subscriber) post(batch [][]byte) error {
	body := append(append([]byte{'['}, bytes.Join(batch, []byte{','})...), ']')
	q, err := http.NewRequestWithContext(s.ctx, s.order.method, "http://"+s.order.host+s.order.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "")
	response, err := s.client.Do(q)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	const ignored = 64 << 10
	_, _ = io.CopyN(io.Discard, response.Body, ignored)
	if response.StatusCode >= 300 {
		return fmt.Errorf("the subscriber answered %d", response.StatusCode)
	}
	return nil
}

// sendLines sends a batch as lines of JSON over a connection that stays open.
func (s *subscriber) sendLines(batch [][]byte) error {
	if s.conn == nil {
		ctx, cancel := context.WithTimeout(s.ctx, sendTimeout)
		defer cancel()
		conn, err := s.hub.dial(ctx, s.order.port)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err := s.conn.Write(append(bytes.Join(batch, []byte{'\n'}), '\n'))
	if err != nil {
		err = errors.Join(err, s.conn.Close())
		s.conn = nil
	}
	return err
}
