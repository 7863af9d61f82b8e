// Package transform makes what a target is given out of an event: a text that
// does not depend on it, a part of it, or a template that is filled with parts.
//
// It is pure: it delivers nothing, and knows nothing of rules but their names.
//
// Source: EventBridge user guide, eb-transform-target-input.
package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of an input transformer (API reference, InputTransformer).
const pathsMax = 100

// BytesMax is how large what is made may be: no target takes more. A short
// template may name a large part of the event thousands of times.
const BytesMax = 1 << 20

// Spec is what a target says about its input; at most one of Input, Path and
// Template is set.
type Spec struct {
	Target   string // its id, for messages
	Input    *string
	Path     *string
	Template *string
	Paths    map[string]string
}

// Facts are what templates may tell besides the event.
type Facts struct {
	RuleARN, RuleName string
	// Ingested is when the event was taken.
	Ingested string
}

// ErrNotJSON: the template, filled, is not JSON, so the event cannot be sent.
var ErrNotJSON = errors.New("transform: the filled template is not JSON")

// ErrTooLong: the template, filled, is longer than BytesMax.
var ErrTooLong = errors.New("transform: the filled template is too long")

// Shape is a compiled Spec. Safe for concurrent use.
type Shape struct {
	input []byte
	path  path
	parts []part
	paths map[string]path
	// prose says that the template is a string, in which values lose their
	// quotes.
	prose bool
}

// part is literal text, or what a name stands for.
type part struct {
	text, name string
	quoted     bool // the name stands inside a JSON string
}

// Compile checks a Spec. Its errors are AWS's texts.
func Compile(s Spec) (*Shape, error) {
	out := &Shape{}
	var err error
	switch {
	case s.Input != nil:
		out.input = []byte(*s.Input)
	case s.Path != nil:
		if out.path, err = parsePath(*s.Path); err != nil {
			return nil, fmt.Errorf("Invalid InputPath for target %s.", s.Target)
		}
	case s.Template != nil:
		return out, out.template(s)
	}
	return out, nil
}

func (s *Shape) template(spec Spec) error {
	if len(spec.Paths) > pathsMax {
		return fmt.Errorf("InputPathsMap for target %s has more than %d entries.", spec.Target, pathsMax)
	}
	s.paths = make(map[string]path, len(spec.Paths))
	for name, text := range spec.Paths {
		if strings.HasPrefix(strings.ToUpper(name), "AWS.") {
			return fmt.Errorf("InputPathsMap for target %s contains the reserved name %s.", spec.Target, name)
		}
		p, err := parsePath(text)
		if err != nil {
			return fmt.Errorf("InputPathsMap for target %s contains invalid path %s.", spec.Target, text)
		}
		s.paths[name] = p
	}
	s.prose = strings.HasPrefix(strings.TrimLeft(*spec.Template, " \t\r\n"), `"`)
	s.parts = split(*spec.Template)
	var trial bytes.Buffer
	for _, p := range s.parts {
		if p.name == "" {
			trial.WriteString(p.text)
			continue
		}
		if _, ok := s.paths[p.name]; !ok && !isReserved(p.name) {
			return fmt.Errorf("InputTemplate for target %s contains invalid placeholder %s.", spec.Target, p.name)
		}
		if !p.quoted {
			trial.WriteString("0")
		}
	}
	if err := values(trial.Bytes()); err != nil {
		return fmt.Errorf("Invalid InputTemplate for target %s : [%s].", spec.Target, err)
	}
	return nil
}

// values says why a text is not one or more JSON values.
func values(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	for n := 0; ; n++ {
		var v json.RawMessage
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// split cuts a template at its <names>.
func split(template string) []part {
	var out []part
	quoted, from := false, 0
	for i := 0; i < len(template); i++ {
		switch template[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '<':
			n := nameLen(template[i+1:])
			if n == 0 {
				continue
			}
			if i > from {
				out = append(out, part{text: template[from:i]})
			}
			out = append(out, part{name: template[i+1 : i+1+n], quoted: quoted})
			i += n + 1
			from = i + 1
		}
	}
	if from < len(template) {
		out = append(out, part{text: template[from:]})
	}
	return out
}

// nameLen is the length of the name that stands before a ">", or zero.
func nameLen(s string) int {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '>':
			return i
		case c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z'):
			return 0
		}
	}
	return 0
}

