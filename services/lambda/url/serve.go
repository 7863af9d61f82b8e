package url

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

const (
	// bodyMax is the largest request body: with all else the event must fit
	// into 6 MB, which is judged when it is made.
	bodyMax = 6 << 20
	// forbiddenText is what AWS says to whoever may not call a URL.
	forbiddenText = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
	streamRoom    = 32 << 10
)

// pathPrefix is where URLs are below moln's own endpoint, for clients that do
// not find their host names.
const pathPrefix = "/_aws/lambda-url/"

// targetOf reads the two forms of addresses: ID.lambda-url.anything as the host,
// or the path /_aws/lambda-url/ID/. path is what the function sees.
func targetOf(host, path string) (id, rest string, byHost, ok bool) {
	id, domain, _ := strings.Cut(host, ".")
	if len(id) == idLen && strings.HasPrefix(domain, "lambda-url.") {
		return id, path, true, true
	}
	if path, ok = strings.CutPrefix(path, pathPrefix); !ok {
		return "", "", false, false
	}
	id, rest, _ = strings.Cut(path, "/")
	return id, "/" + rest, false, len(id) == idLen
}

// Endpoint is the data plane.
func (u *URLs) Endpoint() service.Endpoint {
	return service.Endpoint{
		Name: "lambda-url",
		Match: func(r *http.Request, host string) bool {
			_, _, _, ok := targetOf(host, r.URL.EscapedPath())
			return ok
		},
		Serve: u.serve,
	}
}

func (u *URLs) serve(w http.ResponseWriter, r *http.Request, c *service.Call) {
	w.Header()["X-Amzn-Requestid"] = []string{c.RequestID}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	id, path, byHost, _ := targetOf(host, r.URL.EscapedPath())
	ref, found, ok, err := u.store.URLByID(r.Context(), id)
	switch {
	case err != nil:
		fail(w, c, err)
		return
	case !ok:
		fail(w, c, forbidden(policy.Decision{}))
		return
	case found.Cors != nil && isPreflight(r):
		preflight(found.Cors, r, w.Header())
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return
	}
	if !byHost {
		host = id + ".lambda-url." + ref.Region + ".on.aws"
	}
	x := &exchange{urls: u, w: w, call: c, ref: ref, url: &found, byPath: !byHost, asked: asked{http: r, id: id, host: host, path: path, requestID: c.RequestID, now: c.Now}}
	if err := x.run(); err != nil {
		share(found.Cors, r, w.Header())
		fail(w, c, err)
	}
}

// exchange is one request to a URL.
type exchange struct {
	asked
	urls *URLs
	w    http.ResponseWriter
	call *service.Call
	ref  fn.Ref
	url  *fn.URL
	// byPath says that the URL was addressed below moln's own endpoint.
	byPath bool
}

// run authorizes, invokes and answers. Its error is for fail: nothing is
// written yet.
func (x *exchange) run() error {
	if x.url.AuthType == api.FunctionUrlAuthTypeAwsIam && !sigv4.IsSigned(x.http) {
		return unsigned() // before anything of a stranger's is held
	}
	if err := x.read(); err != nil {
		return err
	}
	if err := x.authorize(); err != nil {
		return err
	}
	x.sourceIP, _, _ = net.SplitHostPort(x.http.RemoteAddr)
	if x.traceID = x.http.Header.Get("X-Amzn-Trace-Id"); x.traceID == "" {
		x.traceID = fmt.Sprintf("Root=1-%08x-%s", uint32(x.now.Unix()), x.urls.deps.Ident.Hex(12))
	}
	x.w.Header().Set("X-Amzn-Trace-Id", x.traceID)
	payload, err := eventOf(&x.asked)
	if err != nil {
		return err
	}
	inv := run.Invocation{Ref: x.ref, RequestID: x.call.RequestID, Payload: payload, Trace: x.traceID}
	if err := inv.Normalise("", false); err != nil {
		return err
	}
	c := *x.call
	c.Account, c.Region = x.ref.Account, x.ref.Region
	if x.url.InvokeMode == api.InvokeModeResponseStream {
		return x.stream(&c, inv)
	}
	res, err := x.urls.engine.Invoke(x.http.Context(), &c, inv)
	if err != nil {
		return err
	}
	if res.FunctionError != "" {
		return errFunction
	}
	a, err := answerOf(res.Payload, res.ContentType)
	if err != nil {
		return err
	}
	x.write(a)
	return nil
}

func (x *exchange) read() error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, x.http.Body, bodyMax))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return api.ErrRequestTooLargeException("Request must be smaller than %d bytes for the InvokeFunction operation", bodyMax)
	case err != nil:
		return fault.New("BadRequestException", http.StatusBadRequest, "Bad Request")
	}
	x.body = body
	return nil
}

