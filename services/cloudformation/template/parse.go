package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// parseValue reads a document in JSON or YAML into values.
func parseValue(body string) (any, error) {
	trimmed := strings.TrimLeft(body, " \t\r\n\ufeff")
	if trimmed == "" {
		return nil, errorf("Template format error: unsupported structure.")
	}
	// A flow mapping in YAML also starts with a brace, so a document that is
	// not JSON gets a second chance; the JSON error stands if both fail.
	if trimmed[0] == '{' {
		v, err := parseJSON(body)
		if err == nil {
			return v, nil
		}
		var format *formatError
		if errors.As(err, &format) {
			if y, yerr := parseYAML(body); yerr == nil {
				return y, nil
			}
		}
		return nil, err
	}
	return parseYAML(body)
}

// formatError says that a document is not well-formed, and where.
type formatError struct {
	language     string
	line, column int
	detail       string
}

func (e *formatError) Error() string {
	s := "Template format error: " + e.language + " not well-formed."
	if e.line > 0 {
		s += errorf(" (line %d, column %d)", e.line, e.column).Error()
	}
	if e.detail != "" {
		s += " " + e.detail
	}
	return s
}

// Unwrap makes a format error an Error like all others.
func (e *formatError) Unwrap() error { return Error(e.Error()) }

// As lets errors.As find the Error.
func (e *formatError) As(target any) bool {
	if t, ok := target.(*Error); ok {
		*t = Error(e.Error())
		return true
	}
	return false
}

type jsonReader struct {
	dec  *json.Decoder
	body string
}

func parseJSON(body string) (any, error) {
	body = strings.TrimPrefix(body, "\ufeff")
	r := &jsonReader{dec: json.NewDecoder(strings.NewReader(body)), body: body}
	r.dec.UseNumber()
	v, err := r.value(0, "")
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return nil, r.fail("")
	}
	return v, nil
}

func (r *jsonReader) fail(detail string) error {
	line, column := position(r.body, int(r.dec.InputOffset()))
	return &formatError{language: "JSON", line: line, column: column, detail: detail}
}

func position(body string, offset int) (line, column int) {
	offset = min(offset, len(body))
	before := body[:offset]
	return 1 + strings.Count(before, "\n"), offset - strings.LastIndexByte(before, '\n')
}

func (r *jsonReader) value(depth int, path string) (any, error) {
	if depth > maxDepth {
		return nil, r.fail("Nested too deeply.")
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, r.fail("")
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth, path)
		}
		return r.array(depth, path)
	case nil:
		return nil, errNull(path)
	}
	return tok, nil
}

func (r *jsonReader) object(depth int, path string) (any, error) {
	m := map[string]any{}
	for r.dec.More() {
		tok, err := r.dec.Token()
		if err != nil {
			return nil, r.fail("")
		}
		key, ok := tok.(string)
		if !ok {
			return nil, r.fail("")
		}
		if _, dup := m[key]; dup {
			return nil, r.fail("Duplicate key " + key + ".")
		}
		v, err := r.value(depth+1, path+"/"+key)
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	if _, err := r.dec.Token(); err != nil {
		return nil, r.fail("")
	}
	return m, nil
}

func (r *jsonReader) array(depth int, path string) (any, error) {
	list := []any{}
	for r.dec.More() {
		v, err := r.value(depth+1, path+"/"+itoa(len(list)))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := r.dec.Token(); err != nil {
		return nil, r.fail("")
	}
	return list, nil
}

func errNull(path string) error {
	return errorf("[%s] 'null' values are not allowed in templates", path)
}

// JSON writes a value as compact JSON with sorted keys; NoValue and Unknown do
// not occur in it.
func JSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
