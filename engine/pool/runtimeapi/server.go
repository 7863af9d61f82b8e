package runtimeapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Invocation is what the runtime gets from next.
type Invocation struct {
	RequestID       string
	Payload         []byte
	ContentType     string // application/json when empty
	DeadlineMs      int64  // since 1970
	FunctionARN     string
	TraceID         string
	ClientContext   string // JSON
	CognitoIdentity string // JSON
	TenantID        string
	// Sink takes the body of the response as it comes. Nil: it is collected, up to
	// PayloadMax.
	Sink Sink
}

// Answer is what the runtime posted.
type Answer struct {
	RequestID   string
	Failed      bool // posted to error, not to response
	Body        []byte
	ContentType string
	ErrorType   string // of a failed answer, sanitized
	Streamed    bool
	// SunkBytes went to the invocation's Sink; Body is then the error that the
	// runtime reported behind them, if any.
	SunkBytes int64
	// OversizeBytes is the size of a response that exceeds PayloadMax, or
	// StreamMax; Body is then cut short.
	OversizeBytes int64
	// Parked says that the runtime waits in next again already; Ready is not
	// called for that.
	Parked bool
}

// Events are called from the connection's goroutine, one at a time for a
// well-behaved runtime, with no lock held. None but Other may be nil.
type Events struct {
	Ready     func() // parked in next; see also Answer.Parked
	Answered  func(Answer)
	InitError func(Answer)
	// Other, which may be nil, answers what is not the Runtime API's own, each
	// request in a goroutine of its own. It may block; the context ends with the
	// connection.
	Other func(context.Context, Request) Response
}

type state int

const (
	starting state = iota
	ready
	running
	streaming // a response is on its way into a Sink
	answered
	failed
)

// ErrState is an order the server cannot take now.
var ErrState = errors.New("runtimeapi: the runtime is not waiting for work")

// Server serves one environment. It is safe for concurrent use.
type Server struct {
	events Events

	mu         sync.Mutex
	state      state
	parked     *conn       // waits in next
	asking     *conn       // waits in assign
	assignment []byte      // nil until Assign
	pending    *Invocation // delivered while nobody was parked
	current    string      // request id while running or answered
	sink       Sink        // of the current invocation, until its response begins
	conns      map[*conn]bool
	closed     bool
	// slots bound the connections at one time, and large the bodies beyond
	// smallBytes that are held: a guest must not fill its host's memory.
	slots, large chan struct{}
}

const (
	connectionsMax = 128 // more wait
	largeMax       = 4
)

// New returns a server that reports to events.
func New(events Events) *Server {
	return &Server{events: events, conns: map[*conn]bool{}, slots: make(chan struct{}, connectionsMax), large: make(chan struct{}, largeMax)}
}

// conn is one client connection. Its goroutine keeps reading while the client is
// parked, so that it notices a break; whoever delivers writes the answer.
type conn struct {
	net.Conn
	in     *bufio.Reader
	unpark chan struct{} // receives one value when a parked request is answered
	// held is the acceptance of an answer, which leaves with the next invocation:
	// see acceptAndPark. It belongs to whoever answers the parked request.
	held []byte
}

// Serve accepts on l until it is closed.
func (s *Server) Serve(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s.slots <- struct{}{}
		c := &conn{Conn: nc, in: bufio.NewReaderSize(nc, readBufferBytes), unpark: make(chan struct{}, 1)}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = nc.Close()
			<-s.slots
			return
		}
		s.conns[c] = true
		s.mu.Unlock()
		go s.serve(c)
	}
}

// Close breaks all connections.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) serve(c *conn) {
	defer s.forget(c)
	br := c.in
	for {
		r, err := readHead(br, func() error {
			_, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
			return err
		})
		if err == nil {
			if to := s.openSink(r); to != nil {
				if !s.stream(c, br, r, to) || r.close {
					return
				}
				continue
			}
			if !s.request(c, br, r) {
				return
			}
			continue
		}
		if errors.Is(err, errMalformed) {
			s.refuseForm(c)
		}
		return
	}
}

