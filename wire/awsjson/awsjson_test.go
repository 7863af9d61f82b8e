package awsjson_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/awsjson"
	"moln.dev/moln/wire/wiretest"
)

func p[T any](v T) *T { return &v }

func decode(body string) (*wiretest.Sink, error) {
	svc := wiretest.Fixture()
	in := &wiretest.Sink{}
	err := awsjson.V10().Decode(svc, &svc.Operations[0], &wire.Request{Body: []byte(body)}, in)
	return in, err
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, body string
		want       wiretest.Sink
	}{
		{"empty body", ``, wiretest.Sink{}},
		{"null body", ` null `, wiretest.Sink{}},
		{"unknown and null members", `{"Nope":[{"a":1e5}],"Table":null,"__type":"x"}`, wiretest.Sink{}},
		{"the last of duplicates", `{"Count":1,"Count":2}`, wiretest.Sink{Count: p(int32(2))}},
		{"escapes", `{"Table":"a\"\\\/\b\f\n\r\té\ud83d\ude39\ud83dx"}`, wiretest.Sink{Table: p("a\"\\/\b\f\n\r\té😹\uFFFDx")}},
		{"bytes that are not UTF-8", "{\"Table\":\"a\xffb\"}", wiretest.Sink{Table: p("a\uFFFDb")}},
		{"empty collections are not absent", `{"Flat":[],"Labels":{},"Blob":""}`, wiretest.Sink{Flat: []string{}, Labels: map[string]string{}, Blob: []byte{}}},
		{"whole decimals are integers", `{"Count":2.0,"Long":1e3}`, wiretest.Sink{Count: p(int32(2)), Long: p(int64(1000))}},
		{"limits of integers", `{"Count":-2147483648,"Long":9223372036854775807}`, wiretest.Sink{Count: p(int32(-2147483648)), Long: p(int64(9223372036854775807))}},
		{"times", `{"When":1398796238.123,"ISO":"2014-04-29T18:30:38+01:00"}`, wiretest.Sink{
			When: p(time.Date(2014, 4, 29, 18, 30, 38, 123e6, time.UTC)), ISO: p(time.Date(2014, 4, 29, 17, 30, 38, 0, time.UTC)),
		}},
		{"big numbers keep their digits", `{"Big":123456789012345678901234567890.10}`, wiretest.Sink{Big: p("123456789012345678901234567890.10")}},
		{"documents", `{"Doc":{"a":[1,null,"x",true]}}`, wiretest.Sink{Doc: map[string]any{"a": []any{1.0, nil, "x", true}}}},
		{"nulls in collections", `{"Flat":["a",null,"b"],"Labels":{"k":null,"l":"m"}}`, wiretest.Sink{Flat: []string{"a", "b"}, Labels: map[string]string{"l": "m"}}},
		{"members out of order", `{"Yes":true,"Item":{"k":{"L":[{"S":"v"},{"M":{"n":{"N":"1"}}}]}},"Table":"t"}`, wiretest.Sink{
			Yes: p(true), Table: p("t"),
			Item: map[string]wiretest.Attr{"k": {L: []wiretest.Attr{{S: p("v")}, {M: map[string]wiretest.Attr{"n": {N: p("1")}}}}}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesWhatDoesNotFit(t *testing.T) {
	tests := []struct{ body, message string }{
		{`{`, "Unexpected end-of-input in payload"},
		{`{"Table":"a"`, "Unexpected end-of-input in payload"},
		{`{"Table":"a`, "Unexpected end-of-input in payload"},
		{`{"Table":"a"} x`, "Unexpected content after the end of the payload"},
		{`{"Table":"a",}`, "Unexpected token received from parser"},
		{`{"Table":nul}`, "Unexpected token received from parser"},
		{`{"Table":01}`, "NUMBER_VALUE can not be converted to a String"},
		{`{"Nope":01}`, "Unexpected token received from parser"},
		{`{"Nope":"\q"}`, "Unexpected token received from parser"},
		{"{\"Nope\":\"\n\"}", "Unexpected token received from parser"},
		{`[]`, "Start of list found where not expected"},
		{`"x"`, "Unexpected field type"},
		{`{"Table":1}`, "NUMBER_VALUE can not be converted to a String"},
		{`{"Table":true}`, "TRUE_VALUE can not be converted to a String"},
		{`{"Table":{}}`, "Start of structure or map found where not expected."},
		{`{"Table":[]}`, "Start of list found where not expected"},
		{`{"Count":"1"}`, "STRING_VALUE can not be converted to an Integer"},
		{`{"Count":2147483648}`, "NUMBER_VALUE can not be converted to an Integer"},
		{`{"Count":1.5}`, "NUMBER_VALUE can not be converted to an Integer"},
		{`{"Long":9223372036854775808}`, "NUMBER_VALUE can not be converted to a Long"},
		{`{"Long":1e19}`, "NUMBER_VALUE can not be converted to a Long"},
		{`{"Ratio":"x"}`, "STRING_VALUE can not be converted to a Double"},
		{`{"Yes":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
		{`{"Blob":"&"}`, "Invalid base64 data in payload"},
		{`{"When":"2014-04-29T18:30:38Z"}`, "STRING_VALUE can not be converted to a Timestamp"},
		{`{"Flat":"x"}`, "Unexpected field type"},
		{`{"Flat":{}}`, "Start of structure or map found where not expected."},
		{`{"Item":[]}`, "Start of list found where not expected"},
		{`{"Nope":` + strings.Repeat("[", 1<<16), "Document is nested too deeply"},
		{strings.Repeat(`{"Nested":`, 1<<12), "Document is nested too deeply"},
		{`{"Doc":` + strings.Repeat("[", 1<<16), "Document is nested too deeply"},
	}
	for _, tt := range tests {
		_, err := decode(tt.body)
		f := fault.As(err)
		if f == nil || f.Code != "SerializationException" || f.Status != 400 || f.Message != tt.message {
			t.Errorf("%.60s: %v, want SerializationException: %s", tt.body, err, tt.message)
		}
	}
}

func TestEncodeFault(t *testing.T) {
	problem := &wiretest.Problem{Reason: p("because")}
	tests := []struct {
		name    string
		codec   awsjson.Codec
		signing string
		compat  bool
		fault   *fault.Fault
		body    string
		header  map[string]string
	}{
		{"1.0, of the model", awsjson.V10(), "dynamodb", false, fault.New("Problem", 409, "no"), `{"__type":"com.amazonaws.dynamodb.v20260102#Problem","Message":"no"}`, nil},
		{"1.0, of all services", awsjson.V10(), "dynamodb", false, fault.New("AccessDenied", 400, "no"), `{"__type":"com.amazon.coral.service#AccessDenied","message":"no"}`, nil},
		{"1.0, validation", awsjson.V10(), "dynamodb", false, fault.New("ValidationException", 400, "no"), `{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}`, nil},
		{"1.1", awsjson.V11(), "kms", false, fault.New("Problem", 409, "no").WithBody(problem), `{"__type":"Problem","Reason":"because","Message":"no"}`, nil},
		{"in headers too", awsjson.V11(), "cognito-idp", false, fault.New("Problem", 409, "n\no"), `{"__type":"Problem","Message":"n\no"}`, map[string]string{"X-Amzn-Errortype": "Problem:", "X-Amzn-Errormessage": "n o"}},
		{"for clients of the query protocol", awsjson.V10(), "sqs", true, fault.New("Old.Problem", 409, "no"), `{"__type":"com.amazonaws.sqs#Problem","Message":"no"}`, map[string]string{"X-Amzn-Query-Error": "Old.Problem;Sender"}},
		{"ours, for clients of the query protocol", awsjson.V10(), "sqs", true, fault.New("InternalFailure", 500, "no"), `{"__type":"com.amazon.coral.service#InternalFailure","message":"no"}`, map[string]string{"X-Amzn-Query-Error": "InternalFailure;Receiver"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			svc := wiretest.Fixture()
			svc.SigningName, svc.QueryCompat = tt.signing, tt.compat
			resp := &wire.Response{}
			if err := tt.codec.EncodeFault(svc, &svc.Operations[0], tt.fault, "id-1", resp); err != nil {
				t.Fatal(err)
			}
			if string(resp.Body) != tt.body || resp.Status != tt.fault.Status || resp.Header.Get("X-Amzn-Requestid") != "id-1" {
				t.Errorf("%d %s\nwant %s", resp.Status, resp.Body, tt.body)
			}
			for k, v := range tt.header {
				if resp.Header.Get(k) != v {
					t.Errorf("%s: %q, want %q", k, resp.Header.Get(k), v)
				}
			}
		})
	}
}

func TestEncodeFaultOfNoOperation(t *testing.T) {
	resp := &wire.Response{Header: http.Header{}}
	err := awsjson.V11().EncodeFault(wiretest.Fixture(), nil, fault.New("UnknownOperationException", 404, ""), "", resp)
	if err != nil || string(resp.Body) != `{"__type":"UnknownOperationException","message":""}` {
		t.Errorf("%s, %v", resp.Body, err)
	}
}

func TestEncodeRefusesAForeignBody(t *testing.T) {
	f := fault.New("Problem", 409, "no").WithBody(&struct{ A int }{})
	if err := awsjson.V11().EncodeFault(wiretest.Fixture(), nil, f, "", &wire.Response{}); err == nil {
		t.Error("a body of another type was encoded")
	}
}

func TestEncodeRefusesBottomlessValues(t *testing.T) {
	svc := wiretest.Fixture()
	loop := &wiretest.Sink{}
	loop.Nested = loop
	if err := awsjson.V10().Encode(svc, &svc.Operations[0], loop, "", &wire.Response{}); err == nil {
		t.Error("a value that contains itself was encoded")
	}
}

func encode(t testing.TB, in any) []byte {
	svc := wiretest.Fixture()
	resp := &wire.Response{}
	if err := awsjson.V10().Encode(svc, &svc.Operations[0], in, "id", resp); err != nil {
		t.Fatal(err)
	}
	return resp.Body
}

// FuzzDecode wants no panic, and that what was decoded encodes to a document
// which decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add(putItem)
	f.Add([]byte(`{"When":-1.5e3,"ISO":"2014-04-29T18:30:38.123Z","Doc":{"a":[1e300,null]},"Big":"1e9","Ratio":"NaN","Blob":"AA=="}`))
	f.Add([]byte("{\"Labels\":{\"\\ud83d\":\"\xff\"}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := decode(string(data))
		if err != nil {
			return
		}
		first := encode(t, in)
		again, err := decode(string(first))
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second := encode(t, again); !bytes.Equal(first, second) {
			t.Errorf("%s\n%s", first, second)
		}
	})
}

// putItem is a body like that of DynamoDB's PutItem.
var putItem = []byte(`{"Table":"orders","Item":{"pk":{"S":"customer#1234567890"},"sk":{"S":"order#2026-11-23T10:00:00Z"},` +
	`"total":{"N":"129.95"},"paid":{"BOOL":true},"note":{"S":"leave it at the door"},"lines":{"L":[` +
	`{"M":{"sku":{"S":"A-1"},"qty":{"N":"2"},"price":{"N":"19.95"}}},{"M":{"sku":{"S":"B-2"},"qty":{"N":"1"},"price":{"N":"90.05"}}}]},` +
	`"raw":{"B":"AAECAwQFBgcICQ=="}}}`)

func BenchmarkDecode(b *testing.B) {
	svc := wiretest.Fixture()
	req := &wire.Request{Body: putItem}
	b.SetBytes(int64(len(putItem)))
	b.ReportAllocs()
	for b.Loop() {
		if err := awsjson.V10().Decode(svc, &svc.Operations[0], req, &wiretest.Sink{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	svc := wiretest.Fixture()
	in, err := decode(string(putItem))
	if err != nil {
		b.Fatal(err)
	}
	var op *smithy.Operation = &svc.Operations[0]
	b.SetBytes(int64(len(putItem)))
	b.ReportAllocs()
	for b.Loop() {
		if err := awsjson.V10().Encode(svc, op, in, "id", &wire.Response{}); err != nil {
			b.Fatal(err)
		}
	}
}
