package runtimeapi

import (
	"bufio"
	"errors"
	"io"
	"math"
	"strings"
)

const (
	// StreamMax is the largest streamed response: 200 MB, as Lambda's quotas
	// page has it.
	StreamMax = 200 << 20
	// sinkBytes is how much of a streamed response is held here at a time.
	sinkBytes = 32 << 10
	// TypeTruncated is the error type of a response whose connection broke.
	TypeTruncated = "Runtime.TruncatedResponse"
)

var errTooLong = errors.New("runtimeapi: the response is too long")

// Sink takes a streamed response. Its methods are called from the connection's
// goroutine: as long as Write blocks, no more is read, and the runtime waits.
// Once Write has failed nothing more is written to it; the runtime may go on.
type Sink interface {
	// Begin comes before anything else, once the response's head was read.
	Begin(contentType string)
	io.Writer
}

// openSink returns where the response that r begins goes to, or nil where r is
// no response, or nobody wants it piece by piece. Who wants it so gets any
// response so: not every runtime that streams says that it does.
func (s *Server) openSink(r *request) Sink {
	if mode := r.header[modeHeader]; r.method != "POST" || (mode != "" && mode != "streaming") {
		return nil
	}
	path, _, _ := strings.Cut(r.target, "?")
	rest, ok := strings.CutPrefix(path, prefix+"invocation/")
	id, verb, _ := strings.Cut(rest, "/")
	if !ok || verb != responseVerb {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sink == nil || s.judge(id) != nil {
		return nil
	}
	to := s.sink
	s.sink, s.state = nil, streaming
	return to
}

// stream hands a response's body on as it comes, and reports the answer at its
// end. It says whether the connection can be used again.
func (s *Server) stream(c *conn, br *bufio.Reader, r *request, to Sink) bool {
	s.mu.Lock()
	id := s.current
	s.mu.Unlock()
	contentType := r.header["content-type"]
	to.Begin(contentType)
	p := &pump{from: br, to: to}
	err := p.run(r)
	a := Answer{RequestID: id, ContentType: contentType, Streamed: true, SunkBytes: p.sunk}
	if err == nil {
		a = trailed(r, a)
	}
	switch {
	case errors.Is(err, errTooLong):
		a.OversizeBytes = p.seen
	case err != nil:
		a.Failed, a.ErrorType = true, TypeTruncated
		a.Body = errorBody(a.ErrorType, "the response ended early")
	}
	s.mu.Lock()
	s.state = answered
	s.mu.Unlock()
	s.events.Answered(a)
	switch {
	case a.OversizeBytes > 0:
		s.refuseSize(c, StreamMax)
	case errors.Is(err, errTruncated):
		s.refuse(c, 400, "TruncatedHTTPRequest", "the request body is incomplete")
	case err != nil:
		s.refuse(c, 400, "InvalidRequest", "the request is not well-formed HTTP/1.1")
	default:
		s.accept(c)
	}
	return err == nil
}

// pump copies a body into a Sink.
type pump struct {
	from *bufio.Reader
	to   Sink // nil once it took an error
	seen int64
	sunk int64
	room []byte
}

func (p *pump) run(r *request) error {
	if r.header["transfer-encoding"] != "" {
		if !strings.EqualFold(r.header["transfer-encoding"], "chunked") || r.header["content-length"] != "" {
			return errMalformed
		}
		return r.readChunks(p.from, math.MaxInt64, p.copy)
	}
	n, err := r.length()
	if err != nil {
		return err
	}
	return p.copy(n)
}

// copy hands on n bytes, in the pieces in which they arrive.
func (p *pump) copy(n int64) error {
	if p.room == nil {
		p.room = make([]byte, sinkBytes)
	}
	for n > 0 {
		got, err := p.from.Read(p.room[:min(n, int64(len(p.room)))])
		n -= int64(got)
		p.give(p.room[:got])
		if p.seen > StreamMax {
			return errTooLong
		}
		if err != nil {
			return truncated(err)
		}
	}
	return nil
}

func (p *pump) give(b []byte) {
	p.seen += int64(len(b))
	if over := p.seen - StreamMax; over > 0 {
		b = b[:max(int64(len(b))-over, 0)]
	}
	if p.to == nil || len(b) == 0 {
		return
	}
	n, err := p.to.Write(b)
	p.sunk += int64(n)
	if err != nil {
		p.to = nil
	}
}
