package restjson_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/restjson"
	"moln.dev/moln/wire/wiretest"
)

func p[T any](v T) *T { return &v }

// invoke is the input and output of an operation like Lambda's Invoke.
type invoke struct {
	Name   *string
	Type   *string
	Limit  *int32
	Extra  map[string]string
	Status *int32
	Body   io.Reader
}

func service() *smithy.Service {
	at := func(name, wire string, loc smithy.Location, shape smithy.ShapeID, field uint16) smithy.Member {
		return smithy.Member{Name: name, WireName: wire, Location: loc, Shape: shape, Field: field}
	}
	return &smithy.Service{Name: "lambda", SigningName: "lambda", Shapes: []smithy.Shape{
		{Name: "Invoke", Kind: smithy.KindStructure, Payload: 5, Members: []smithy.Member{
			at("Name", "FunctionName", smithy.InLabel, 1, 0), at("Type", "X-Amz-Invocation-Type", smithy.InHeader, 1, 1),
			at("Limit", "limit", smithy.InQuery, 2, 2), at("Extra", "x-extra-", smithy.InPrefixHeaders, 3, 3),
			at("Status", "Status", smithy.InStatusCode, 2, 4), at("Body", "Body", smithy.InPayload, 4, 5),
		}},
		{Name: "String", Kind: smithy.KindString, Payload: -1},
		{Name: "Int", Kind: smithy.KindInteger, Payload: -1},
		{Name: "Extra", Kind: smithy.KindMap, Payload: -1, Members: []smithy.Member{{Name: "key", WireName: "key", Shape: 1}, {Name: "value", WireName: "value", Shape: 1}}},
		{Name: "Blob", Kind: smithy.KindBlob, Flags: smithy.Streaming, Payload: -1},
		{Name: "TooMany", Kind: smithy.KindStructure, Payload: -1, Error: &smithy.ErrorTrait{Code: "TooMany", Status: 429, Sender: true}, Members: []smithy.Member{
			at("Type", "Type", smithy.InBody, 1, 0), at("message", "message", smithy.InBody, 1, 1), at("retryAfterSeconds", "Retry-After", smithy.InHeader, 1, 2),
		}},
	}, Operations: []smithy.Operation{{Name: "Invoke", Method: "POST", URI: "/f/{FunctionName}", Status: 200, StreamIn: true, StreamOut: true, Errors: []smithy.ShapeID{5}}}}
}

func TestDecodeFromAllParts(t *testing.T) {
	svc, in := service(), &invoke{}
	req := &wire.Request{
		HTTP:   &http.Request{Header: http.Header{"X-Amz-Invocation-Type": {"Event"}, "X-Extra-Ab": {"1"}}},
		Labels: map[string]string{"FunctionName": "f"}, Query: url.Values{"limit": {"5"}}, Stream: strings.NewReader("payload"),
	}
	if err := (restjson.Codec{}).Decode(svc, &svc.Operations[0], req, in); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(in.Body)
	if err != nil || string(body) != "payload" {
		t.Errorf("body %q, %v", body, err)
	}
	in.Body = nil
	want := &invoke{Name: p("f"), Type: p("Event"), Limit: p(int32(5)), Extra: map[string]string{"ab": "1"}}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	req.Query.Set("limit", "x")
	if err := (restjson.Codec{}).Decode(svc, &svc.Operations[0], req, in); !fault.Is(err, "SerializationException") {
		t.Errorf("limit=x: %v", err)
	}
}

func TestEncodeToAllParts(t *testing.T) {
	svc, resp := service(), &wire.Response{}
	out := &invoke{Type: p("DryRun"), Extra: map[string]string{"k": "v"}, Status: p(int32(204)), Body: strings.NewReader("answer")}
	if err := (restjson.Codec{}).Encode(svc, &svc.Operations[0], out, "id", resp); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Stream)
	if err != nil || string(body) != "answer" || resp.Status != 204 {
		t.Errorf("%d %q, %v", resp.Status, body, err)
	}
	want := http.Header{"X-Amz-Invocation-Type": {"DryRun"}, "X-Extra-K": {"v"}, "X-Amzn-Requestid": {"id"}, "Content-Type": {"application/octet-stream"}}
	if diff := cmp.Diff(want, resp.Header); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEncodeFault(t *testing.T) {
	type tooMany struct{ Type, Message, Retry *string }
	tests := []struct {
		name, signing string
		fault         *fault.Fault
		body          string
	}{
		{"Lambda's own", "lambda", fault.New("TooMany", 429, "slow"), `{"Type":"User","message":"slow"}`},
		{"with a body", "lambda", fault.New("TooMany", 429, "slow").WithBody(&tooMany{Retry: p("3"), Type: p("Throttle")}), `{"Type":"Throttle","message":"slow"}`},
		{"of all services, from Lambda", "lambda", fault.New("AccessDeniedException", 403, "no"), `{"Message":"no"}`},
		{"of all services", "apigateway", fault.New("AccessDeniedException", 403, "no"), `{"message":"no"}`},
	}
	for _, tt := range tests {
		svc, resp := service(), &wire.Response{}
		svc.SigningName = tt.signing
		if err := (restjson.Codec{}).EncodeFault(svc, &svc.Operations[0], tt.fault, "id", resp); err != nil {
			t.Fatal(err)
		}
		if string(resp.Body) != tt.body || resp.Status != tt.fault.Status || resp.Header.Get("X-Amzn-Errortype") != tt.fault.Code {
			t.Errorf("%s: %d %v %s\nwant %s", tt.name, resp.Status, resp.Header, resp.Body, tt.body)
		}
		if retry := resp.Header.Get("Retry-After"); (retry == "3") != (tt.fault.Body != nil) {
			t.Errorf("%s: Retry-After %q", tt.name, retry)
		}
	}
}

// FuzzDecode wants no panic, faults for what is malformed, and that what was
// decoded encodes to a document which decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Table":"t","Tags":[{"Key":"k"}],"When":1.5,"Nested":{"Flat":["a"]}}`))
	svc := wiretest.Fixture()
	op := &svc.Operations[0]
	f.Fuzz(func(t *testing.T, data []byte) {
		in := &wiretest.Sink{}
		if err := (restjson.Codec{}).Decode(svc, op, &wire.Request{Body: data}, in); err != nil {
			if fault.As(err) == nil {
				t.Errorf("%v is no fault", err)
			}
			return
		}
		first, second, again := &wire.Response{}, &wire.Response{}, &wiretest.Sink{}
		if err := (restjson.Codec{}).Encode(svc, op, in, "id", first); err != nil {
			t.Fatal(err)
		}
		if err := (restjson.Codec{}).Decode(svc, op, &wire.Request{Body: first.Body}, again); err != nil {
			t.Fatalf("%s: %v", first.Body, err)
		}
		if err := (restjson.Codec{}).Encode(svc, op, again, "id", second); err != nil || !bytes.Equal(first.Body, second.Body) {
			t.Errorf("%s\n%s %v", first.Body, second.Body, err)
		}
	})
}