// request reads a request's body and answers it. It says whether the connection
// can be used again.
func (s *Server) request(c *conn, br *bufio.Reader, r *request) bool {
	took := false
	r.leave = func() {
		s.large <- struct{}{}
		took = true
	}
	defer func() {
		if took {
			<-s.large
		}
	}()
	err := r.readBody(br)
	switch {
	case errors.Is(err, errMalformed):
		s.refuseForm(c)
		return false
	case errors.Is(err, errTruncated):
		s.refuse(c, 400, "TruncatedHTTPRequest", "the request body is incomplete")
		return false
	case err != nil:
		return false
	case s.foreign(r):
		return s.serveOther(c, br, r) && !r.close
	}
	if parked := s.handle(c, r); parked && !await(c, br) {
		return false
	}
	return !r.close
}

func (s *Server) refuseForm(c *conn) {
	s.refuse(c, 400, "InvalidRequest", "the request is not well-formed HTTP/1.1")
}

// await blocks until the parked request is answered; false when the client is
// gone. Peeking is how a break shows while nothing is to be read.
func await(c *conn, br *bufio.Reader) bool {
	_, err := br.Peek(1)
	if err != nil {
		return false
	}
	<-c.unpark
	return true
}

// forget clears a connection that broke, and whatever it was parked in.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if s.parked == c {
		s.parked = nil
	}
	if s.asking == c {
		s.asking = nil
	}
	s.mu.Unlock()
	_ = c.Close()
	<-s.slots
}

const (
	prefix       = "/2018-06-01/runtime/"
	jsonType     = "application/json"
	assignPath   = "/moln/assign"
	responseVerb = "response"
)

// handle answers a request, or parks it.
func (s *Server) handle(c *conn, r *request) (parked bool) {
	path, _, _ := strings.Cut(r.target, "?")
	switch {
	case path == prefix+"invocation/next" && r.method == "GET":
		return s.next(c)
	case path == assignPath && r.method == "GET":
		return s.assign(c)
	case path == prefix+"init/error" && r.method == "POST":
		s.initError(c, r)
		return false
	case path == "/ping" || path == "/2018-06-01/ping":
		_, _ = c.Write(append(appendHead(nil, 200, 4), "pong"...))
		return false
	}
	rest, ok := strings.CutPrefix(path, prefix+"invocation/")
	id, verb, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || (verb != responseVerb && verb != "error") {
		s.refuse(c, 404, "NotFound", "no such resource: "+r.method+" "+path)
		return false
	}
	if r.method != "POST" {
		s.refuse(c, 405, "MethodNotAllowed", "only POST is allowed")
		return false
	}
	return s.answer(c, r, id, verb == "error")
}

func (s *Server) next(c *conn) (parked bool) {
	s.mu.Lock()
	if s.state == running || s.state == streaming || s.state == failed {
		s.mu.Unlock()
		s.refuse(c, 403, "InvalidStateTransition", "State transition is not allowed")
		return false
	}
	if inv := s.pending; inv != nil {
		s.pending, s.state, s.current, s.sink = nil, running, inv.RequestID, inv.Sink
		s.mu.Unlock()
		_ = writeInvocation(c, inv)
		return false
	}
	if old := s.parked; old != nil {
		_ = old.Close() // a runtime has one place to wait in
	}
	was := s.state
	s.parked, s.state = c, ready
	s.mu.Unlock()
	if was != ready {
		s.events.Ready()
	}
	return true
}

