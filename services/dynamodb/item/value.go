package item

import (
	"slices"
	"strings"
)

// Kind is the type of a value.
type Kind uint8

// The types. Their numbers are stored and never change.
const (
	String Kind = iota + 1
	Number
	Binary
	Bool
	Null
	MapKind
	List
	StringSet
	NumberSet
	BinarySet
)

var kindNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}

// String is the name on the wire: "S", "N", …
func (k Kind) String() string { return kindNames[k] }

// KindOf returns the kind with a name, or zero.
func KindOf(name string) Kind {
	for i, n := range kindNames {
		if n == name {
			return Kind(i)
		}
	}
	return 0
}

// IsSet reports whether values of the kind are sets.
func (k Kind) IsSet() bool { return k >= StringSet }

// Value is one attribute value. Kind zero is no value.
type Value struct {
	Kind Kind
	Bool bool
	Text string   // S, B, and N in canonical form
	Set  []string // SS, NS, BS: sorted, without duplicates, never empty
	List []Value
	Map  Map
}

// Attr is a named value.
type Attr struct {
	Name  string
	Value Value
}

// Map is attributes sorted by name, each once: an item or a map value.
type Map []Attr

func (m Map) find(name string) (int, bool) {
	return slices.BinarySearchFunc(m, name, func(a Attr, n string) int { return strings.Compare(a.Name, n) })
}

// Get returns the value of an attribute, or nil. It points into m.
func (m Map) Get(name string) *Value {
	if i, ok := m.find(name); ok {
		return &m[i].Value
	}
	return nil
}

// Set returns m with the attribute set; m itself is not to be used any more.
func (m Map) Set(name string, v Value) Map {
	i, ok := m.find(name)
	if ok {
		m[i].Value = v
		return m
	}
	return slices.Insert(m, i, Attr{name, v})
}

// Delete returns m without the attribute; m itself is not to be used any more.
func (m Map) Delete(name string) Map {
	i, ok := m.find(name)
	if !ok {
		return m
	}
	return slices.Delete(m, i, i+1)
}

// Clone returns a copy that shares nothing that can be changed.
func (m Map) Clone() Map {
	if m == nil {
		return nil
	}
	out := make(Map, len(m))
	for i, a := range m {
		out[i] = Attr{a.Name, a.Value.Clone()}
	}
	return out
}

// Clone returns a copy that shares nothing that can be changed.
func (v Value) Clone() Value {
	v.Map = v.Map.Clone()
	v.Set = slices.Clone(v.Set)
	if v.List != nil {
		list := make([]Value, len(v.List))
		for i, e := range v.List {
			list[i] = e.Clone()
		}
		v.List = list
	}
	return v
}

// Equal reports whether two values are of one type and equal.
func Equal(a, b Value) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case Bool:
		return a.Bool == b.Bool
	case Null:
		return true
	case MapKind:
		return EqualMaps(a.Map, b.Map)
	case List:
		return slices.EqualFunc(a.List, b.List, Equal)
	case StringSet, NumberSet, BinarySet:
		return slices.Equal(a.Set, b.Set)
	}
	return a.Text == b.Text
}

// EqualMaps reports whether two maps have the same attributes.
func EqualMaps(a, b Map) bool {
	return slices.EqualFunc(a, b, func(x, y Attr) bool { return x.Name == y.Name && Equal(x.Value, y.Value) })
}

// Compare orders two values of the same scalar type; ok is false for others.
func Compare(a, b Value) (order int, ok bool) {
	if a.Kind != b.Kind {
		return 0, false
	}
	switch a.Kind {
	case String, Binary:
		return strings.Compare(a.Text, b.Text), true
	case Number:
		return CompareNumbers(a.Text, b.Text), true
	}
	return 0, false
}

// NewSet makes a set value of elements, which it sorts and rids of duplicates.
// Numbers must be canonical. An empty set is no value.
func NewSet(k Kind, elements []string) Value {
	if len(elements) == 0 {
		return Value{}
	}
	sortSet(k, elements)
	return Value{Kind: k, Set: slices.Compact(elements)}
}

func sortSet(k Kind, elements []string) {
	if k == NumberSet {
		slices.SortFunc(elements, CompareNumbers)
		return
	}
	slices.Sort(elements)
}

// Sizes of AWS's accounting, in bytes.
const (
	documentOverhead = 3 // of a map or list
	elementOverhead  = 1 // of each element
)

// Size is the size of the item as AWS counts it for limits and capacity.
func (m Map) Size() int {
	n := 0
	for i := range m {
		n += len(m[i].Name) + m[i].Value.Size()
	}
	return n
}

// Size is the size of the value as AWS counts it.
func (v *Value) Size() int {
	switch v.Kind {
	case String, Binary:
		return len(v.Text)
	case Number:
		return numberSize(v.Text)
	case Bool, Null:
		return 1
	case StringSet, BinarySet, NumberSet:
		n := 0
		for _, e := range v.Set {
			if v.Kind == NumberSet {
				n += numberSize(e)
			} else {
				n += len(e)
			}
		}
		return n
	case List:
		n := documentOverhead + len(v.List)*elementOverhead
		for i := range v.List {
			n += v.List[i].Size()
		}
		return n
	case MapKind:
		return documentOverhead + len(v.Map)*elementOverhead + v.Map.Size()
	}
	return 0
}

// Text forms values for messages: {S:abc}.
func (v Value) text() string {
	switch v.Kind {
	case Bool:
		if v.Bool {
			return "true"
		}
		return "false"
	case Null:
		return "true"
	case StringSet, NumberSet, BinarySet:
		return "[" + strings.Join(v.Set, ", ") + "]"
	}
	return v.Text
}

// String is how AWS writes a value in messages: {S:abc}.
func (v Value) String() string { return "{" + v.Kind.String() + ":" + v.text() + "}" }