// Apply gives what the target is sent for an event. Its errors are ErrNotJSON and
// ErrTooLong.
func (s *Shape) Apply(event json.RawMessage, f Facts) ([]byte, error) {
	switch {
	case s.input != nil:
		return s.input, nil
	case s.path != nil:
		v, ok := s.path.find(event)
		if !ok {
			return []byte("null"), nil
		}
		return v, nil
	case s.parts == nil:
		return event, nil
	}
	var out bytes.Buffer
	found := map[string]value{}
	for _, p := range s.parts {
		if p.name == "" {
			out.WriteString(p.text)
			continue
		}
		v, known := found[p.name]
		if !known {
			v.json, v.ok = s.value(p.name, event, f)
			found[p.name] = v
		}
		if out.Write(s.written(v.json, v.ok, p.quoted)); out.Len() > BytesMax {
			return nil, ErrTooLong
		}
	}
	if values(out.Bytes()) != nil {
		return nil, ErrNotJSON
	}
	return out.Bytes(), nil
}

// value is what a name was found to stand for.
type value struct {
	json json.RawMessage
	ok   bool
}

// written is a value as it stands in the template: strings lose their quotes
// inside others; in prose everything does. What is not there is empty.
func (s *Shape) written(v json.RawMessage, ok, quoted bool) []byte {
	switch {
	case !ok && quoted:
		return nil
	case !ok:
		return []byte(`""`)
	case !quoted:
		return v
	case v[0] == '"':
		return v[1 : len(v)-1]
	case s.prose:
		return bytes.ReplaceAll(v, []byte(`"`), nil)
	}
	return v
}

// value is what a name stands for, as JSON.
func (s *Shape) value(name string, event json.RawMessage, f Facts) (json.RawMessage, bool) {
	if p, ok := s.paths[name]; ok {
		return p.find(event)
	}
	switch name {
	case ruleARN:
		return quote(f.RuleARN), true
	case ruleName:
		return quote(f.RuleName), true
	case ingestionTime:
		return quote(f.Ingested), true
	case eventJSON:
		return event, true
	}
	return head(event), true
}

// The reserved names.
const (
	ruleARN       = "aws.events.rule-arn"
	ruleName      = "aws.events.rule-name"
	ingestionTime = "aws.events.event.ingestion-time"
	eventHead     = "aws.events.event"
	eventJSON     = "aws.events.event.json"
)

func isReserved(name string) bool {
	switch name {
	case ruleARN, ruleName, ingestionTime, eventHead, eventJSON:
		return true
	}
	return false
}

func quote(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// head is an event without its detail, with the names that AWS gives them there.
func head(event json.RawMessage) json.RawMessage {
	var e struct {
		ID         json.RawMessage `json:"id"`
		Account    json.RawMessage `json:"account"`
		DetailType json.RawMessage `json:"detail-type"`
		Time       json.RawMessage `json:"time"`
		Source     json.RawMessage `json:"source"`
		Region     json.RawMessage `json:"region"`
		Resources  json.RawMessage `json:"resources"`
		Version    json.RawMessage `json:"version"`
	}
	_ = json.Unmarshal(event, &e) // an event is an object
	var b bytes.Buffer
	for _, f := range []struct {
		name  string
		value json.RawMessage
	}{
		{"id", e.ID}, {"account", e.Account}, {"detailType", e.DetailType}, {"time", e.Time},
		{"source", e.Source}, {"region", e.Region}, {"resources", e.Resources}, {"version", e.Version},
	} {
		if f.value == nil {
			continue
		}
		fmt.Fprintf(&b, ",%q:%s", f.name, f.value)
	}
	return json.RawMessage("{" + strings.TrimPrefix(b.String(), ",") + "}")
}
