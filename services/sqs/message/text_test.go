package message

import (
	"testing"

	api "moln.dev/moln/api/sqs"
)

// What answers in XML cannot hold is not taken, wherever it stands.
func TestControlCharacters(t *testing.T) {
	for _, v := range []api.MessageAttributeValue{
		{DataType: new("String"), StringValue: new("a\x01")},
		{DataType: new("String.\x01"), StringValue: new("a")},
		{DataType: new("Number.\x01"), StringValue: new("1")},
		{DataType: new("Binary.\xff"), BinaryValue: []byte("a")},
	} {
		if err := CheckAttributes(Attributes{"a": v}); err == nil {
			t.Errorf("%q %q is taken", *v.DataType, text(v.StringValue))
		}
	}
	header := map[string]api.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: new("String"), StringValue: new("Root=\x01")}}
	if _, _, err := Trace(header); err == nil {
		t.Error("a trace header with a control character is taken")
	}
	header["AWSTraceHeader"] = api.MessageSystemAttributeValue{DataType: new("String"), StringValue: new("Root=1")}
	if _, _, err := Trace(header); err != nil {
		t.Error(err)
	}
}
