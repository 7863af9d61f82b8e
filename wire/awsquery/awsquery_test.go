package awsquery_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/awsquery"
	"moln.dev/moln/wire/wiretest"
)

func p[T any](v T) *T { return &v }

func decode(body string, query url.Values) (*wiretest.Sink, error) {
	svc := wiretest.Fixture()
	in := &wiretest.Sink{}
	err := awsquery.Codec{}.Decode(svc, &svc.Operations[0], &wire.Request{Body: []byte(body), Query: query}, in)
	return in, err
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, body string
		query      url.Values
		want       wiretest.Sink
	}{
		{"nothing", "Action=PutSink&Version=1", nil, wiretest.Sink{}},
		{"from the URL", "", url.Values{"Table": {"t"}}, wiretest.Sink{Table: p("t")}},
		{"the body before the URL", "Table=b", url.Values{"Table": {"t"}}, wiretest.Sink{Table: p("b")}},
		{"scalars", "Table=a+b%26&Count=1&Yes=True&Ratio=2&Blob=AAE%3D", nil, wiretest.Sink{Table: p("a b&"), Count: p(int32(1)), Yes: p(true), Ratio: p(2.0), Blob: []byte{0, 1}}},
		{"empty values", "Table=&Count=&Blob=", nil, wiretest.Sink{Table: p(""), Blob: []byte{}}},
		{"empty list and map", "Tags=&Labels=&Flat=", nil, wiretest.Sink{Tags: []wiretest.Tag{}, Labels: map[string]string{}, Flat: []string{}}},
		{"lists", "Tags.Tag.2.Key=b&Tags.Tag.1.Key=a&Tags.Tag.10.Key=c", nil, wiretest.Sink{Tags: []wiretest.Tag{{Key: p("a")}, {Key: p("b")}, {Key: p("c")}}}},
		{"lists by the common name", "Tags.member.1.Key=a", nil, wiretest.Sink{Tags: []wiretest.Tag{{Key: p("a")}}}},
		{"flattened lists", "Flat.1=a&Flat.3=c", nil, wiretest.Sink{Flat: []string{"a", "c"}}},
		{"maps", "Labels.entry.1.key=k&Labels.entry.1.value=v&Labels.entry.2.key=l&Labels.entry.2.value=", nil, wiretest.Sink{Labels: map[string]string{"k": "v", "l": ""}}},
		{"nested", "Nested.Nested.Table=t", nil, wiretest.Sink{Nested: &wiretest.Sink{Nested: &wiretest.Sink{Table: p("t")}}}},
	}
	for _, tt := range tests {
		got, err := decode(tt.body, tt.query)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestDecodeRefusesMalformedForms(t *testing.T) {
	for _, body := range []string{
		"a=%zz", "Count=x", "Count=2147483648", "Yes=1", "Ratio=NaN0", "Ratio=0x1p-2", "Blob=%26", "When=x", "Labels.entry.1.value=v",
		strings.Repeat("Nested.", 1000) + "Table=t",
	} {
		if _, err := decode(body, nil); !fault.Is(err, "MalformedInput") {
			t.Errorf("%.60s: %v, want MalformedInput", body, err)
		}
	}
}

func TestEncode(t *testing.T) {
	svc := wiretest.Fixture()
	svc.Shapes[svc.Operations[0].Output].Members[8].QueryName = "FlatName"
	resp := &wire.Response{}
	out := &wiretest.Sink{Table: p("t"), Flat: []string{"x"}, Tags: []wiretest.Tag{}}
	if err := (awsquery.Codec{}).Encode(svc, &svc.Operations[0], out, "id", resp); err != nil {
		t.Fatal(err)
	}
	want := `<PutSinkResponse xmlns="https://fixture.example.com/"><PutSinkResult><Table>t</Table><Tags></Tags><FlatName>x</FlatName></PutSinkResult>` +
		`<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></PutSinkResponse>`
	if got := string(resp.Body); got != want || resp.Status != 200 {
		t.Errorf("%d %s\nwant %s", resp.Status, got, want)
	}
}

func TestEncodeFault(t *testing.T) {
	const open, end = `<ErrorResponse xmlns="https://fixture.example.com/"><Error>`, `</Error><RequestId>id</RequestId></ErrorResponse>`
	tests := []struct {
		fault *fault.Fault
		want  string
	}{
		{fault.New("Problem", 409, "no"), `<Type>Sender</Type><Code>Old.Problem</Code><Message>no</Message>`},
		{fault.New("AccessDenied", 403, "a<b"), `<Type>Sender</Type><Code>AccessDenied</Code><Message>a&lt;b</Message>`},
		{fault.New("InternalFailure", 500, ""), `<Type>Receiver</Type><Code>InternalFailure</Code><Message></Message>`},
		{&fault.Fault{Code: "X", Query: "Y", Status: 400, Sender: true, Message: "m"}, `<Type>Sender</Type><Code>Y</Code><Message>m</Message>`},
	}
	for _, tt := range tests {
		svc := wiretest.Fixture()
		resp := &wire.Response{}
		if err := (awsquery.Codec{}).EncodeFault(svc, nil, tt.fault, "id", resp); err != nil {
			t.Fatal(err)
		}
		if got := string(resp.Body); got != open+tt.want+end || resp.Status != tt.fault.Status {
			t.Errorf("%d %s\nwant %s", resp.Status, got, open+tt.want+end)
		}
	}
}

// FuzzDecode wants no panic.
func FuzzDecode(f *testing.F) {
	f.Add("Table=a&Tags.Tag.1.Key=k&Labels.entry.1.key=x&Labels.entry.1.value=y&Flat.1=z&Nested.When=1.5")
	f.Add("Item.entry.1.key=k&Item.entry.1.value.L.member.1.M.entry.1.key=n&Item.entry.1.value.L.member.1.M.entry.1.value.S=s")
	f.Fuzz(func(t *testing.T, body string) {
		in, err := decode(body, nil)
		if err != nil && fault.As(err) == nil {
			t.Errorf("%v is no fault", err)
		}
		if err == nil {
			svc := wiretest.Fixture()
			if err := (awsquery.Codec{}).Encode(svc, &svc.Operations[0], in, "id", &wire.Response{}); err != nil {
				t.Error(err)
			}
		}
	})
}
