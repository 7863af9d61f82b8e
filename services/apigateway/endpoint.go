package apigateway

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

// pipelinesMax bounds how many compiled deployments a node keeps.
const pipelinesMax = 256

// plane is the data plane's memory. Deployments never change, so a compiled one
// is never stale; which of them a stage shows is read with every request, so
// that all nodes agree.
type plane struct {
	mu       sync.Mutex
	compiled map[string]*pipeline.API // by API and deployment
	verdicts pipeline.AuthCache
}

func newPlane() *plane { return &plane{compiled: map[string]*pipeline.API{}} }

func (p *plane) get(key string) *pipeline.API {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.compiled[key]
}

func (p *plane) put(key string, a *pipeline.API) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for old := range p.compiled {
		if len(p.compiled) < pipelinesMax {
			break
		}
		delete(p.compiled, old)
	}
	p.compiled[key] = a
}

// target is the API, the stage and what of the path is left to the API.
type target struct {
	id, stage, path string // path is escaped
	byHost          bool
}

// targetOf reads the three forms of addresses:
//
//	<id>.execute-api.<anything>/<stage>/<path>
//	/_aws/execute-api/<id>/<stage>/<path>
//	/restapis/<id>/<stage>/_user_request_/<path>
func targetOf(host, path string) (target, bool) {
	if id, rest, ok := strings.Cut(host, "."); ok && strings.HasPrefix(rest, "execute-api.") && len(id) == apiIDLen {
		stage, tail, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return target{id, stage, "/" + tail, true}, true
	}
	if rest, ok := strings.CutPrefix(path, "/_aws/execute-api/"); ok {
		parts := strings.SplitN(rest, "/", 3)
		return target{id: parts[0], stage: part(parts, 1), path: "/" + part(parts, 2)}, true
	}
	if rest, ok := strings.CutPrefix(path, "/restapis/"); ok {
		parts := strings.SplitN(rest, "/", 4)
		if part(parts, 2) == "_user_request_" {
			return target{id: parts[0], stage: parts[1], path: "/" + part(parts, 3)}, true
		}
	}
	return target{}, false
}

func part(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return ""
}

