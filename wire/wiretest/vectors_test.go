package wiretest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/protocols"
	"moln.dev/moln/wire/route"
)

type suite struct {
	Description string
	Metadata    struct {
		Protocol, JSONVersion, APIVersion, TargetPrefix string
		XMLNamespace                                    rawNS
		AWSQueryCompatible                              *struct{}
	}
	Shapes map[string]rawShape
	Cases  []vector
}

type vector struct {
	ID         string
	Given      rawOperation
	Params     map[string]any
	Serialized struct {
		Method, URI, Body string
		Headers           map[string]string
	}
	Result       map[string]any
	Error        map[string]any
	ErrorCode    string
	ErrorMessage string
	Response     *struct {
		StatusCode int `json:"status_code"`
		Headers    map[string]string
		Body       string
	}
}

// tally counts the outcomes of one file.
type tally struct {
	passed, failed int
	skipped        map[string]int // by reason
}

func vectorFiles(t *testing.T, direction string) []string {
	t.Helper()
	dir := os.Getenv("MOLN_VECTORS")
	if dir == "" {
		t.Skip("MOLN_VECTORS is not set: it names the directory that holds botocore-*/tests/unit/protocols")
	}
	var files []string
	for _, sub := range []string{"", "legacy/"} {
		found, err := filepath.Glob(filepath.Join(dir, "botocore-*", "tests/unit/protocols", sub+direction, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("MOLN_VECTORS=%s holds no botocore-*/tests/unit/protocols/%s/*.json", dir, direction)
	}
	return files
}

func protocolOf(s *suite) smithy.Protocol {
	switch s.Metadata.Protocol {
	case "json":
		if s.Metadata.JSONVersion == "1.0" {
			return smithy.AWSJSON10
		}
		return smithy.AWSJSON11
	case "rest-json":
		return smithy.RESTJSON1
	case "rest-xml":
		return smithy.RESTXML
	case "query":
		return smithy.AWSQuery
	case "ec2":
		return smithy.EC2Query
	}
	return smithy.RPCv2CBOR
}

// build makes the tables and types of one case.
func build(s *suite, v *vector) model {
	b := builder{raw: s.Shapes, depth: map[string]int{}, svc: &smithy.Service{
		Name: "vector", ID: "Vector", SigningName: "vector", Version: s.Metadata.APIVersion,
		XMLNamespace: s.Metadata.XMLNamespace.URI, QueryCompat: s.Metadata.AWSQueryCompatible != nil,
	}}
	op := smithy.Operation{Name: v.Given.Name, Method: v.Given.HTTP.Method, URI: v.Given.HTTP.RequestURI, Status: v.Given.HTTP.ResponseCode}
	m := model{svc: b.svc, errors: map[string]reflect.Type{}}
	op.Input, m.in = b.ref(v.Given.Input)
	op.Output, m.out = b.ref(v.Given.Output)
	if in := v.Given.Input; in != nil {
		op.InputName, op.InputNS = in.LocationName, in.XMLNamespace.URI
	}
	if out := v.Given.Output; out != nil {
		op.ResultWrapper = v.Given.Name + "Result"
		if out.ResultWrapper != "" {
			op.ResultWrapper = out.ResultWrapper
		}
	}
	for name, raw := range s.Shapes {
		if raw.Exception || raw.Error != nil {
			id, t := b.ref(&rawRef{Shape: name})
			m.errors[name] = t
			op.Errors = append(op.Errors, id)
		}
	}
	b.svc.Operations = []smithy.Operation{op}
	m.op = &b.svc.Operations[0]
	return m
}

func run(t *testing.T, direction string, check func(t *testing.T, codec wire.Codec, s *suite, v *vector)) {
	for _, file := range vectorFiles(t, direction) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var suites []suite
		if err := json.Unmarshal(data, &suites); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.Contains(file, "legacy") {
			name = "legacy-" + name
		}
		counts := tally{skipped: map[string]int{}}
		for i := range suites {
			for j := range suites[i].Cases {
				counts.one(t, direction, name, &suites[i], &suites[i].Cases[j], i, j, check)
			}
		}
		t.Logf("%-45s passed %3d, failed %d, skipped %d%s", direction+"/"+name, counts.passed, counts.failed, counts.total(), counts.reasons())
	}
}

func (c *tally) one(t *testing.T, direction, file string, s *suite, v *vector, i, j int, check func(*testing.T, wire.Codec, *suite, *vector)) {
	id := v.ID
	if id == "" {
		id = fmt.Sprintf("%s/%s/%d-%d", direction, file, i, j)
	}
	ok := t.Run(file+"/"+filepath.Base(id), func(t *testing.T) {
		defer func() {
			if r := recover(); r != nil {
				u, isReason := r.(unsupported)
				if !isReason {
					panic(r)
				}
				c.skip(t, string(u))
			}
		}()
		codec, known := protocols.For(protocolOf(s))
		if !known {
			c.skip(t, "protocol "+s.Metadata.Protocol+" has no codec yet")
		}
		if why := exceptions()[id]; why != "" {
			c.skip(t, why)
		}
		check(t, codec, s, v)
		if !t.Failed() {
			c.passed++
		}
	})
	if !ok {
		c.failed++
	}
}

func (c *tally) skip(t *testing.T, why string) {
	c.skipped[why]++
	t.Skip(why)
}

func (c *tally) total() int {
	n := 0
	for _, k := range c.skipped {
		n += k
	}
	return n
}

func (c *tally) reasons() string {
	var out []string
	for why, n := range c.skipped {
		out = append(out, fmt.Sprintf("\n      %d: %s", n, why))
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

// TestInput decodes what clients send.
func TestInput(t *testing.T) {
	run(t, "input", func(t *testing.T, codec wire.Codec, s *suite, v *vector) {
		m := build(s, v)
		req := request(t, s, v, &m)
		in := reflect.New(m.in)
		if err := codec.Decode(m.svc, m.op, req, in.Interface()); err != nil {
			t.Fatalf("decode: %v\n%s %s\n%s", err, v.Serialized.Method, v.Serialized.URI, v.Serialized.Body)
		}
		got := dump(m.svc, nil, m.op.Input, in.Elem())
		want := any(withToken(v.Params, got))
		if diff := cmp.Diff(settle(m.svc, m.op.Input, clean(want)), settle(m.svc, m.op.Input, got)); diff != "" {
			t.Errorf("decoded (-want +got):\n%s\n%s %s\n%s %s", diff, v.Serialized.Method, v.Serialized.URI, v.Serialized.Headers, v.Serialized.Body)
		}
	})
}

// autoToken is what the vectors' client fills idempotency tokens with.
const autoToken = "00000000-0000-4000-8000-000000000000"

// withToken adds the tokens that the client makes up to the parameters.
func withToken(params map[string]any, got any) map[string]any {
	out := maps.Clone(params)
	for k, v := range got.(map[string]any) {
		if v == autoToken && out[k] == nil {
			out[k] = v
		}
	}
	return out
}

// request makes the request that a vector describes.
func request(t *testing.T, s *suite, v *vector, m *model) *wire.Request {
	t.Helper()
	method := v.Serialized.Method
	if method == "" {
		method = v.Given.HTTP.Method
	}
	if method == "" {
		method = http.MethodPost
	}
	uri := v.Serialized.URI
	path, rawQuery, _ := strings.Cut(uri, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: method, Header: http.Header{}, URL: &url.URL{RawQuery: rawQuery}}
	for k, h := range v.Serialized.Headers {
		r.Header.Set(k, h)
	}
	req := &wire.Request{HTTP: r, Query: query, Body: []byte(v.Serialized.Body)}
	switch protocolOf(s) {
	case smithy.RESTJSON1, smithy.RESTXML:
	default:
		return req
	}
	path = strings.TrimPrefix(path, "/custom") // a path of the client's endpoint
	op, labels, ok := route.New(m.svc).Match(method, path, query, r.Header)
	if !ok || op != m.op {
		t.Fatalf("%s %s matches nothing; the model says %s", method, uri, m.op.URI)
	}
	req.Labels = labels
	return req
}

// TestOutput encodes what clients read.
func TestOutput(t *testing.T) {
	run(t, "output", func(t *testing.T, codec wire.Codec, s *suite, v *vector) {
		m := build(s, v)
		resp := &wire.Response{Header: http.Header{}}
		requestID := "foo-id"
		if id := http.CanonicalHeaderKey("x-amzn-requestid"); v.Response.Headers[id] != "" {
			requestID = v.Response.Headers[id]
		} else if id := v.Response.Headers["x-amzn-requestid"]; id != "" {
			requestID = id
		}
		if v.Error != nil || v.ErrorCode != "" {
			encodeFault(t, codec, &m, v, requestID, resp)
		} else {
			out := reflect.New(m.out)
			load(m.svc, nil, m.op.Output, out.Elem(), any(v.Result))
			if err := codec.Encode(m.svc, m.op, out.Interface(), requestID, resp); err != nil {
				t.Fatalf("encode: %v", err)
			}
		}
		compareResponse(t, s, v, &m, resp)
	})
}

func encodeFault(t *testing.T, codec wire.Codec, m *model, v *vector, requestID string, resp *wire.Response) {
	t.Helper()
	f := &fault.Fault{Code: v.ErrorCode, Status: v.Response.StatusCode, Sender: v.Response.StatusCode < 500, Message: v.ErrorMessage}
	if sh := wire.FaultShape(m.svc, m.op, f); sh != nil {
		body := reflect.New(m.errors[sh.Name])
		for i := range m.svc.Shapes {
			if &m.svc.Shapes[i] == sh {
				load(m.svc, nil, smithy.ShapeID(i), body.Elem(), any(v.Error))
			}
		}
		f.Body = body.Interface()
	}
	if err := codec.EncodeFault(m.svc, m.op, f, requestID, resp); err != nil {
		t.Fatalf("encode fault: %v", err)
	}
}
