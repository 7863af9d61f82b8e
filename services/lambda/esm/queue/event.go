package queue

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/smithy"
)

// bodyBytesMax is how large the records of a batch may be as JSON: a synchronous
// invocation's payload, less what is around them.
const bodyBytesMax = 6<<20 - 4096

// message is one that was received.
type message struct {
	id, receipt string
	trace       string // AWSTraceHeader
	sent        time.Time
	json        []byte // the record, as functions get it
}

// about is where messages come from.
type about struct{ arn, region string }

// record is a message as functions get it.
type record struct {
	ID         string               `json:"messageId"`
	Receipt    string               `json:"receiptHandle"`
	Body       any                  `json:"body"`
	Attributes map[string]string    `json:"attributes"`
	Message    map[string]attribute `json:"messageAttributes"`
	MD5        string               `json:"md5OfBody"`
	MessageMD5 string               `json:"md5OfMessageAttributes,omitempty"`
	Source     string               `json:"eventSource"`
	ARN        string               `json:"eventSourceARN"`
	Region     string               `json:"awsRegion"`
}

type attribute struct {
	Text    *string  `json:"stringValue,omitempty"`
	Binary  *string  `json:"binaryValue,omitempty"`
	Texts   []string `json:"stringListValues"`
	Binarys []string `json:"binaryListValues"`
	Type    string   `json:"dataType"`
}

// messageOf reads a message of SQS.
func (a about) messageOf(m *api.Message) (message, record) {
	r := record{
		ID: smithy.Val(m.MessageId), Receipt: smithy.Val(m.ReceiptHandle), Body: smithy.Val(m.Body), Attributes: maps.Clone(m.Attributes),
		Message: map[string]attribute{}, MD5: smithy.Val(m.MD5OfBody), MessageMD5: smithy.Val(m.MD5OfMessageAttributes),
		Source: "aws:sqs", ARN: a.arn, Region: a.region,
	}
	if r.Attributes == nil {
		r.Attributes = map[string]string{}
	}
	for name, v := range m.MessageAttributes {
		r.Message[name] = attributeOf(v)
	}
	out := message{id: r.ID, receipt: r.Receipt, trace: r.Attributes[api.MessageSystemAttributeNameAWSTraceHeader], json: encode(r)}
	if ms, err := strconv.ParseInt(r.Attributes[api.MessageSystemAttributeNameSentTimestamp], 10, 64); err == nil {
		out.sent = time.UnixMilli(ms)
	}
	return out, r
}

func attributeOf(v api.MessageAttributeValue) attribute {
	a := attribute{Text: v.StringValue, Texts: slices.Clone(v.StringListValues), Binarys: []string{}, Type: smithy.Val(v.DataType)}
	if a.Texts == nil {
		a.Texts = []string{}
	}
	if v.BinaryValue != nil {
		a.Binary = new(base64.StdEncoding.EncodeToString(v.BinaryValue))
	}
	for _, b := range v.BinaryListValues {
		a.Binarys = append(a.Binarys, base64.StdEncoding.EncodeToString(b))
	}
	return a
}

func encode(r record) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		panic("queue: " + err.Error()) // plain data always encodes
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// filtered is the record as filters see it: a body that is JSON is looked into.
// A filter for a text does not match an object, nor the other way around.
func (r record) filtered() []byte {
	body, _ := r.Body.(string)
	if text := strings.TrimSpace(body); text != "" && strings.ContainsRune("{[", rune(text[0])) && json.Valid([]byte(text)) {
		r.Body = json.RawMessage(text)
	}
	return encode(r)
}

// event is what the function is given.
func event(batch []message) []byte {
	size := 16
	for i := range batch {
		size += len(batch[i].json) + 1
	}
	b := append(make([]byte, 0, size), `{"Records":[`...)
	for i := range batch {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, batch[i].json...)
	}
	return append(b, "]}"...)
}

// pieces splits a batch so that each part is small enough for one invocation.
func pieces(batch []message) [][]message {
	var out [][]message
	from, bytes := 0, 0
	for i := range batch {
		size := len(batch[i].json) + 1
		if i > from && bytes+size > bodyBytesMax {
			out = append(out, batch[from:i])
			from, bytes = i, 0
		}
		bytes += size
	}
	if from < len(batch) {
		out = append(out, batch[from:])
	}
	return out
}