func (s *Service) endpoint() service.Endpoint {
	return service.Endpoint{
		Name: "apigateway/stages",
		Match: func(r *http.Request, host string) bool {
			t, ok := targetOf(host, r.URL.EscapedPath())
			return ok && (!t.byHost || !strings.Contains(r.URL.Path, "/@connections"))
		},
		Serve: s.serve,
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request, c *service.Call) {
	resp, err := s.answer(r, c)
	if err != nil {
		c.Log.Error("api gateway", "path", r.URL.Path, "err", err)
		resp = &pipeline.Response{Status: http.StatusInternalServerError, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"message": "Internal server error"}`)}
	}
	if resp.Failure != nil {
		c.Note(resp.Failure.Error())
	}
	h := w.Header()
	for name, values := range resp.Header {
		h[name] = values
	}
	if resp.Status >= http.StatusOK && resp.Status != http.StatusNoContent && resp.Status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(resp.Body)))
	}
	w.WriteHeader(resp.Status)
	if r.Method != http.MethodHead {
		w.Write(resp.Body) // the client has gone where this fails
	}
}

// answer finds the stage's deployment and lets it serve the request.
func (s *Service) answer(r *http.Request, c *service.Call) (*pipeline.Response, error) {
	t, _ := targetOf(hostOf(r), r.URL.EscapedPath())
	ctx := r.Context()
	p, st, err := s.store.stage(ctx, t.id, t.stage)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return noStage(c), nil
	}
	a, err := s.compiled(ctx, p, t.id, *st.DeploymentId)
	if err != nil {
		return nil, err
	}
	c.Account, c.Region = p.Account, p.Region
	env := &pipeline.Env{
		Invoke: s.deps.Functions.Invoke, Tokens: s.tokens, Cache: &s.plane.verdicts, Depth: c.Depth, Pause: s.pause,
		Assume: func(ctx context.Context, role string) (identity.Principal, error) {
			own := identity.Service(servicePrincipal, p.Account, "arn:aws:apigateway:"+p.Region+"::/restapis/"+t.id)
			session, err := c.As(own).AssumeRole(ctx, service.Assume{RoleARN: role, SessionName: "BackplaneAssumeRoleSession"})
			return session.Principal, err
		},
	}
	stage := &pipeline.Stage{
		Account: p.Account, Region: p.Region, Name: t.stage, DeploymentID: *st.DeploymentId, Variables: st.Variables, Version: versionOf(st),
	}
	req, err := s.request(r, c, t)
	if err != nil {
		return badBody(c, err), nil
	}
	return a.Serve(ctx, env, stage, req), nil
}

func versionOf(st *api.Stage) string { return val(st.LastUpdatedDate).UTC().Format(time.RFC3339Nano) }

func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

// noStage is what AWS answers for a stage or an API that does not exist.
func noStage(c *service.Call) *pipeline.Response {
	return &pipeline.Response{
		Status: http.StatusForbidden, Body: []byte(`{"message":"Forbidden"}`),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Amzn-Errortype": {"ForbiddenException"}, "X-Amzn-Requestid": {c.RequestID}},
	}
}

// compiled gives a deployment's pipeline, compiling it once.
func (s *Service) compiled(ctx context.Context, p place, id, deployment string) (*pipeline.API, error) {
	key := id + "/" + deployment
	if a := s.plane.get(key); a != nil {
		return a, nil
	}
	snap, err := s.store.loadSnapshot(ctx, p, id, deployment)
	if err != nil {
		return nil, err
	}
	a, err := pipeline.Compile(snap)
	if err != nil {
		return nil, err
	}
	s.plane.put(key, a)
	return a, nil
}

// pause ends a context after d, by moln's clock.
func (s *Service) pause(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := s.deps.Clock.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

// badBody answers a body that broke off: half of a request must not be carried
// out.
func badBody(c *service.Call, err error) *pipeline.Response {
	return &pipeline.Response{
		Status: http.StatusBadRequest, Body: []byte(`{"message":"Bad Request"}`), Failure: err,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Amzn-Errortype": {"BadRequestException"}, "X-Amzn-Requestid": {c.RequestID}},
	}
}

// request reads what the client sent. Its error is the body's.
func (s *Service) request(r *http.Request, c *service.Call, t target) (*pipeline.Request, error) {
	out := &pipeline.Request{
		Method: r.Method, Path: t.path, FullPath: "/" + t.stage + t.path, Query: queryOf(r), Header: r.Header.Clone(), Host: hostOf(r),
		Protocol: r.Proto, RequestID: c.RequestID, ExtendedID: s.deps.Ident.Alnum(15) + "=", Time: c.Now,
		Secure: c.HTTP == nil || c.HTTP.Secure,
	}
	if !t.byHost {
		out.Host = t.id + ".execute-api." + c.Region + ".amazonaws.com"
	}
	out.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, pipeline.BodyMax))
	var large *http.MaxBytesError
	out.Body, out.TooLarge = body, size > pipeline.HeaderMax || errors.As(err, &large)
	if err != nil && large == nil {
		return nil, err
	}
	s.addHeaders(out, r, c)
	return out, nil
}

// queryOf keeps parameters that net/url would drop for their semicolons.
func queryOf(r *http.Request) url.Values {
	q, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil && len(q) == 0 {
		return nil
	}
	return q
}

// addHeaders sets what AWS's front adds to a request.
func (s *Service) addHeaders(out *pipeline.Request, r *http.Request, c *service.Call) {
	h := out.Header
	h.Set("Host", r.Host)
	if h.Get("X-Amzn-Trace-Id") == "" {
		id := s.deps.Ident.Hex(12)
		seconds := uint32(c.Now.Unix())
		h.Set("X-Amzn-Trace-Id", "Root=1-"+hex.EncodeToString([]byte{byte(seconds >> 24), byte(seconds >> 16), byte(seconds >> 8), byte(seconds)})+"-"+id)
	}
	out.TraceID = h.Get("X-Amzn-Trace-Id")
	forwarded := out.SourceIP
	if before := h.Get("X-Forwarded-For"); before != "" {
		forwarded = before + ", " + forwarded
	}
	h.Set("X-Forwarded-For", forwarded)
	port, proto := "80", "http"
	if r.TLS != nil {
		port, proto = "443", "https"
	}
	if _, p, err := net.SplitHostPort(r.Host); err == nil {
		port = p
	}
	h.Set("X-Forwarded-Port", port)
	h.Set("X-Forwarded-Proto", proto)
}
