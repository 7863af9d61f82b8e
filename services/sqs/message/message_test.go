package message

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
)

func str(kind, value string) api.MessageAttributeValue {
	return api.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

// The digests are those that AWS has answered with.
func TestDigests(t *testing.T) {
	if d := Digest("hi"); d != "49f68a5c8493ec2c0bf489821c21fc3b" {
		t.Error(d)
	}
	for want, all := range map[string]Attributes{
		"":                                 nil,
		"235c5c510d26fb653d073faed50ae77c": {"timestamp": str("Number", "1493147359900")},
		"ae7155c6026991b6d54b11589678bf9c": {"Foo": str("String", "Bar")},
		"bfd16f459414b60e7ba770fad7479a12": {"n": str("Number", "1"), "b": {DataType: new("Binary"), BinaryValue: []byte("xy")}},
	} {
		if got := AttributesDigest(all); got != want {
			t.Errorf("%v: %s, want %s", all, got, want)
		}
	}
}

func TestCheckAttributes(t *testing.T) {
	many := Attributes{}
	for _, c := range "abcdefghijk" {
		many[string(c)] = str("String", "x")
	}
	for _, tt := range []struct {
		all  Attributes
		want string // a part of the message; empty: none
	}{
		{Attributes{"a.b_c-1": str("String.mine", "x"), "n": str("Number", "-.5E+10"), "b": {DataType: new("Binary"), BinaryValue: []byte{0}}}, ""},
		{many, "Number of message attributes [11] exceeds the allowed maximum [10]."},
		{Attributes{"aws.x": str("String", "x")}, "reserved"},
		{Attributes{"x.": str("String", "x")}, "reserved"},
		{Attributes{"a b": str("String", "x")}, "digits, periods"},
		{Attributes{strings.Repeat("a", 256): str("String", "x")}, "shorter than 256 Bytes"},
		{Attributes{"a": str("String", "")}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."},
		{Attributes{"a": {DataType: new("Binary")}}, "of type 'Binary'"},
		{Attributes{"a": {StringValue: new("x")}}, "non-empty message attribute type"},
		{Attributes{"a": str("Text", "x")}, "supported type prefixes"},
		{Attributes{"a": str("Number", "one")}, "Can't cast"},
		{Attributes{"a": str("String", "\x00")}, "Invalid binary character"},
		{Attributes{"a": {DataType: new("String"), StringListValues: []string{"x"}}}, "list values"},
	} {
		err := CheckAttributes(tt.all)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(fault.As(err).Message, tt.want) {
			t.Errorf("%v: %v, want %q", tt.all, err, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "a\t\n\rü€😀\ufffd": true, "\x0b": false, "\x00": false, "\ufffe": false, "\uffff": false, "a\xff": false, "\U0010ffff": true,
	} {
		if isText(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestPick(t *testing.T) {
	all := Attributes{"a.x": str("String", "1"), "a.y": str("String", "2"), "b": str("String", "3")}
	for _, tt := range []struct {
		names []string
		want  int
	}{{nil, 0}, {[]string{"All"}, 3}, {[]string{".*"}, 3}, {[]string{"a.*"}, 2}, {[]string{"b"}, 1}, {[]string{"c", "a"}, 0}} {
		if got := Pick(all, tt.names); len(got) != tt.want {
			t.Errorf("%v: %v", tt.names, got)
		}
	}
}

func TestTrace(t *testing.T) {
	header, digest, err := Trace(map[string]api.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: new("String"), StringValue: new("Root=1")}})
	if header != "Root=1" || digest != AttributesDigest(Attributes{"AWSTraceHeader": str("String", "Root=1")}) || err != nil {
		t.Error(header, digest, err)
	}
	for name, v := range map[string]api.MessageSystemAttributeValue{"Other": {}, "AWSTraceHeader": {DataType: new("Number"), StringValue: new("1")}} {
		if _, _, err := Trace(map[string]api.MessageSystemAttributeValue{name: v}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestPlacesAscend(t *testing.T) {
	a, b := Place{Nanos: Nanos(time.Unix(1, 0))}, Place{Nanos: Nanos(time.Unix(1, 1)), ID: [16]byte{1}}
	if string(a.Append(nil)) >= string(b.Append(nil)) || a.SequenceNumber() >= b.SequenceNumber() || len(a.SequenceNumber()) != 20 {
		t.Error(a, b)
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add(Handle{Queue: [8]byte{1}, Place: Place{Nanos: 7}, Token: [8]byte{2}}.String())
	f.Add("AQEB")
	f.Fuzz(func(t *testing.T, s string) {
		h, ok := ParseHandle(s)
		if ok && h.String() != s {
			t.Errorf("%q is %q", s, h.String())
		}
	})
}

func TestHandle(t *testing.T) {
	h := Handle{Queue: [8]byte{1}, Place: Place{Nanos: 7, ID: [16]byte{9}}, Token: [8]byte{2}}
	got, ok := ParseHandle(h.String())
	if d := cmp.Diff(h, got); !ok || d != "" {
		t.Error(d)
	}
	if _, ok := ParseHandle(h.String() + "A"); ok {
		t.Error("a longer one is taken")
	}
}
