package restxml_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/restxml"
	"moln.dev/moln/wire/wiretest"
)

func p[T any](v T) *T { return &v }

func decode(body []byte) (*wiretest.Sink, error) {
	svc := wiretest.Fixture()
	in := &wiretest.Sink{}
	err := restxml.Codec{}.Decode(svc, &svc.Operations[0], &wire.Request{HTTP: &http.Request{Header: http.Header{}}, Body: body}, in)
	return in, err
}

func encode(t testing.TB, out any) []byte {
	svc := wiretest.Fixture()
	resp := &wire.Response{}
	if err := (restxml.Codec{}).Encode(svc, &svc.Operations[0], out, "id", resp); err != nil {
		t.Fatal(err)
	}
	return resp.Body
}

func TestDecode(t *testing.T) {
	body := `<?xml version="1.0"?><!-- a --><s:Any xmlns:s="x">
		<Table>a&lt;b&amp;&#x41;&#66;<![CDATA[<&>]]></Table><Nope><Deep/></Nope>
		<Flat>x</Flat><Count> 7 </Count><Flat></Flat><Blob>AAE=</Blob><ISO>2014-04-29T18:30:38Z</ISO><Yes/>
		<s:Tags><s:Tag xsi:type="k"><Key>1</Key></s:Tag><Tag Kind='n' type="z"/></s:Tags>
		<Labels><entry><key>a</key><value>b</value></entry></Labels><Nested/></s:Any>`
	got, err := decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := &wiretest.Sink{
		Table: p("a<b&AB<&>"), Flat: []string{"x", ""}, Count: p(int32(7)), Blob: []byte{0, 1},
		ISO:    p(time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)),
		Tags:   []wiretest.Tag{{Key: p("1"), Kind: p("k")}, {Kind: p("z")}},
		Labels: map[string]string{"a": "b"}, Nested: &wiretest.Sink{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeRefusesMalformedDocuments(t *testing.T) {
	for _, body := range []string{
		`x`, `<a`, `<a>`, `<a></b>`, `<a/>x`, `<a/><b/>`, `<a>&nope;</a>`, `<a>&#xD800;</a>`, `<a>&lt</a>`, `<a b></a>`, `<a b=c/>`,
		`<a b="c/>`, `<a><![CDATA[</a>`, `<a><!-- </a>`, `</a>`, `<>`, `<?xml`,
		`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, `<a><!ELEMENT></a>`,
		`<a><Count>x</Count></a>`, `<a><Blob>&amp;</Blob></a>`, `<a><Labels><entry><value>b</value></entry></Labels></a>`,
		strings.Repeat("<a>", 1<<16),
	} {
		if _, err := decode([]byte(body)); !fault.Is(err, "MalformedXML") {
			t.Errorf("%.60s: %v, want MalformedXML", body, err)
		}
	}
}

func TestEncode(t *testing.T) {
	out := &wiretest.Sink{
		Table: p("a<b>&\"\r\n\x01\xff\uFFFE"), Flat: []string{"x", "y"},
		Tags: []wiretest.Tag{{Key: p("k"), Kind: p("t")}}, Labels: map[string]string{"b": "2", "a": "1"},
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Sink xmlns="https://fixture.example.com/">` +
		"<Table>a&lt;b&gt;&amp;&quot;&#xd;\n&#x1;\uFFFD&#xfffe;</Table>" +
		`<Tags><Tag xmlns:xsi="https://xsi.example.com/" xsi:type="t"><Key>k</Key></Tag></Tags><Flat>x</Flat><Flat>y</Flat>` +
		`<Labels><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Labels></Sink>`
	if got := string(encode(t, out)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestFaults(t *testing.T) {
	const decl = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	tests := []struct {
		name, signing, method string
		status                int
		body                  string
	}{
		{"S3", "s3", "GET", 404, decl + `<Error><Code>Problem</Code><Message>no</Message><Reason>r</Reason><RequestId>id</RequestId><HostId>host</HostId></Error>`},
		{"another service", "route53", "GET", 404, decl + `<ErrorResponse xmlns="https://fixture.example.com/"><Error><Type>Sender</Type><Code>Problem</Code><Message>no</Message><Reason>r</Reason></Error><RequestId>id</RequestId></ErrorResponse>`},
		{"an answer to HEAD", "s3", "HEAD", 404, ``},
		{"nothing has changed", "s3", "GET", 304, ``},
	}
	for _, tt := range tests {
		svc := wiretest.Fixture()
		svc.SigningName, svc.Operations[0].Method = tt.signing, tt.method
		f := fault.New("Problem", tt.status, "no").WithBody(&wiretest.Problem{Reason: p("r"), Retry: p(int32(3))})
		resp := &wire.Response{Header: http.Header{"X-Amz-Id-2": {"host"}}}
		if err := (restxml.Codec{}).EncodeFault(svc, &svc.Operations[0], f, "id", resp); err != nil {
			t.Fatal(err)
		}
		if string(resp.Body) != tt.body || resp.Status != tt.status || resp.Header.Get("Retry-After") != "3" {
			t.Errorf("%s: %d %v\n%s\nwant %s", tt.name, resp.Status, resp.Header, resp.Body, tt.body)
		}
	}
}

func TestS3FaultDetails(t *testing.T) {
	svc, resp := wiretest.Fixture(), &wire.Response{Header: http.Header{"X-Amz-Id-2": {"h"}}}
	svc.SigningName = "s3"
	f := fault.New("NoSuchKey", 404, "no").WithBody(map[string]string{"Resource": "/b/k", "Key": "k<"})
	if err := (restxml.Codec{}).EncodeFault(svc, nil, f, "id", resp); err != nil {
		t.Fatal(err)
	}
	want := `<Error><Code>NoSuchKey</Code><Message>no</Message><Key>k&lt;</Key><Resource>/b/k</Resource><RequestId>id</RequestId><HostId>h</HostId></Error>`
	if !strings.HasSuffix(string(resp.Body), want) {
		t.Errorf("%s\nwant %s", resp.Body, want)
	}
}

// TestDecodeJoinsText wants time in proportion to the document's length: text in
// many pieces was quadratic once.
func TestDecodeJoinsText(t *testing.T) {
	const pieces = 200_000
	got, err := decode([]byte("<a><Table>" + strings.Repeat("x<!---->", pieces) + "</Table></a>"))
	if err != nil || len(*got.Table) != pieces {
		t.Fatalf("%v", err)
	}
}

func TestS3Location(t *testing.T) {
	type output struct{ LocationConstraint *string }
	svc := &smithy.Service{SigningName: "s3", XMLNamespace: "ns", Shapes: []smithy.Shape{
		{Name: "Out", Kind: smithy.KindStructure, Payload: -1, XMLName: "LocationConstraint", Members: []smithy.Member{{Name: "LocationConstraint", WireName: "LocationConstraint", Shape: 1}}},
		{Name: "String", Kind: smithy.KindString, Payload: -1},
	}, Operations: []smithy.Operation{{Name: "GetBucketLocation"}}}
	for want, out := range map[string]output{
		`<LocationConstraint xmlns="ns">eu-west-1</LocationConstraint>`: {p("eu-west-1")},
		`<LocationConstraint xmlns="ns"></LocationConstraint>`:          {},
	} {
		resp := &wire.Response{}
		if err := (restxml.Codec{}).Encode(svc, &svc.Operations[0], &out, "id", resp); err != nil || !strings.HasSuffix(string(resp.Body), want) {
			t.Errorf("%s, %v, want %s", resp.Body, err, want)
		}
	}
}

func TestIntegerParameter(t *testing.T) {
	type input struct{ MaxKeys *int32 }
	svc := &smithy.Service{SigningName: "s3", Shapes: []smithy.Shape{
		{Kind: smithy.KindStructure, Payload: -1, Members: []smithy.Member{{Name: "MaxKeys", WireName: "max-keys", Location: smithy.InQuery, Shape: 1}}},
		{Kind: smithy.KindInteger, Payload: -1},
	}, Operations: []smithy.Operation{{}}}
	err := restxml.Codec{}.Decode(svc, &svc.Operations[0], &wire.Request{Query: url.Values{"max-keys": {"x"}}}, &input{})
	if f := fault.As(err); f == nil || f.Code != "InvalidArgument" || f.Message != "Provided max-keys not an integer or within integer range" {
		t.Errorf("%v", err)
	}
}

// FuzzDecode wants no panic, and that what was decoded encodes to a document
// which decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`<a><Table>x</Table><Flat>a</Flat><Tags><Tag t:type="&#x1;"><Key/></Tag></Tags><Item><entry><key>k</key><value><L><member><S>x</S></member></L></value></entry></Item></a>`))
	f.Add([]byte("<a><Table>\r\n&#13;<![CDATA[]]></Table><When>1.5</When><ISO>2014-04-29T18:30:38Z</ISO><Ratio>-Infinity</Ratio><Blob>AA==</Blob></a>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := decode(data)
		if err != nil {
			return
		}
		first := encode(t, in)
		again, err := decode(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second := encode(t, again); !bytes.Equal(first, second) {
			t.Errorf("%s\n%s", first, second)
		}
	})
}

func TestMixedListsKeepTheirOrder(t *testing.T) {
	out := &wiretest.Sink{Table: p("t"), Flat: []string{"1", "2", "3"}, Also: []string{"a", "b"}, Nested: &wiretest.Sink{Flat: []string{"x"}, Also: []string{"y"}}}
	got := string(encode(t, wire.Mixed{Out: out, Order: []string{"Flat", "Also", "Also", "Flat", "Flat"}}))
	for _, want := range []string{"<Flat>1</Flat><Also>a</Also><Also>b</Also><Flat>2</Flat><Flat>3</Flat>", "<Nested><Flat>x</Flat><Also>y</Also></Nested>"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s\nwant in it %s", got, want)
		}
	}
	for _, order := range [][]string{{"Flat"}, {"Also", "Also", "Also"}, {"Table"}, {"Nope"}} {
		svc := wiretest.Fixture()
		if err := (restxml.Codec{}).Encode(svc, &svc.Operations[0], wire.Mixed{Out: out, Order: order}, "id", &wire.Response{}); err == nil {
			t.Errorf("an order that does not fit was taken: %v", order)
		}
	}
}