// authorize judges the request (U2).
func (x *exchange) authorize() error {
	ctx := x.http.Context()
	x.caller = identity.Anonymous()
	if x.url.AuthType == api.FunctionUrlAuthTypeAwsIam {
		p, err := x.call.AuthenticateRequest(ctx, service.SignedRequest{Service: "lambda", Region: x.ref.Region, Body: x.body})
		if err != nil {
			return err
		}
		x.caller = p
		x.call.Caller = p // the record tells who it was
	}
	check, err := x.urls.check(ctx, x.ref)
	if err != nil {
		return err
	}
	if check.Context == nil {
		check.Context = policy.Keys{}
	}
	check.Context["lambda:functionurlauthtype"] = []string{x.url.AuthType}
	check.Context["lambda:invokedviafunctionurl"] = []string{"true"}
	check.Fault = forbidden
	// The keys about the wire (aws:SourceIp) stay: As would drop them.
	c := *x.call
	c.Caller, c.Account, c.Region = x.caller, x.ref.Account, x.ref.Region
	for _, action := range []string{"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"} {
		check.Action = action
		if err := c.Judge(ctx, check); err != nil {
			return err
		}
	}
	return nil
}

func unsigned() error { return forbidden(policy.Decision{Reason: "the request is not signed"}) }

func forbidden(d policy.Decision) error {
	f := fault.New("AccessDeniedException", http.StatusForbidden, "%s", forbiddenText)
	f.Why = d.Reason
	return f
}

// write sends an answer that is there whole.
func (x *exchange) write(a *answer) {
	x.head(a)
	if a.status >= http.StatusOK && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	} else {
		a.body = nil
	}
	x.w.WriteHeader(a.status)
	if x.http.Method != http.MethodHead {
		_, _ = x.w.Write(a.body) // the client has gone where this fails
	}
}

func (x *exchange) head(a *answer) {
	h := x.w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if x.byPath {
		h.Del("Service-Worker-Allowed") // the origin is not the function's alone
	}
	share(x.url.Cors, x.http, h)
}

// stream sends a response as it comes.
func (x *exchange) stream(c *service.Call, inv run.Invocation) error {
	ctx := x.http.Context()
	s, err := x.urls.engine.Stream(ctx, c, inv)
	if err != nil {
		return err
	}
	defer s.Close()
	body := bufio.NewReaderSize(s, preludeMax+len(preludeEnd))
	a := plain(nil, jsonType)
	if s.ContentType != "" {
		a.header.Set("Content-Type", s.ContentType)
	}
	if s.ContentType == integrationType {
		if a, err = readMetadata(body); err != nil {
			_ = s.Close() // a function that writes on must not wait for us
			if res, e := s.Result(); e == nil && res.FunctionError != "" {
				err = errFunction
			}
			return err
		}
	} else if _, err := body.Peek(1); err == io.EOF {
		// A failure before the first byte can still be told by the status.
		if res, err := s.Result(); err != nil || res.FunctionError != "" {
			return errors.Join(err, errFunction)
		}
	}
	x.head(a)
	x.w.WriteHeader(a.status)
	x.copy(body)
	// Who has gone, or takes no body, must not hold the function.
	_ = s.Close()
	if res, err := s.Result(); ctx.Err() == nil && (err != nil || res.FunctionError != "") {
		// The status is sent; only a broken connection can tell the client.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// copy sends each piece when it comes.
func (x *exchange) copy(body io.Reader) {
	flusher := http.NewResponseController(x.w)
	room := make([]byte, streamRoom)
	for flusher.Flush() == nil {
		n, err := body.Read(room)
		if n > 0 && x.http.Method != http.MethodHead {
			if _, err := x.w.Write(room[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readMetadata reads what stands in front of a streamed body, and leaves the
// reader at the body.
func readMetadata(r *bufio.Reader) (*answer, error) {
	for want := len(preludeEnd); want <= r.Size(); want = r.Buffered() + 1 {
		_, err := r.Peek(want) // there is more now, or there will be none
		seen, _ := r.Peek(r.Buffered())
		if i := bytes.Index(seen, preludeEnd); i >= 0 {
			a, bad := metadataOf(seen[:i])
			_, _ = r.Discard(i + len(preludeEnd))
			return a, bad
		}
		if err != nil {
			return nil, fmt.Errorf("%w: its metadata has no end", errAnswer)
		}
	}
	return nil, fmt.Errorf("%w: its metadata is longer than %d bytes", errAnswer, preludeMax)
}

// errFunction: the function failed; its error is in its log, not for the client.
var errFunction = errors.New("the function failed")

// fail answers for what did not come to an answer.
func fail(w http.ResponseWriter, c *service.Call, err error) {
	h := w.Header()
	h.Set("Content-Type", jsonType)
	status, body := http.StatusBadGateway, []byte("Internal Server Error")
	f := fault.As(err)
	switch {
	case f != nil:
		status, body = f.Status, faultBody(f)
		h.Set("X-Amzn-Errortype", f.Code)
		if f.Why != "" {
			c.Note(f.Why)
		}
	case errors.Is(err, errFunction) || errors.Is(err, errAnswer):
		c.Note(err.Error())
	default:
		c.Log.Error("function URL", "error", err)
		status = http.StatusInternalServerError
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func faultBody(f *fault.Fault) []byte {
	out := struct {
		Reason  *string `json:",omitempty"`
		Type    *string `json:",omitempty"`
		Message string
	}{Message: f.Message}
	if t, ok := f.Body.(*api.TooManyRequestsException); ok {
		out.Reason, out.Type = t.Reason, t.Type
	}
	raw, _ := json.Marshal(out)
	return raw
}
