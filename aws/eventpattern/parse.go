package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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
	// and anything-but with another operator in it than prefix. Names with dots
	// are names.
	Notification
)

// Pattern is a compiled pattern. Safe for concurrent use.
type Pattern struct {
	root    *node
	dialect Dialect
}

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
	if d != Notification {
		v = undot(v, true)
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
	return &Pattern{root, d}, nil
}

// DecodeEvent reads an event for the patterns of buses and of event source
// mappings, in which "a.b" is b in a.
func DecodeEvent(text []byte) (any, error) {
	v, err := Decode(text)
	if err != nil || !bytes.ContainsRune(text, '.') {
		return v, err
	}
	return undot(v, false), nil
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
	path         []string // of the field that is read
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
	for _, name := range slices.Sorted(maps.Keys(m)) { // so that one mistake of several is told of
		v := m[name]
		either, ok, err := p.alternatives(name, v)
		if err != nil {
			return nil, err
		}
		if ok {
			if err := p.or(n, either, depth); err != nil {
				return nil, err
			}
			continue
		}
		f := field{name: name}
		p.path = append(p.path, name)
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
		p.path = p.path[:len(p.path)-1]
		n.fields = append(n.fields, f)
	}
	return n, nil
}

// alternatives says whether a field is the operator $or: an array of at least
// two objects, none of which is an operator. EventBridge takes nothing else by
// that name; elsewhere it is a field then.
func (p *parser) alternatives(name string, v any) ([]map[string]any, bool, error) {
	if name != orKey {
		return nil, false, nil
	}
	out, err := readOr(v)
	if err != nil && p.dialect != EventBridge {
		return nil, false, nil
	}
	return out, err == nil, err
}

// checkNames refuses fields inside $or that have the names of operators, at any
// depth.
func checkNames(m map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if slices.Contains(reserved, key) {
			return wrong("%s is Ruler reserved fieldName which cannot be used inside $or.", key)
		}
		if sub, ok := m[key].(map[string]any); ok {
			if err := checkNames(sub); err != nil {
				return err
			}
		}
	}
	return nil
}

func readOr(v any) ([]map[string]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, wrong("It must be an Array followed with $or.")
	}
	out := make([]map[string]any, len(list))
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, wrong("Only JSON object is allowed in array of $or relationship.")
		}
		if err := checkNames(m); err != nil {
			return nil, err
		}
		out[i] = m
	}
	if len(list) < 2 {
		return nil, wrong("There must have at least 2 Objects in $or relationship.")
	}
	return out, nil
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
				return nil, errOneKey
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

// exact is a value that is written out. On buses addresses are compared as such.
func (p *parser) exact(v any) matcher {
	if s, ok := v.(string); ok && p.dialect == EventBridge {
		if a, ok := address(s); ok {
			return sameAddress{a}
		}
	}
	return equalTo(v)
}
