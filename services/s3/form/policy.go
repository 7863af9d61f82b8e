package form

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy is a policy document: until when a form may be used, and what its
// fields and its file must be.
type Policy struct {
	Expires    time.Time
	conditions []condition
	// LengthMin and LengthMax bound the file; LengthMax is negative where the
	// document names no bounds.
	LengthMin, LengthMax int64
}

// condition is one of ["eq", "$field", "value"], ["starts-with", …] and
// {"field": "value"}.
type condition struct {
	prefix       bool
	never        bool   // the field has no $, so that it is none of the form's
	field, value string // field in lower case, without $
	text         string // as the document says it, for messages
}

// ParsePolicy reads a policy as forms carry it: JSON in base64.
func ParsePolicy(encoded string) (*Policy, error) {
	if encoded == "" {
		return nil, errPolicy("Expecting '{' but found End-of-Input")
	}
	document, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errPolicy("invalid Base64 encoding.")
	}
	var top map[string]json.RawMessage
	if err := decode(document, &top); err != nil || top == nil {
		return nil, errPolicy("Invalid JSON.")
	}
	p := &Policy{LengthMax: -1}
	for name, v := range top {
		switch name {
		case "expiration":
			err = p.expiration(v)
		case "conditions":
			err = p.list(v)
		default:
			err = errPolicy("Unexpected: " + quoted(name))
		}
		if err != nil {
			return nil, err
		}
	}
	if p.Expires.IsZero() {
		return nil, errPolicy("Policy missing expiration.")
	}
	if top["conditions"] == nil {
		return nil, errPolicy("Policy missing conditions.")
	}
	return p, nil
}

// decode reads one JSON value and nothing after it.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("form: text after a JSON value")
	}
	return nil
}

func (p *Policy) expiration(v json.RawMessage) error {
	var text string
	if err := json.Unmarshal(v, &text); err != nil {
		return errPolicy("Invalid JSON.")
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errPolicy("Invalid 'expiration' value: '" + text + "'")
	}
	p.Expires = at
	return nil
}

func (p *Policy) list(v json.RawMessage) error {
	var items []json.RawMessage
	if err := json.Unmarshal(v, &items); err != nil || items == nil {
		return errPolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, item := range items {
		if err := p.condition(item); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) condition(item json.RawMessage) error {
	var simple map[string]any
	if err := decode(item, &simple); err == nil && simple != nil {
		if len(simple) != 1 {
			return errPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for name, v := range simple {
			value, ok := v.(string)
			if !ok {
				return errPolicy("Invalid Simple-Condition: value must be a string.")
			}
			p.add(false, name, value)
		}
		return nil
	}
	var parts []any
	if err := decode(item, &parts); err != nil {
		return errPolicy("Invalid condition test: must be a List or Object.")
	}
	if len(parts) == 0 {
		return errPolicy("Invalid Condition: missing operation identifier.")
	}
	operator, ok := parts[0].(string)
	lower := strings.ToLower(operator)
	switch {
	case !ok:
		return errPolicy("Invalid JSON.")
	case lower != "content-length-range" && lower != "eq" && lower != "starts-with":
		return errPolicy("Invalid Condition: unknown operation '" + operator + "'.")
	case len(parts) != 3:
		return errPolicy("Invalid " + operator + ": wrong number of arguments.")
	case lower == "content-length-range":
		return p.lengths(parts[1], parts[2])
	}
	name, isText := parts[1].(string)
	value, isTextToo := parts[2].(string)
	if !isText || !isTextToo {
		return errPolicy("Invalid JSON.")
	}
	field, ok := strings.CutPrefix(name, "$")
	if !ok {
		p.conditions = append(p.conditions, condition{never: true, text: listed(operator, name, value)})
		return nil
	}
	p.add(lower == "starts-with", field, value)
	return nil
}

func (p *Policy) add(prefix bool, field, value string) {
	operator := "eq"
	if prefix {
		operator = "starts-with"
	}
	p.conditions = append(p.conditions, condition{
		prefix: prefix, field: strings.ToLower(field), value: value,
		text: listed(operator, "$"+field, value),
	})
}

// listed writes a condition as S3 does in its messages.
func listed(operator, field, value string) string {
	return fmt.Sprintf("[%s, %s, %s]", quoted(operator), quoted(field), quoted(value))
}

func quoted(s string) string { return `"` + s + `"` }

func (p *Policy) lengths(from, to any) error {
	low, okLow := length(from)
	high, okHigh := length(to)
	if !okLow || !okHigh {
		return errPolicy("Invalid JSON.")
	}
	if p.LengthMax < 0 {
		p.LengthMin, p.LengthMax = low, high
		return nil
	}
	p.LengthMin, p.LengthMax = max(p.LengthMin, low), min(p.LengthMax, high)
	return nil
}

// length takes numbers, and numbers in quotes as some libraries write them.
func length(v any) (int64, bool) {
	text, ok := v.(string)
	if number, isNumber := v.(json.Number); isNumber {
		text, ok = number.String(), true
	}
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

// lists are the fields of several values, each of which a prefix must begin.
var lists = map[string]bool{"content-type": true}

func (c *condition) holds(value string, ok bool) bool {
	switch {
	case c.never:
		return false
	case !c.prefix:
		return ok && value == c.value
	case !ok:
		return c.value == ""
	case lists[c.field] && strings.Contains(value, ","):
		for item := range strings.SplitSeq(value, ",") {
			if !strings.HasPrefix(strings.TrimSpace(item), c.value) {
				return false
			}
		}
		return true
	}
	return strings.HasPrefix(value, c.value)
}

// free are the fields that need no condition.
var free = map[string]bool{"policy": true, "x-amz-signature": true, "file": true}

// Check judges a form for a bucket. The file's length is judged while it is
// read, by Limit; that the policy has expired by who knows the time.
func (p *Policy) Check(f *Form, bucket string) error {
	fields := maps.Clone(f.fields)
	fields["bucket"] = bucket
	named := map[string]bool{}
	for i := range p.conditions {
		c := &p.conditions[i]
		named[c.field] = true
		if value, ok := fields[c.field]; !c.holds(value, ok) {
			return errAccording("Policy Condition failed: " + c.text)
		}
	}
	var extra []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !named[name] && !free[name] && !strings.HasPrefix(name, "x-ignore-") {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		return errAccording("Extra input fields: " + strings.Join(extra, ", "))
	}
	return nil
}

// Limit reads a file within the policy's bounds; beyond them it fails with the
// fault that the client sees.
func (p *Policy) Limit(r io.Reader) io.Reader {
	if p.LengthMax < 0 {
		return r
	}
	return &limited{r: r, p: p}
}

type limited struct {
	r io.Reader
	p *Policy
	n int64
}

// Read implements io.Reader.
func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	l.n += int64(n)
	switch {
	case l.n > l.p.LengthMax:
		return 0, errTooLarge(l.n, l.p.LengthMax)
	case err == io.EOF && l.n < l.p.LengthMin:
		return n, errTooSmall(l.n, l.p.LengthMin)
	}
	return n, err
}
