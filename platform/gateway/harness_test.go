package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

const account = "000000000000"

// echo is the input and the output of most operations of the fake services.
type echo struct{ Message *string }

// object is the input and output of S3's.
type object struct {
	Bucket, Key *string
	Body        io.Reader
}

// Shapes of the fake services.
const (
	shapeString smithy.ShapeID = iota
	shapeEcho
	shapePath
	shapeObject
	shapeBody
	shapeBytes
)

func shapes() []smithy.Shape {
	return []smithy.Shape{
		shapeString: {Name: "String", Kind: smithy.KindString, Payload: -1, Constraints: &smithy.Constraints{HasMax: true, Max: 64}},
		shapeEcho: {Name: "Echo", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{
			{Name: "Message", WireName: "Message", Shape: shapeString, Flags: smithy.Required},
		}},
		shapePath: {Name: "Path", Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{
			{Name: "Message", WireName: "Message", Shape: shapeString, Location: smithy.InLabel, Flags: smithy.Required},
		}},
		shapeObject: {Name: "Object", Kind: smithy.KindStructure, Payload: 2, Members: []smithy.Member{
			{Name: "Bucket", WireName: "Bucket", Shape: shapeString, Location: smithy.InLabel, Flags: smithy.Required},
			{Name: "Key", WireName: "Key", Shape: shapeString, Field: 1, Location: smithy.InLabel, Flags: smithy.Required},
			{Name: "Body", WireName: "Body", Shape: shapeBytes, Field: 2, Location: smithy.InPayload, Flags: smithy.Streaming},
		}},
		shapeBody:  {Name: "Body", Kind: smithy.KindStructure, Payload: -1},
		shapeBytes: {Name: "Bytes", Kind: smithy.KindBlob, Payload: -1, Flags: smithy.Streaming},
	}
}

// fakes are services that speak each protocol, and what their handlers do.
type fakes struct {
	calls  []*service.Call
	stored map[string]string // S3's objects
	handle func(ctx context.Context, c *service.Call, message string) (string, error)
}

func (f *fakes) echo(ctx context.Context, c *service.Call, in *echo) (*echo, error) {
	f.calls = append(f.calls, c)
	out, err := f.handle(ctx, c, *in.Message)
	return &echo{&out}, err
}

// put commits only what was read to its end.
func (f *fakes) put(_ context.Context, c *service.Call, in *object) (*struct{}, error) {
	f.calls = append(f.calls, c)
	if in.Body == nil {
		return nil, errors.New("no body")
	}
	all, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	f.stored[*in.Bucket+"/"+*in.Key] = string(all)
	return nil, nil
}

func (f *fakes) head(_ context.Context, c *service.Call, in *object) (*struct{}, error) {
	f.calls = append(f.calls, c)
	if _, ok := f.stored[*in.Bucket+"/"+*in.Key]; !ok {
		return nil, fault.New("NoSuchKey", 404, "The specified key does not exist.")
	}
	return nil, nil
}

func (f *fakes) panics(context.Context, *service.Call, *echo) (*echo, error) {
	panic("the handler broke")
}

func (f *fakes) breaks(context.Context, *service.Call, *echo) (*echo, error) {
	return nil, errors.New("disk on fire at /var/secret")
}

func echoOp(svc *smithy.Service, i uint16) smithy.Op[echo, echo] {
	return smithy.Op[echo, echo]{Service: svc, Index: i}
}

// schemaOf makes a schema with the operations Echo, Panic, Break, Open (no
// authentication) and Absent.
func schemaOf(name string, p smithy.Protocol) *smithy.Service {
	s := &smithy.Service{
		Name: name, ID: name, SigningName: name, EndpointPrefix: name, IAMPrefix: name, Version: "2020-01-01-" + name,
		Protocols: []smithy.Protocol{p}, Shapes: shapes(),
	}
	if p == smithy.AWSJSON11 {
		s.TargetPrefix = "Json_2020"
	}
	for _, op := range []string{"Echo", "Panic", "Break", "Open", "Absent"} {
		o := smithy.Operation{Name: op, Method: "POST", URI: "/", Status: 200, Input: shapeEcho, Output: shapeEcho, ResultWrapper: op + "Result", Actions: []string{name + ":" + op}}
		if p == smithy.RESTJSON1 {
			o.URI, o.Input = "/2020/"+op+"/{Message}", shapePath
		}
		if op == "Open" {
			o.Auth, o.Actions = smithy.AuthNone, nil
		}
		s.Operations = append(s.Operations, o)
	}
	return s
}

func (f *fakes) definition(name string, p smithy.Protocol) service.Definition {
	s := schemaOf(name, p)
	table := service.Table[*fakes]{
		service.Full(echoOp(s, 0), (*fakes).echo), service.Full(echoOp(s, 1), (*fakes).panics),
		service.Full(echoOp(s, 2), (*fakes).breaks), service.Full(echoOp(s, 3), (*fakes).echo),
		service.None[*fakes]("nobody wrote it", echoOp(s, 4)),
	}
	return service.Definition{Schema: s, Operations: table.Bind(f)}
}

