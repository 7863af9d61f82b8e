package sns

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/sns/envelope"
)

// Limits of messages (API reference, Publish; developer guide,
// sns-message-attributes).
const (
	messageBytesMax       = 256 << 10
	subjectCharactersMax  = 100
	attributeNameBytesMax = 256
	batchEntriesMax       = 10
	batchIDCharactersMax  = 80
)

// message is a message as it waits to be delivered.
type message struct {
	ID    string
	Topic string // ARN
	Time  time.Time
	// Kind is a type of package envelope, empty for notifications; Token belongs to
	// confirmations.
	Kind, Token string `json:",omitempty"`
	Subject     string `json:",omitempty"`
	Text        string
	// Texts are those for one protocol each, where they differ.
	Texts      map[string]string             `json:",omitempty"`
	Attributes map[string]envelope.Attribute `json:",omitempty"`
	// Group, Dedup and Sequence are of FIFO topics; Group may be set on others.
	Group, Dedup, Sequence string `json:",omitempty"`
	Signature              string // the version
	RequestID, Trace       string `json:",omitempty"`
	Depth                  int    `json:",omitempty"`
}

// text is the message as a protocol's subscribers get it.
func (m *message) text(protocol string) string {
	if t, ok := m.Texts[protocol]; ok {
		return t
	}
	return m.Text
}

// entry is what is published: a request's, or one of a batch.
type entry struct {
	Message, Subject, Structure *string
	Attributes                  map[string]api.MessageAttributeValue
	Dedup, Group                *string
}

// bytes is how large an entry is: its message and its attributes' names, types and
// values.
func (e entry) bytes() int {
	n := len(smithy.Val(e.Message))
	for name, a := range e.Attributes {
		n += len(name) + len(smithy.Val(a.DataType)) + len(smithy.Val(a.StringValue)) + len(a.BinaryValue)
	}
	return n
}

// compose checks an entry and makes its message, without ids.
func compose(t *topic, e entry) (*message, error) {
	m := &message{Topic: t.arn(), Text: smithy.Val(e.Message), Signature: t.signature()}
	if m.Text == "" {
		return nil, invalid("Empty message")
	}
	if err := m.setSubject(e.Subject); err != nil {
		return nil, err
	}
	if e.bytes() > messageBytesMax {
		return nil, invalid("Message too long")
	}
	if err := m.setStructure(smithy.Val(e.Structure)); err != nil {
		return nil, err
	}
	if err := m.setGroup(t, e); err != nil {
		return nil, err
	}
	return m, m.setAttributes(e.Attributes)
}

// signature is the version of the topic's signatures.
func (t *topic) signature() string {
	if v := t.Attributes[attrSignatureVersion]; v != "" {
		return v
	}
	return "1"
}

// setSubject: "must be UTF-8 text with no line breaks or control characters, and
// less than 100 characters long".
func (m *message) setSubject(subject *string) error {
	if subject == nil {
		return nil
	}
	s := *subject
	if s == "" || utf8.RuneCountInString(s) > subjectCharactersMax {
		return invalid("Subject")
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return invalid("Subject")
		}
	}
	m.Subject = s
	return nil
}

