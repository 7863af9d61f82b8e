package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/wire"
)

// Config is what a Gateway is made from. All fields but Assumer are required.
type Config struct {
	Services  []service.Definition
	Directory identity.Directory
	Assumer   service.Assumer
	Clock     clock.Clock
	// Wall tells the time that clients sign with: the machine's, wherever the
	// account's Clock has been moved to. Nil: Clock.
	Wall    clock.Clock
	Ident   *ident.Source
	Log     *slog.Logger
	Metrics *observe.Registry
	Audit   *audit.Log
	// Account owns everything that is reached without credentials.
	Account string
	// Suffixes are host names below which AWS's host forms work, besides
	// amazonaws.com: "localhost".
	Suffixes []string
	// TrustProxies are the peers whose word counts on how a request reached them
	// (X-Forwarded-Proto). Peers on this machine are among them always.
	TrustProxies []netip.Prefix
}

// Gateway answers AWS requests. Safe for concurrent use.
type Gateway struct {
	cfg       Config
	services  []*target
	bySigning map[string][]*target
	byTarget  map[string]*target // X-Amz-Target prefix
	byVersion map[string][]*target
	s3        *target
	ops       map[*smithy.Operation]*bound
	endpoints []service.Endpoint
	suffixes  []string // each with its leading dot
	keys      *sigv4.KeyCache
	memory    memory
	validator *smithy.Validator
	requests  *observe.CounterVec
	latency   *observe.HistogramVec
	rooms     sync.Pool // of *[]byte that answers are written into
}

// roomMax bounds the room that is kept for the next answer: a page of 1 MB fits, in
// the form that is sent.
const roomMax = 3 << 19

// bound is an operation with its handler and its service.
type bound struct {
	service.Operation
	target *target
	op     *smithy.Operation
}

// New builds the gateway's indexes from the services' definitions.
func New(cfg Config) (*Gateway, error) {
	if cfg.Wall == nil {
		cfg.Wall = cfg.Clock
	}
	g := &Gateway{
		cfg:       cfg,
		bySigning: map[string][]*target{},
		byTarget:  map[string]*target{},
		byVersion: map[string][]*target{},
		ops:       map[*smithy.Operation]*bound{},
		keys:      sigv4.NewKeyCache(signingKeysMax),
		validator: smithy.NewValidator(),
		requests:  cfg.Metrics.Counter("moln_requests_total", "requests by service, operation and status", "service", "operation", "status"),
		latency:   cfg.Metrics.Histogram("moln_request_seconds", "time from the first byte read to the last byte written", nil, "service"),
	}
	for _, s := range append([]string{"amazonaws.com.cn", "amazonaws.com"}, cfg.Suffixes...) {
		g.suffixes = append(g.suffixes, "."+s)
	}
	for i := range cfg.Services {
		if err := g.add(&cfg.Services[i]); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *Gateway) add(def *service.Definition) error {
	t := newTarget(def)
	g.services = append(g.services, t)
	s := def.Schema
	g.bySigning[s.SigningName] = append(g.bySigning[s.SigningName], t)
	if s.TargetPrefix != "" {
		g.byTarget[s.TargetPrefix] = t
	}
	g.byVersion[s.Version] = append(g.byVersion[s.Version], t)
	if s.Name == "s3" {
		g.s3 = t
	}
	g.endpoints = append(g.endpoints, def.Endpoints...)
	for _, op := range def.Operations {
		schema, model := op.Of()
		if schema != s {
			return fmt.Errorf("gateway: %s lists %s of another service", s.Name, model.Name)
		}
		if g.ops[model] != nil {
			return fmt.Errorf("gateway: %s lists %s twice", s.Name, model.Name)
		}
		g.ops[model] = &bound{Operation: op, target: t, op: model}
	}
	return nil
}

// exchange is one request on its way.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	host   string // lower case, no port
	began  time.Time
	call   *service.Call
	target *target
	codec  wire.Codec
	op     *bound
	record audit.Record
	signed *sigv4.Signed // nil: not signed, or not readably
	// found is the operation, where it had to be known before the body was.
	found *smithy.Operation
	// unsignedWhy is what is wrong with a signature that could not be read.
	unsignedWhy error
	stream      bool // the body was not buffered
	inbound     *inbound
	written     bool
	in          any   // the input, once it was understood
	sent        int64 // bytes of the answer's body
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 && len(r.Header["Expect"]) > 0 {
		// net/http asks for a body only where there is one. Some SDKs wait for the
		// answer all the same, and lose count of answers when it does not come.
		w.WriteHeader(http.StatusContinue)
	}
	x := g.begin(w, r)
	defer g.receive(x)()
	defer g.recordExchange(x)
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			begun := x.written
			g.fail(x, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
			if begun {
				// The status is sent; only a broken connection can tell the client.
				panic(http.ErrAbortHandler)
			}
		}
	}()
	for i := range g.endpoints {
		if e := &g.endpoints[i]; e.Match(r, x.host) {
			g.serveEndpoint(x, e)
			return
		}
	}
	if err := g.serveAPI(x); err != nil {
		g.fail(x, err)
	}
}

// serveEndpoint lets a data plane answer. Where it breaks before it has written
// anything, fail answers for it.
func (g *Gateway) serveEndpoint(x *exchange, e *service.Endpoint) {
	x.record.Service = e.Name
	x.inbound.streamed = e.Streams
	sw := &statusWriter{ResponseWriter: x.w}
	x.w = sw
	defer func() {
		x.written = sw.status != 0
		x.record.Status = sw.status
	}()
	e.Serve(sw, x.r, x.call)
	if sw.status == 0 {
		sw.status = http.StatusOK // what net/http sends for a silent handler
	}
}

