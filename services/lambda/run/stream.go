package run

import (
	"context"
	"io"
	"sync"

	"moln.dev/moln/engine/pool/runtimeapi"
	"moln.dev/moln/platform/service"
)

// Stream is a response on its way: read as it comes, it holds next to nothing.
// A reader that is slow makes the function wait; one that has closed it does
// not: the function runs to its end.
type Stream struct {
	// Version serves the event.
	Version string
	// ContentType is what the runtime said of the response; Streamed, that there is
	// one, and not an error instead of it.
	ContentType string
	Streamed    bool

	body  *io.PipeReader
	whole []byte // of a response that was not streamed
	done  chan struct{}
	res   Result
	err   error
}

// sink is the other side of a Stream.
type sink struct {
	*io.PipeWriter
	once  sync.Once
	begun chan string // the content type
}

// Begin implements runtimeapi.Sink.
func (k *sink) Begin(contentType string) { k.once.Do(func() { k.begun <- contentType }) }

var _ runtimeapi.Sink = (*sink)(nil)

// Stream runs one event. It returns when the response begins, or when it is
// clear that there will be none; its error is that of Invoke. The stream is to
// be closed.
func (e *Engine) Stream(ctx context.Context, c *service.Call, inv Invocation) (*Stream, error) {
	f, v, err := e.Target(ctx, inv.Ref)
	if err != nil {
		return nil, err
	}
	s := &Stream{Version: v.Version, done: make(chan struct{})}
	k := &sink{begun: make(chan string, 1)}
	s.body, k.PipeWriter = io.Pipe()
	var once sync.Once
	settle := func(r Result, err error) {
		once.Do(func() {
			s.res, s.err = r, err
			_ = k.Close() // which frees a Write that a stopped runtime has left
			close(s.done)
		})
	}
	inv.sink = k
	if !inv.Tail {
		// What the function does behind its response is not waited for.
		inv.answered = func(r Result) { settle(r, nil) }
	}
	go func() { settle(e.on(ctx, c, f, v, inv)) }()
	select {
	case s.ContentType = <-k.begun:
		s.Streamed = true
		return s, nil
	case <-s.done:
	}
	select {
	case s.ContentType = <-k.begun: // and ended at once
		s.Streamed = true
	default:
		s.ContentType = s.res.ContentType
		if s.res.FunctionError == "" {
			s.whole = s.res.Payload
		}
	}
	return s, s.err
}

// Read implements io.Reader. At the response's end, good or bad, it is io.EOF;
// Result tells which.
func (s *Stream) Read(p []byte) (int, error) {
	if s.Streamed {
		return s.body.Read(p)
	}
	if len(s.whole) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.whole)
	s.whole = s.whole[n:]
	return n, nil
}

// Result waits for the end of the response, or with Tail of the invocation.
// Payload of a streamed response is its error, if any.
func (s *Stream) Result() (Result, error) {
	<-s.done
	return s.res, s.err
}

// Close says that nobody reads on.
func (s *Stream) Close() error { return s.body.Close() }