// Deliver hands an invocation to the runtime. When the runtime has lost its
// connection, the invocation waits for it to come back.
func (s *Server) Deliver(inv *Invocation) error {
	s.mu.Lock()
	if s.state != ready || s.pending != nil || s.closed {
		s.mu.Unlock()
		return ErrState
	}
	c := s.parked
	if c == nil {
		s.pending = inv
		s.mu.Unlock()
		return nil
	}
	s.parked, s.state, s.current, s.sink = nil, running, inv.RequestID, inv.Sink
	s.mu.Unlock()
	err := writeInvocation(c, inv)
	c.unpark <- struct{}{}
	if err == nil {
		return nil
	}
	// The runtime did not get it; it may have another connection.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == running && s.current == inv.RequestID && !s.closed {
		s.state, s.pending = ready, inv
	}
	return nil
}

// copied is the size of a payload below which one copy is cheaper than a second
// buffer.
const copied = 16 << 10

func writeInvocation(c *conn, inv *Invocation) error {
	contentType := inv.ContentType
	if contentType == "" {
		contentType = jsonType
	}
	const headBytes = 1 << 10
	head := appendHead(append(make([]byte, 0, headBytes+min(len(inv.Payload), copied)), c.held...), 200, len(inv.Payload),
		"Content-Type", contentType,
		"Lambda-Runtime-Aws-Request-Id", inv.RequestID,
		"Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.DeadlineMs, 10),
		"Lambda-Runtime-Invoked-Function-Arn", inv.FunctionARN,
		"Lambda-Runtime-Trace-Id", inv.TraceID,
		"Lambda-Runtime-Client-Context", inv.ClientContext,
		"Lambda-Runtime-Cognito-Identity", inv.CognitoIdentity,
		"Lambda-Runtime-Aws-Tenant-Id", inv.TenantID)
	c.held = nil
	if len(inv.Payload) <= copied {
		_, err := c.Write(append(head, inv.Payload...))
		return err
	}
	buffers := net.Buffers{head, inv.Payload}
	_, err := buffers.WriteTo(c.Conn)
	return err
}

// Assign answers the runtime's question which function it is, now or when it
// asks. It may be called once.
func (s *Server) Assign(order []byte) error {
	s.mu.Lock()
	if s.assignment != nil || s.closed {
		s.mu.Unlock()
		return ErrState
	}
	s.assignment = order
	c := s.asking
	s.asking = nil
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	_, err := c.Write(append(appendHead(nil, 200, len(order), "Content-Type", jsonType), order...))
	c.unpark <- struct{}{}
	return err
}

func (s *Server) assign(c *conn) (parked bool) {
	s.mu.Lock()
	if s.state != starting || s.asking != nil {
		s.mu.Unlock()
		s.refuse(c, 403, "InvalidStateTransition", "State transition is not allowed")
		return false
	}
	order := s.assignment
	if order == nil {
		s.asking = c
	}
	s.mu.Unlock()
	if order == nil {
		s.events.Ready()
		return true
	}
	_, _ = c.Write(append(appendHead(nil, 200, len(order), "Content-Type", jsonType), order...))
	return false
}

func (s *Server) initError(c *conn, r *request) {
	s.mu.Lock()
	if s.state != starting {
		s.mu.Unlock()
		s.refuse(c, 403, "InvalidStateTransition", "State transition is not allowed")
		return
	}
	s.state = failed
	s.mu.Unlock()
	s.events.InitError(failure(r, "Runtime.Unknown"))
	s.accept(c)
}

const (
	modeHeader  = "lambda-runtime-function-response-mode"
	errorHeader = "lambda-runtime-function-error-type"
	errorText   = "lambda-runtime-function-error-body"
)