func (f *fakes) s3() service.Definition {
	s := &smithy.Service{
		Name: "s3", ID: "S3", SigningName: "s3", EndpointPrefix: "s3", IAMPrefix: "s3", Protocols: []smithy.Protocol{smithy.RESTXML}, Shapes: shapes(),
		Operations: []smithy.Operation{
			{Name: "PutObject", Method: "PUT", URI: "/{Bucket}/{Key+}", Status: 200, Input: shapeObject, Output: shapeBody, Actions: []string{"s3:PutObject"}, StreamIn: true},
			{Name: "HeadObject", Method: "HEAD", URI: "/{Bucket}/{Key+}", Status: 200, Input: shapeObject, Output: shapeBody, Actions: []string{"s3:GetObject"}},
		},
	}
	op := func(i uint16) smithy.Op[object, struct{}] { return smithy.Op[object, struct{}]{Service: s, Index: i} }
	return service.Definition{Schema: s, Operations: service.Table[*fakes]{
		service.Full(op(0), (*fakes).put), service.Full(op(1), (*fakes).head),
	}.Bind(f)}
}

// keys is a directory of a few keys; "" has no policies.
type keys struct{ policies []*policy.Policy }

var (
	errDown = errors.New("the directory is down")
	root    = identity.Principal{Principal: policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + account + ":root", AccountID: account, UserID: account}}
	ann     = identity.Principal{Principal: policy.Principal{Kind: policy.User, ARN: "arn:aws:iam::" + account + ":user/ann", AccountID: account, UserID: "AIDAANN"}, UserName: "ann"}
)

// Credential implements identity.Directory. The secret of KEY is "secret".
func (k *keys) Credential(_ context.Context, id, token string) (identity.Credential, error) {
	switch id {
	case "ROOT":
		return identity.Credential{Secret: "secret", Principal: root}, nil
	case "ANN":
		return identity.Credential{Secret: "secret", Principal: ann}, nil
	case "INACTIVE":
		return identity.Credential{Secret: "secret", Principal: ann, Inactive: true}, nil
	case "ASIAEXPIRED":
		return identity.Credential{}, identity.ErrExpired
	case "ASIABAD":
		return identity.Credential{}, identity.ErrBadToken
	case "DOWN":
		return identity.Credential{}, errDown
	}
	return identity.Credential{}, identity.ErrUnknownKey
}

// Policies implements identity.Directory.
func (k *keys) Policies(context.Context, identity.Principal) (identity.Policies, error) {
	return identity.Policies{Identity: k.policies}, nil
}

type harness struct {
	t       testing.TB
	g       *Gateway
	f       *fakes
	dir     *keys
	clk     *clock.Fake
	audit   *audit.Log
	metrics *observe.Registry
	log     bytes.Buffer
}

func newHarness(t testing.TB, endpoints ...service.Endpoint) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	log, err := audit.New("")
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, dir: &keys{}, clk: clk, audit: log, metrics: observe.NewRegistry()}
	h.f = &fakes{stored: map[string]string{}, handle: func(_ context.Context, _ *service.Call, m string) (string, error) { return m, nil }}
	json, browser := h.f.definition("json", smithy.AWSJSON11), h.f.definition("browser", smithy.AWSJSON11)
	browser.Schema.TargetPrefix, browser.CORS, browser.Endpoints = "Browser_2020", true, endpoints
	h.g, err = New(Config{
		Services: []service.Definition{
			json, browser, h.f.definition("restjson", smithy.RESTJSON1), h.f.definition("query", smithy.AWSQuery), h.f.s3(),
		},
		Directory: h.dir, Clock: clk, Ident: ident.NewSeeded(1, clk), Log: slog.New(slog.NewTextHandler(&h.log, nil)),
		Metrics: h.metrics, Audit: log, Account: account, Suffixes: []string{"localhost"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request is one to a protocol's service, unsigned.
func request(protocol, op, message string) *http.Request {
	switch protocol {
	case "json", "browser":
		r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", strings.NewReader(fmt.Sprintf(`{"Message":%q}`, message)))
		r.Header.Set("X-Amz-Target", map[string]string{"json": "Json_2020.", "browser": "Browser_2020."}[protocol]+op)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		return r
	case "restjson":
		return httptest.NewRequest("POST", "http://127.0.0.1:4566/2020/"+op+"/"+message, nil)
	case "query":
		r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", strings.NewReader("Action="+op+"&Version=2020-01-01-query&Message="+message))
		r.Host = "query.us-east-1.amazonaws.com"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	return httptest.NewRequest("PUT", "http://127.0.0.1:4566/bucket/"+message, strings.NewReader("body"))
}

// sign signs as key, with the body as it stands.
func (h *harness) sign(r *http.Request, key, svc string) *http.Request {
	h.signAt(r, sigv4.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, svc, h.clk.Now())
	return r
}

func (h *harness) signAt(r *http.Request, c sigv4.Credentials, svc string, at time.Time) {
	sigv4.Sign(r, c, "eu-west-1", svc, hashOf(r), at)
}

// hashOf reads the body and puts it back.
func hashOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func (h *harness) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.g.ServeHTTP(w, r)
	return w
}

// last is the newest audit record.
func (h *harness) last() audit.Record {
	h.t.Helper()
	all := h.audit.Newest(1, nil)
	if len(all) != 1 {
		h.t.Fatal("no audit record")
	}
	return all[0]
}
