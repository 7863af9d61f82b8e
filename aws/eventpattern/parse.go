package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Limits. Those of a pattern's length are its users'.
const (
	// depthMax bounds how deep patterns and the parts of events that are looked
	// at nest.
	depthMax = 100
	// alternativesMax is how many combinations the $or of a pattern may have,
	// EventBridge says.
	alternativesMax = 1000
)

// Dialect says which operators there are.
type Dialect uint8

// Dialects.
const (
	// EventBridge is the language of rules on event buses: every operator.
	EventBridge Dialect = iota
	// Filter is the language of pipes and event source mappings, which lacks
	// wildcard, cidr, and anything-but with another operator in it.
	Filter
	// Notification is the language of SNS's filter policies, which lacks wildcard,
	// and anything-but with another operator in it than prefix. Numbers are
	// compared by their value.
	Notification
)

// Pattern is a compiled pattern. Safe for concurrent use.
type Pattern struct{ root *node }

// node matches an object: all its fields, and one of each set of alternatives.
type node struct {
	fields []field
	either [][]*node // $or
}

// field has either a node below it or the alternatives of a leaf.
type field struct {
	name string
	sub  *node
	leaf []matcher
}

// Error says what is wrong with a pattern.
type Error struct{ Reason string }

func (e *Error) Error() string { return "Event pattern is not valid. Reason: " + e.Reason }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Parse compiles a pattern. Its errors are of type *Error.
func Parse(text []byte, d Dialect) (*Pattern, error) {
	v, err := Decode(text)
	if err != nil {
		return nil, wrong("Filter is not valid JSON")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, wrong("Filter is not an object")
	}
	p := parser{dialect: d, combinations: 1}
	root, err := p.object(m, 0)
	if err != nil {
		return nil, err
	}
	return &Pattern{root}, nil
}

// Decode reads an event so that numbers stay as they are written.
func Decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("eventpattern: more than one value")
	}
	return v, nil
}

type parser struct {
	dialect      Dialect
	combinations int
}

const orKey = "$or"

func (p *parser) object(m map[string]any, depth int) (*node, error) {
	if len(m) == 0 {
		return nil, wrong("Empty objects are not allowed")
	}
	if depth >= depthMax {
		return nil, wrong("Pattern is nested too deep")
	}
	n := &node{}
	for name, v := range m {
		if either, ok := alternatives(name, v); ok {
			if err := p.or(n, either, depth); err != nil {
				return nil, err
			}
			continue
		}
		f := field{name: name}
		var err error
		switch v := v.(type) {
		case map[string]any:
			f.sub, err = p.object(v, depth+1)
		case []any:
			f.leaf, err = p.leaf(v)
		default:
			err = wrong("%q must be an object or an array", name)
		}
		if err != nil {
			return nil, err
		}
		n.fields = append(n.fields, f)
	}
	return n, nil
}

// alternatives says whether a field is the operator $or: an array of at least
// two objects, none of which is an operator. Else it is a field of that name.
func alternatives(name string, v any) ([]map[string]any, bool) {
	list, ok := v.([]any)
	if name != orKey || !ok || len(list) < 2 {
		return nil, false
	}
	out := make([]map[string]any, len(list))
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		for key := range m {
			if slices.Contains(operators, key) {
				return nil, false
			}
		}
		out[i] = m
	}
	return out, true
}

func (p *parser) or(n *node, either []map[string]any, depth int) error {
	if p.combinations *= len(either); p.combinations > alternativesMax {
		return wrong("Rule is too complex - try using fewer combinations of $or")
	}
	one := make([]*node, len(either))
	for i, m := range either {
		var err error
		if one[i], err = p.object(m, depth+1); err != nil {
			return err
		}
	}
	n.either = append(n.either, one)
	return nil
}

func (p *parser) leaf(list []any) ([]matcher, error) {
	if len(list) == 0 {
		return nil, wrong("Empty arrays are not allowed")
	}
	out := make([]matcher, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case map[string]any:
			if len(v) != 1 {
				return nil, wrong("Only one key allowed in match expression")
			}
			for op, arg := range v {
				var err error
				if out[i], err = p.operator(op, arg); err != nil {
					return nil, err
				}
			}
		case []any:
			return nil, wrong("Match value must be String, number, true, false, or null")
		default:
			out[i] = p.exact(v)
		}
	}
	return out, nil
}

// exact is a value that is written out.
func (p *parser) exact(v any) matcher {
	if n, ok := v.(json.Number); ok && p.dialect == Notification {
		if f, ok := number(n); ok {
			return numeric{exact: true, hasLow: true, hasHigh: true, low: f, high: f, lowIn: true, highIn: true}
		}
	}
	return equals{v}
}
