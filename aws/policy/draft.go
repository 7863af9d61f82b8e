package policy

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Draft is a document to which operations add statements and from which they
// remove them: AddPermission, RemovePermission and their like. Statements that are
// not touched stay as they were written. It is not judged: Parse says whether what
// comes of it is a policy.
type Draft struct {
	Version   Version
	ID        string `json:"Id,omitempty"`
	Statement Statements
}

// Statements are a document's, each as it is written.
type Statements []json.RawMessage

// UnmarshalJSON reads a list, or its only member.
func (l *Statements) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return json.Unmarshal(raw, (*[]json.RawMessage)(l))
	}
	if *l = nil; string(raw) != "null" {
		*l = Statements{bytes.Clone(raw)}
	}
	return nil
}

// Grant is a statement in AWS's order of fields. Principal and Action may be what
// Alone gives.
type Grant struct {
	Sid       string
	Effect    Effect
	Principal any
	Action    any
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// Alone writes one value without a list.
func Alone(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

// Read fills in what a document says; an empty text says nothing.
func (d *Draft) Read(text string) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), d)
}

// Index is where the first statement is whose Sid is wanted, or -1.
func (d *Draft) Index(wanted func(sid string) bool) int {
	return slices.IndexFunc(d.Statement, func(raw json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(raw, &s) == nil && wanted(s.Sid)
	})
}

// Add puts a grant behind the other statements.
func (d *Draft) Add(g Grant) error {
	raw, err := unescaped(g)
	d.Statement = append(d.Statement, raw)
	return err
}

// Text is the document; empty where no statement is left.
func (d *Draft) Text() (string, error) {
	if len(d.Statement) == 0 {
		return "", nil
	}
	raw, err := unescaped(d)
	return string(raw), err
}

// unescaped is JSON without escapes for HTML.
func unescaped(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
