package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/services/lambda"
)

// Invocation is what `moln invoke` asks a running moln for, over Lambda's own
// Invoke operation, signed with a key.
type Invocation struct {
	Endpoint, Region     string
	AccessKey, SecretKey string
	Function, Qualifier  string
	Payload              []byte
	ClientContext        []byte // JSON, or nil
	Async                bool   // do not wait for the answer
	// Inspect is where a debugger's client will connect, a loopback address of
	// moln's host; "" for no debugger. Such an invocation is asked for with the
	// admin token, and not with a key.
	Inspect, Token string
}

// Invoked is what came of it.
type Invoked struct {
	Payload       []byte
	FunctionError string
	Version       string
	RequestID     string
	LogTail       string
}

// Invoke calls a function of a running moln.
func Invoke(ctx context.Context, i Invocation) (Invoked, error) {
	if i.Inspect != "" {
		return askInspect(ctx, i)
	}
	query := ""
	if i.Qualifier != "" {
		query = "?Qualifier=" + url.QueryEscape(i.Qualifier)
	}
	at := strings.TrimSuffix(i.Endpoint, "/") + "/2015-03-31/functions/" + url.PathEscape(i.Function) + "/invocations" + query
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(i.Payload))
	if err != nil {
		return Invoked{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if i.Async {
		req.Header.Set("X-Amz-Invocation-Type", "Event")
	} else {
		req.Header.Set("X-Amz-Log-Type", "Tail")
	}
	if len(i.ClientContext) > 0 {
		req.Header.Set("X-Amz-Client-Context", base64.StdEncoding.EncodeToString(i.ClientContext))
	}
	sum := sha256.Sum256(i.Payload)
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: i.AccessKey, SecretAccessKey: i.SecretKey}, i.Region, "lambda", hex.EncodeToString(sum[:]), time.Now())
	res, err := askClient(0).Do(req)
	if err != nil {
		return Invoked{}, fmt.Errorf("no moln answers at %s: %w", i.Endpoint, err)
	}
	defer res.Body.Close()
	return readInvoked(res)
}

// readInvoked reads Invoke's answer.
func readInvoked(res *http.Response) (Invoked, error) {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Invoked{}, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		var fault struct{ Message string } // or "message": names are compared without case
		if json.Unmarshal(body, &fault) != nil || fault.Message == "" {
			fault.Message = strings.TrimSpace(string(body))
		}
		code, _, _ := strings.Cut(res.Header.Get("X-Amzn-Errortype"), ":")
		return Invoked{}, fmt.Errorf("%s (%d): %s", code, res.StatusCode, fault.Message)
	}
	tail, err := base64.StdEncoding.DecodeString(res.Header.Get("X-Amz-Log-Result"))
	if err != nil {
		return Invoked{}, err
	}
	return Invoked{
		Payload: body, FunctionError: res.Header.Get("X-Amz-Function-Error"), Version: res.Header.Get("X-Amz-Executed-Version"),
		RequestID: res.Header.Get("X-Amzn-Requestid"), LogTail: string(tail),
	}, nil
}

// askInspect asks a running moln for an invocation with a debugger.
func askInspect(ctx context.Context, i Invocation) (Invoked, error) {
	query := url.Values{"function": {i.Function}, "region": {i.Region}, "address": {i.Inspect}}
	if i.Qualifier != "" {
		query.Set("qualifier", i.Qualifier)
	}
	if len(i.ClientContext) > 0 {
		query.Set("clientContext", base64.StdEncoding.EncodeToString(i.ClientContext))
	}
	at := strings.TrimSuffix(i.Endpoint, "/") + adminPrefix + "inspect?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(i.Payload))
	if err != nil {
		return Invoked{}, err
	}
	res, err := askClient(0).Do(authorized(req, i.Token))
	if err != nil {
		return Invoked{}, fmt.Errorf("no moln answers at %s: %w", i.Endpoint, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return Invoked{}, refused(i.Endpoint, res)
	}
	var out lambda.Inspected
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return Invoked{}, err
	}
	tail, err := base64.StdEncoding.DecodeString(out.LogTail)
	return Invoked{Payload: out.Payload, FunctionError: out.FunctionError, Version: out.Version, RequestID: out.RequestID, LogTail: string(tail)}, err
}

// inspectPayloadMax is Invoke's own limit of 6 MB.
const inspectPayloadMax = 6 << 20

// inspectFunction is the page behind askInspect. It answers when the function
// has, and ends it when the client goes away.
func (s *Server) inspectFunction(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, inspectPayloadMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	q := r.URL.Query()
	out, err := s.inspect(r.Context(), lambda.Inspection{
		Account: s.cfg.Account, Region: q.Get("region"), Function: q.Get("function"), Qualifier: q.Get("qualifier"),
		Payload: payload, ClientContext: q.Get("clientContext"), Address: q.Get("address"),
	})
	if f := fault.As(err); f != nil {
		http.Error(w, f.Code+": "+f.Message, f.Status)
		return
	}
	if err != nil {
		s.log.Error("inspect a function", "error", err)
		http.Error(w, "the function could not be run; moln's log says why", http.StatusInternalServerError)
		return
	}
	writeJSON(w, out)
}