func (g *Gateway) begin(w http.ResponseWriter, r *http.Request) *exchange {
	now := g.cfg.Clock.Now()
	id := g.cfg.Ident.RequestID()
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	x := &exchange{w: w, r: r, host: strings.ToLower(host), began: time.Now()}
	call := service.NewCall(g, service.Call{
		Caller: identity.Anonymous(), Account: g.cfg.Account, Region: identity.DefaultRegion,
		RequestID: id, Now: now, Log: requestLog(g.cfg.Log, id),
		HTTP: &service.HTTP{Request: r, Header: http.Header{}, Secure: g.secure(r)},
	})
	x.call = call
	source, _, _ := net.SplitHostPort(r.RemoteAddr)
	x.record = audit.Record{
		Time: now, RequestID: id, SourceIP: source, UserAgent: r.UserAgent(),
		Account: call.Account, Region: call.Region,
	}
	return x
}

// serveAPI takes an AWS API request through the fixed order.
func (g *Gateway) serveAPI(x *exchange) error {
	if err := g.route(x); err != nil {
		return err
	}
	if x.r.Method == http.MethodOptions && x.target.def.CORS {
		return g.preflight(x)
	}
	if x.target.def.CORS {
		allowBrowser(x.call.HTTP.Header)
	}
	req, err := g.authenticate(x)
	if err != nil {
		return err
	}
	if err := g.identify(x, req); err != nil {
		return err
	}
	if x.op.Level == service.LevelNone {
		return notImplemented(x.op)
	}
	if err := g.admit(x.call, x.op); err != nil {
		return err
	}
	in := x.op.NewInput()
	if err := x.codec.Decode(x.target.def.Schema, x.op.op, req, in); err != nil {
		return err
	}
	x.in = in
	if err := g.validate(x, in); err != nil {
		return err
	}
	ctx := x.r.Context()
	if err := g.authorize(ctx, x.call, x.op, in); err != nil {
		return err
	}
	out, err := x.op.Reply(ctx, x.call, in)
	if err != nil {
		return err
	}
	return g.answer(x, out)
}

// validate checks the model's constraints. S3 and API Gateway, whose models
// state few, word their own errors.
func (g *Gateway) validate(x *exchange, in any) error {
	return g.check(x.op, in)
}

// check validates an input; the service may word what is wrong with it.
func (g *Gateway) check(b *bound, in any) error {
	v := g.validator.Validate(b.target.def.Schema, b.op.Input, in)
	if forgives := b.target.def.Forgives; forgives != nil {
		v = slices.DeleteFunc(v, forgives)
	}
	if len(v) == 0 {
		return nil
	}
	if invalid := b.target.def.Invalid; invalid != nil {
		if err := invalid(b.op, in, v); err != nil {
			return err
		}
	}
	return fault.New(b.target.validationCode(), http.StatusBadRequest, "%s", smithy.Message(v))
}

func (g *Gateway) answer(x *exchange, out any) error {
	resp := &wire.Response{Status: x.call.HTTP.Status}
	room, _ := g.rooms.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	resp.Scratch = *room
	defer func() {
		if cap(resp.Scratch) <= roomMax {
			*room = resp.Scratch
			g.rooms.Put(room)
		}
	}()
	if err := x.codec.Encode(x.target.def.Schema, x.op.op, out, x.call.RequestID, resp); err != nil {
		if resp.Stream != nil {
			resp.Stream.Close()
		}
		return fmt.Errorf("encode %s: %w", x.op.op.Name, err)
	}
	if x.call.HTTP.Status != 0 {
		resp.Status = x.call.HTTP.Status
	}
	g.write(x, resp)
	return nil
}

// ours makes a fault of an error that is none of the caller's, and logs it.
func (g *Gateway) ours(x *exchange, err error) *fault.Fault {
	x.call.Log.Error("internal failure", "operation", x.record.Operation, "service", x.record.Service, "error", err)
	switch {
	case errors.Is(err, kv.ErrFull), errors.Is(err, blob.ErrFull):
		return fault.New("InsufficientStorage", http.StatusInsufficientStorage, "The storage of this moln is full: delete something, or give it more room.")
	case x.target != nil && x.target == g.s3:
		return fault.New("InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again.")
	}
	return fault.New("InternalFailure", http.StatusInternalServerError, "The request processing has failed because of an unknown error, exception or failure.")
}

// fail answers err: a fault as it is, anything else as InternalFailure.
func (g *Gateway) fail(x *exchange, err error) {
	f := fault.As(err)
	if f == nil {
		if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
			f = fault.New("RequestCanceled", 499, "The client went away.")
		} else {
			f = g.ours(x, err)
		}
	}
	x.record.Code, x.record.Message = f.Code, f.Message
	if f.Why != "" {
		x.call.Note(f.Why)
	}
	if x.written {
		return
	}
	codec := x.codec
	schema := &smithy.Service{} // of no service: it has no errors of its own
	var op *smithy.Operation
	if x.target != nil {
		schema = x.target.def.Schema
	}
	if codec == nil {
		codec = codecOf(x.r)
	}
	if x.op != nil {
		op = x.op.op
	}
	resp := &wire.Response{Status: f.Status, Header: http.Header{}}
	if err := codec.EncodeFault(schema, op, f, x.call.RequestID, resp); err != nil {
		x.call.Log.Error("encode fault", "code", f.Code, "error", err)
		resp.Status, resp.Body = http.StatusInternalServerError, nil
	}
	for k, v := range f.Header {
		resp.Header[k] = v
	}
	g.write(x, resp)
}