// setStructure takes a message apart that differs by protocol.
func (m *message) setStructure(structure string) error {
	switch structure {
	case "":
		return nil
	case "json":
	default:
		return invalid("Message Structure parameter is not valid: %s", structure)
	}
	d := json.NewDecoder(strings.NewReader(m.Text))
	var texts map[string]any
	if err := d.Decode(&texts); err != nil {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	fallback, ok := texts["default"].(string)
	if !ok {
		return invalid("Message Structure - No default entry in JSON message body")
	}
	m.Text = fallback
	for protocol, v := range texts {
		if s, ok := v.(string); ok && protocol != "default" {
			if m.Texts == nil {
				m.Texts = map[string]string{}
			}
			m.Texts[protocol] = s
		}
	}
	return nil
}

var fifoToken = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

// setGroup checks what FIFO topics need and others must not have.
func (m *message) setGroup(t *topic, e entry) error {
	m.Group, m.Dedup = smithy.Val(e.Group), smithy.Val(e.Dedup)
	switch {
	case e.Group != nil && !fifoToken.MatchString(m.Group):
		return invalid("MessageGroupId")
	case !t.FIFO && e.Dedup != nil:
		return invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	case e.Dedup != nil && !fifoToken.MatchString(m.Dedup):
		return invalid("MessageDeduplicationId")
	case !t.FIFO:
		return nil
	case e.Group == nil:
		return invalid("The MessageGroupId parameter is required for FIFO topics")
	case e.Dedup == nil && t.Attributes[attrContentDedup] != "true":
		return invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case e.Dedup == nil:
		m.Dedup = contentHash(smithy.Val(e.Message))
	}
	return nil
}

func badAttribute(format string, args ...any) error {
	return api.ErrInvalidParameterValueException(format, args...)
}

func (m *message) setAttributes(given map[string]api.MessageAttributeValue) error {
	for name, a := range given {
		if err := checkAttributeName(name); err != nil {
			return err
		}
		v, err := attribute(name, a)
		if err != nil {
			return err
		}
		if m.Attributes == nil {
			m.Attributes = make(map[string]envelope.Attribute, len(given))
		}
		m.Attributes[name] = v
	}
	return nil
}

func checkAttributeName(name string) error {
	if len(name) > attributeNameBytesMax {
		return badAttribute("Length of message attribute name must be less than 256 bytes.")
	}
	for _, r := range name {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-' && r != '.' {
			return badAttribute("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	switch {
	case name == "":
		return badAttribute("The request must contain non-empty message attribute names.")
	case name[0] == '.':
		return badAttribute("Invalid message attribute name starting with character '.' was found.")
	case name[len(name)-1] == '.':
		return badAttribute("Invalid message attribute name ending with character '.' was found.")
	case strings.Contains(name, ".."):
		return badAttribute("Message attribute name can not have successive '.' character.")
	}
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
		return badAttribute("Message attribute name can not have a prefix of 'AWS.' or 'Amazon.'.")
	}
	return nil
}

var decimal = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// attribute checks and takes one attribute.
func attribute(name string, a api.MessageAttributeValue) (envelope.Attribute, error) {
	out := envelope.Attribute{Type: smithy.Val(a.DataType)}
	kind, label, labelled := strings.Cut(out.Type, ".")
	if (kind != "String" && kind != "Number" && kind != "Binary") || labelled && label == "" {
		return out, badAttribute("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	field := "String"
	if kind == "Binary" {
		field = "Binary"
	}
	text, binary := smithy.Val(a.StringValue), a.BinaryValue
	if text == "" && len(binary) == 0 {
		return out, badAttribute("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, out.Type)
	}
	if field == "Binary" && len(binary) == 0 || field == "String" && text == "" || text != "" && len(binary) > 0 {
		return out, badAttribute("The message attribute '%s' with type '%s' must use field '%s'.", name, out.Type, field)
	}
	switch {
	case kind == "Number" && !decimal.MatchString(text):
		return out, badAttribute("Could not cast message attribute '%s' value to number.", name)
	case kind == "Number":
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return out, badAttribute("Could not cast message attribute '%s' value to number.", name)
		}
	case out.Type == "String.Array":
		if err := checkArray(name, text); err != nil {
			return out, err
		}
	}
	out.Text, out.Binary = text, binary
	return out, nil
}

// checkArray: strings, numbers, true, false and null, in a JSON list.
func checkArray(name, text string) error {
	var list []any
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return badAttribute("The message attribute '%s' of type 'String.Array' must be a JSON array of strings, numbers, true, false or null.", name)
	}
	for _, v := range list {
		switch v.(type) {
		case []any, map[string]any:
			return badAttribute("The message attribute '%s' of type 'String.Array' must be a JSON array of strings, numbers, true, false or null.", name)
		}
	}
	return nil
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// checkBatch refuses batches that are wrong as a whole.
func checkBatch(entries []api.PublishBatchRequestEntry) error {
	switch {
	case len(entries) == 0:
		return api.ErrEmptyBatchRequestException("The batch request doesn't contain any entries.")
	case len(entries) > batchEntriesMax:
		return api.ErrTooManyEntriesInBatchRequestException("The batch request contains more entries than permissible.")
	}
	seen, bytes := map[string]bool{}, 0
	for _, e := range entries {
		id := smithy.Val(e.Id)
		switch {
		case id == "" || !batchID.MatchString(id):
			return api.ErrInvalidBatchEntryIdException("The Id of a batch entry in the batch request contains an impermissible character: %s", id)
		case len(id) > batchIDCharactersMax:
			return api.ErrInvalidBatchEntryIdException("The Id of a batch entry in the batch request is too long: %s", id)
		case seen[id]:
			return api.ErrBatchEntryIdsNotDistinctException("Two or more batch entries in the request have the same Id.")
		}
		seen[id] = true
		bytes += batchEntry(e).bytes()
	}
	if bytes > messageBytesMax {
		return api.ErrBatchRequestTooLongException("The length of all the messages put together is more than the limit.")
	}
	return nil
}

func batchEntry(e api.PublishBatchRequestEntry) entry {
	return entry{Message: e.Message, Subject: e.Subject, Structure: e.MessageStructure, Attributes: e.MessageAttributes, Dedup: e.MessageDeduplicationId, Group: e.MessageGroupId}
}
