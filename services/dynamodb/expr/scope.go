package expr

import (
	"slices"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/item"
)

// MaxLength is how many bytes an expression may have.
const MaxLength = 4096

// maxNesting bounds the depth of parentheses and NOT.
const maxNesting = 150

func invalid(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}

// Scope is the placeholders of one request and which of them were used. It
// belongs to one goroutine.
type Scope struct {
	names      map[string]string
	values     map[string]item.Value
	usedNames  map[string]bool
	usedValues map[string]bool
}

// NewScope makes a scope; the keys of names begin with #, of values with a colon.
func NewScope(names map[string]string, values map[string]item.Value) (*Scope, error) {
	for k, v := range names {
		if !placeholder(k, '#') {
			return nil, invalid(`ExpressionAttributeNames contains invalid key: Syntax error; key: "%s"`, k)
		}
		if v == "" {
			return nil, invalid("ExpressionAttributeNames contains invalid value: Empty attribute name; key: %s", k)
		}
	}
	for k := range values {
		if !placeholder(k, ':') {
			return nil, invalid(`ExpressionAttributeValues contains invalid key: Syntax error; key: "%s"`, k)
		}
	}
	return &Scope{names: names, values: values, usedNames: map[string]bool{}, usedValues: map[string]bool{}}, nil
}

func placeholder(s string, mark byte) bool {
	return len(s) > 1 && s[0] == mark && run(s[1:], isWord) == len(s)-1
}

// Unused complains of placeholders that no expression used.
func (s *Scope) Unused() error {
	if keys := unused(s.names, s.usedNames); keys != "" {
		return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", keys)
	}
	if keys := unused(s.values, s.usedValues); keys != "" {
		return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", keys)
	}
	return nil
}

func unused[T any](given map[string]T, used map[string]bool) string {
	var keys []string
	for k := range given {
		if !used[k] {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, ", ")
}

// Step is one step of a path: a name, or an index into a list.
type Step struct {
	Name  string
	Index int // counts where Name is empty
}

// Path is where a value lies in an item. The first step is a name.
type Path []Step

// String is how AWS writes a path in messages: [a, b, [0]].
func (p Path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.String()
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// String is the step in a message.
func (s Step) String() string {
	if s.Name != "" {
		return s.Name
	}
	return "[" + itoa(s.Index) + "]"
}

// Get returns what lies at the path, or nil.
func (p Path) Get(m item.Map) *item.Value {
	v := m.Get(p[0].Name)
	for _, s := range p[1:] {
		if v == nil {
			return nil
		}
		v = s.of(v)
	}
	return v
}

func (s Step) of(v *item.Value) *item.Value {
	switch {
	case s.Name != "" && v.Kind == item.MapKind:
		return v.Map.Get(s.Name)
	case s.Name == "" && v.Kind == item.List && s.Index < len(v.List):
		return &v.List[s.Index]
	}
	return nil
}
