package sns

import (
	"strings"
	"testing"

	api "moln.dev/moln/api/sns"
)

func TestPublishRefuses(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	long := strings.Repeat("x", messageBytesMax)
	one := func(name string, a api.MessageAttributeValue) map[string]api.MessageAttributeValue {
		return map[string]api.MessageAttributeValue{name: a}
	}
	text := func(kind, value string) api.MessageAttributeValue {
		return api.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	for _, c := range []struct {
		in            api.PublishInput
		code, message string
	}{
		{api.PublishInput{Message: new("")}, "InvalidParameter", "Invalid parameter: Empty message"},
		{api.PublishInput{Message: new(long + "x")}, "InvalidParameter", "Invalid parameter: Message too long"},
		{api.PublishInput{Message: &long, MessageAttributes: one("a", text("String", "b"))}, "InvalidParameter", "Invalid parameter: Message too long"},
		{api.PublishInput{Subject: new("")}, "InvalidParameter", "Invalid parameter: Subject"},
		{api.PublishInput{Subject: new(strings.Repeat("s", 101))}, "InvalidParameter", "Invalid parameter: Subject"},
		{api.PublishInput{Subject: new("two\nlines")}, "InvalidParameter", "Invalid parameter: Subject"},
		{api.PublishInput{MessageStructure: new("json")}, "InvalidParameter", "Invalid parameter: Message Structure - JSON message body failed to parse"},
		{api.PublishInput{MessageStructure: new("json"), Message: new(`{"sqs":"x"}`)}, "InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body"},
		{api.PublishInput{MessageStructure: new("json"), Message: new(`{"default":{"x":1}}`)}, "InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body"},
		{api.PublishInput{MessageAttributes: one("a", text("String", ""))}, "ParameterValueInvalid", "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."},
		{api.PublishInput{MessageAttributes: one("a", text("Binary", "x"))}, "ParameterValueInvalid", "The message attribute 'a' with type 'Binary' must use field 'Binary'."},
		{api.PublishInput{MessageAttributes: one("a", api.MessageAttributeValue{DataType: new("Number"), BinaryValue: []byte("1")})}, "ParameterValueInvalid", "The message attribute 'a' with type 'Number' must use field 'String'."},
		{api.PublishInput{MessageAttributes: one("a", text("Number", "x"))}, "ParameterValueInvalid", "Could not cast message attribute 'a' value to number."},
		{api.PublishInput{MessageAttributes: one("a", text("Boolean", "x"))}, "ParameterValueInvalid", "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{api.PublishInput{MessageAttributes: one("a", text("String.", "x"))}, "ParameterValueInvalid", "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{api.PublishInput{MessageAttributes: one("a", text("String.Array", "x"))}, "ParameterValueInvalid", ""},
		{api.PublishInput{MessageAttributes: one("a^b", text("String", "x"))}, "ParameterValueInvalid", "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots."},
		{api.PublishInput{MessageAttributes: one(".a", text("String", "x"))}, "ParameterValueInvalid", "Invalid message attribute name starting with character '.' was found."},
		{api.PublishInput{MessageAttributes: one("a.", text("String", "x"))}, "ParameterValueInvalid", "Invalid message attribute name ending with character '.' was found."},
		{api.PublishInput{MessageAttributes: one("a..b", text("String", "x"))}, "ParameterValueInvalid", "Message attribute name can not have successive '.' character."},
		{api.PublishInput{MessageAttributes: one(strings.Repeat("a", 257), text("String", "x"))}, "ParameterValueInvalid", "Length of message attribute name must be less than 256 bytes."},
		{api.PublishInput{MessageAttributes: one("a", api.MessageAttributeValue{StringValue: new("x")})}, "ValidationError", ""},
	} {
		c.in.TopicArn = &arn
		if c.in.Message == nil {
			c.in.Message = new("m")
		}
		fails(t, h.call(), api.Publish, &c.in, c.code, c.message)
	}
	target := func(arn string) *api.PublishInput { return &api.PublishInput{TargetArn: &arn, Message: new("m")} }
	fails(t, h.call(), api.Publish, target("arn:aws:sns:us-east-1:000000000000:endpoint/GCM/a/b"), "InvalidParameter", "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified")
	fails(t, h.call(), api.Publish, &api.PublishInput{Message: new("m")}, "InvalidParameter", "")
	fails(t, h.call(), api.Publish, &api.PublishInput{Message: new("m"), PhoneNumber: new("+15551234567")}, "InvalidParameter", "Invalid parameter: moln does not have text messages to phones")
	must(t, h.call(), api.Publish, target(arn))
	must(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: &long})
}

func TestBatches(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	h.subscribe(arn, "q")
	batch := func(ids ...string) *api.PublishBatchInput {
		in := &api.PublishBatchInput{TopicArn: &arn}
		for _, id := range ids {
			in.PublishBatchRequestEntries = append(in.PublishBatchRequestEntries, api.PublishBatchRequestEntry{Id: &id, Message: new("m" + id)})
		}
		return in
	}
	fails(t, h.call(), api.PublishBatch, &api.PublishBatchInput{TopicArn: &arn, PublishBatchRequestEntries: []api.PublishBatchRequestEntry{}}, "EmptyBatchRequest", "The batch request doesn't contain any entries.")
	fails(t, h.call(), api.PublishBatch, batch("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"), "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	fails(t, h.call(), api.PublishBatch, batch("a", "a"), "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
	fails(t, h.call(), api.PublishBatch, batch("a.b"), "InvalidBatchEntryId", "The Id of a batch entry in the batch request contains an impermissible character: a.b")
	long := strings.Repeat("a", 81)
	fails(t, h.call(), api.PublishBatch, batch(long), "InvalidBatchEntryId", "The Id of a batch entry in the batch request is too long: "+long)
	big := batch("a", "b")
	for i := range big.PublishBatchRequestEntries {
		big.PublishBatchRequestEntries[i].Message = new(strings.Repeat("x", messageBytesMax/2+1))
	}
	fails(t, h.call(), api.PublishBatch, big, "BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
	out := must(t, h.call(), api.PublishBatch, batch("1", "2", "3"))
	if len(out.Failed) != 0 || len(out.Successful) != 3 {
		t.Fatalf("%+v", out)
	}
	want := map[string]string{}
	for _, ok := range out.Successful {
		want[*ok.MessageId] = "m" + *ok.Id
	}
	for range 3 {
		body := take(t, h.queued).body(t)
		if want[body["MessageId"].(string)] != body["Message"] {
			t.Error(body)
		}
		delete(want, body["MessageId"].(string))
	}
}

func FuzzCompose(f *testing.F) {
	f.Add(`{"default":"a","sqs":"b"}`, "json", "subject", "name", "String.Array", `["a",1]`)
	f.Add("m", "", "", "a.b", "Number", "1e5")
	f.Fuzz(func(t *testing.T, text, structure, subject, name, kind, value string) {
		topic := &topic{Account: account, Region: region, Name: "t"}
		m, err := compose(topic, entry{
			Message: &text, Structure: &structure, Subject: &subject,
			Attributes: map[string]api.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}},
		})
		if err == nil && (m.Text == "" && structure == "" || len(m.Attributes) != 1) {
			t.Errorf("%+v", m)
		}
	})
}