// answer takes what the runtime made of an invocation.
func (s *Server) answer(c *conn, r *request, id string, isError bool) (parked bool) {
	s.mu.Lock()
	refusal := s.judge(id)
	if refusal == nil {
		s.state = answered
	}
	s.mu.Unlock()
	if refusal != nil {
		s.refuse(c, refusal.status, refusal.kind, refusal.message)
		return false
	}
	a := Answer{RequestID: id, Body: r.body, ContentType: r.header["content-type"]}
	switch mode := r.header[modeHeader]; {
	case isError:
		a = failure(r, "Function.Unknown")
		a.RequestID = id
	case r.tooLarge():
		a.OversizeBytes = r.size
		s.events.Answered(a)
		s.refuseSize(c, PayloadMax)
		return false
	case mode == "" || mode == "streaming":
		a.Streamed = mode != ""
		a = trailed(r, a)
	default:
		a.Failed, a.ErrorType = true, "Runtime.InvalidResponseModeHeader"
		a.Body = errorBody(a.ErrorType, "the response mode is not known")
		s.events.Answered(a)
		s.refuse(c, 400, "InvalidFunctionResponseMode", "Invalid value in the header Lambda-Runtime-Function-Response-Mode")
		return false
	}
	if !r.close && c.takeNext() {
		s.acceptAndPark(c, a)
		return true
	}
	// The pool hears first, so that it never sees next before the answer.
	s.events.Answered(a)
	s.accept(c)
	return false
}

type refusal struct {
	status        int
	kind, message string
}

// judge decides whether an answer for id fits the state. Called with mu held.
func (s *Server) judge(id string) *refusal {
	if id != s.current || s.current == "" {
		return &refusal{400, "InvalidRequestID", "Invalid request ID"}
	}
	if s.state != running {
		return &refusal{403, "InvalidStateTransition", "State transition is not allowed"}
	}
	return nil
}

// trailed applies the trailers by which a response that has begun reports an
// error.
func trailed(r *request, a Answer) Answer {
	kind := r.trailer[errorHeader]
	if kind == "" {
		return a
	}
	a.Failed, a.ErrorType = true, errorType(kind, "Function.Unknown")
	if text, err := base64.StdEncoding.DecodeString(r.trailer[errorText]); err == nil && len(text) > 0 {
		a.Body = text
	}
	return a
}

func failure(r *request, unknown string) Answer {
	return Answer{
		Failed: true, Body: r.body, ContentType: r.header["content-type"],
		ErrorType: errorType(r.header[errorHeader], unknown),
	}
}

var knownErrorType = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

// errorType keeps the names that are the platform's, and hides the rest.
func errorType(given, unknown string) string {
	if knownErrorType.MatchString(given) {
		return given
	}
	return unknown
}

// acceptance is the answer to an answer.
func acceptance() []byte {
	const body = "{\"status\":\"OK\"}\n"
	return append(appendHead(make([]byte, 0, 128), 202, len(body), "Content-Type", jsonType), body...)
}

func (s *Server) accept(c *conn) { _, _ = c.Write(acceptance()) }

// nextLine begins a plain request for the next invocation, as a runtime that does
// not wait for the acceptance of its answer sends it right behind that.
const nextLine = "GET " + prefix + "invocation/next HTTP/1.1\r\nHost: "

// takeNext takes that request off what has arrived already, where it is there
// whole, and alone.
func (c *conn) takeNext() bool {
	rest, _ := c.in.Peek(c.in.Buffered())
	value, ok := bytes.CutPrefix(rest, []byte(nextLine))
	if !ok || bytes.IndexByte(value, '\n') != len(value)-len("\n\r\n") || !bytes.HasSuffix(value, []byte("\r\n\r\n")) {
		return false
	}
	_, _ = c.in.Discard(len(rest))
	return true
}

// acceptAndPark accepts an answer behind which the runtime has asked for the next
// invocation. It waits for nothing else: so the acceptance leaves together with
// that, and neither side is woken twice.
func (s *Server) acceptAndPark(c *conn, a Answer) {
	c.held = acceptance()
	s.mu.Lock()
	if old := s.parked; old != nil {
		_ = old.Close()
	}
	s.parked, s.state = c, ready
	s.mu.Unlock()
	a.Parked = true
	s.events.Answered(a)
}

func (s *Server) refuseSize(c *conn, limit int) {
	s.refuse(c, 413, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", limit))
}

func (s *Server) refuse(c *conn, status int, kind, message string) {
	body := errorBody(kind, message)
	_, _ = c.Write(append(appendHead(nil, status, len(body), "Content-Type", jsonType), body...))
}
