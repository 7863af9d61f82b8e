// Package envelope is what subscribers of topics receive: the JSON documents of
// notifications and of confirmations, Lambda's event, and the text that their
// signatures are made over. It is pure: it keeps no keys, knows no subscriptions
// and sends nothing.
//
// Sources: SNS developer guide, sns-message-and-json-formats,
// sns-verify-signature-of-message; Lambda developer guide, with-sns.
package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Types of messages.
const (
	Notification             = "Notification"
	SubscriptionConfirmation = "SubscriptionConfirmation"
	UnsubscribeConfirmation  = "UnsubscribeConfirmation"
)

// TimeFormat is how messages tell the time, in UTC.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Attribute is a message attribute.
type Attribute struct {
	Type   string // "String", "String.Array", "Number", "Binary", or one of these with a label
	Text   string `json:",omitempty"`
	Binary []byte `json:",omitempty"`
}

// IsBinary says that the value is in Binary.
func (a Attribute) IsBinary() bool { return a.Type == "Binary" || strings.HasPrefix(a.Type, "Binary.") }

// value is the attribute's value as documents have it.
func (a Attribute) value() string {
	if a.IsBinary() {
		return base64.StdEncoding.EncodeToString(a.Binary)
	}
	return a.Text
}

// Message is one message as one subscriber gets it.
type Message struct {
	Type, ID, TopicARN string
	// Sequence is the number of FIFO topics' messages, which have no signature.
	Sequence  string
	Subject   string // empty: none
	Text      string
	Timestamp string // in TimeFormat
	// Token and SubscribeURL are of confirmations.
	Token, SubscribeURL string
	// Version of the signature: "1" (SHA-1) or "2" (SHA-256); the signature is
	// base64. Empty: not signed.
	Version, Signature, CertURL string
	UnsubscribeURL              string // of notifications
	Attributes                  map[string]Attribute
}

// toSign is the text that the signature of a message is made over: pairs of names
// and values, sorted by name.
func (m *Message) toSign() string {
	pairs := [][2]string{{"Message", m.Text}, {"MessageId", m.ID}}
	switch {
	case m.Type != Notification:
		pairs = append(pairs, [2]string{"SubscribeURL", m.SubscribeURL})
	case m.Subject != "":
		pairs = append(pairs, [2]string{"Subject", m.Subject})
	}
	pairs = append(pairs, [2]string{"Timestamp", m.Timestamp})
	if m.Type != Notification {
		pairs = append(pairs, [2]string{"Token", m.Token})
	}
	pairs = append(pairs, [2]string{"TopicArn", m.TopicARN}, [2]string{"Type", m.Type})
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(p[0])
		b.WriteByte('\n')
		b.WriteString(p[1])
		b.WriteByte('\n')
	}
	return b.String()
}

// JSON is the document that queues, web servers and mailboxes get, in SNS's own
// order and spacing.
func (m *Message) JSON() []byte {
	var w writer
	w.WriteString("{")
	w.field("Type", m.Type)
	w.field("MessageId", m.ID)
	w.optional("SequenceNumber", m.Sequence)
	w.optional("Token", m.Token)
	w.field("TopicArn", m.TopicARN)
	w.optional("Subject", m.Subject)
	w.field("Message", m.Text)
	w.optional("SubscribeURL", m.SubscribeURL)
	w.field("Timestamp", m.Timestamp)
	if m.Signature != "" {
		w.field("SignatureVersion", m.Version)
		w.field("Signature", m.Signature)
		w.field("SigningCertURL", m.CertURL)
	}
	w.optional("UnsubscribeURL", m.UnsubscribeURL)
	if len(m.Attributes) > 0 {
		w.attributes(m.Attributes)
	}
	w.WriteString("\n}")
	return w.Bytes()
}

// writer builds a document.
type writer struct {
	bytes.Buffer
	fields int
}

func (w *writer) name(name string) {
	if w.fields++; w.fields > 1 {
		w.WriteByte(',')
	}
	w.WriteString("\n  ")
	w.text(name)
	w.WriteString(" : ")
}

func (w *writer) field(name, value string) {
	w.name(name)
	w.text(value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.field(name, value)
	}
}

// text writes a string as JSON, with < and > as they are.
func (w *writer) text(s string) {
	e := json.NewEncoder(&w.Buffer)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string, into memory
	w.Truncate(w.Len() - 1)
}

func (w *writer) attributes(attributes map[string]Attribute) {
	w.name("MessageAttributes")
	before := byte('{')
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		w.WriteByte(before)
		before = ','
		w.WriteString("\n    ")
		w.text(name)
		w.WriteString(` : {"Type":`)
		w.text(attributes[name].Type)
		w.WriteString(`,"Value":`)
		w.text(attributes[name].value())
		w.WriteByte('}')
	}
	w.WriteString("\n  }")
}

// event is what functions get.
type event struct {
	Records []record
}

type record struct {
	EventSource, EventVersion, EventSubscriptionArn string
	Sns                                             body
}

// body is a message as functions see it. Its field names differ from those of the
// document: Url, not URL.
type body struct {
	Type, MessageId, TopicArn                   string
	Subject                                     *string
	Message, Timestamp                          string
	SignatureVersion, Signature, SigningCertUrl string
	UnsubscribeUrl                              string
	MessageAttributes                           map[string]typed
}

type typed struct{ Type, Value string }

// Event is the document that a function gets for a message.
func (m *Message) Event(subscriptionARN string) ([]byte, error) {
	b := body{
		Type: m.Type, MessageId: m.ID, TopicArn: m.TopicARN, Message: m.Text, Timestamp: m.Timestamp,
		SignatureVersion: m.Version, Signature: m.Signature, SigningCertUrl: m.CertURL, UnsubscribeUrl: m.UnsubscribeURL,
		MessageAttributes: map[string]typed{},
	}
	if m.Subject != "" {
		b.Subject = &m.Subject
	}
	for name, a := range m.Attributes {
		b.MessageAttributes[name] = typed{a.Type, a.value()}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(event{[]record{{EventSource: "aws:sns", EventVersion: "1.0", EventSubscriptionArn: subscriptionARN, Sns: b}}})
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
