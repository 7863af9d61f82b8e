package item

import (
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
)

// MaxNesting is how deep maps and lists may lie in each other.
const MaxNesting = 32

// FromWire reads attributes as a client sent them, and says in AWS's words what
// is wrong with them.
func FromWire(in map[string]api.AttributeValue) (Map, error) {
	return mapFromWire(in, 0)
}

func mapFromWire(in map[string]api.AttributeValue, depth int) (Map, error) {
	m := make(Map, 0, len(in))
	for name, av := range in {
		v, err := fromWire(&av, depth)
		if err != nil {
			return nil, err
		}
		m = append(m, Attr{name, v})
	}
	slices.SortFunc(m, func(a, b Attr) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

// ValueFromWire reads one value as a client sent it.
func ValueFromWire(av api.AttributeValue) (Value, error) { return fromWire(&av, 0) }

func fromWire(av *api.AttributeValue, depth int) (Value, error) {
	if depth > MaxNesting {
		return Value{}, invalid("Nesting Levels have exceeded supported limits")
	}
	switch members(av) {
	case 0:
		return Value{}, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case 1:
	default:
		return Value{}, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	switch {
	case av.S != nil:
		return Value{Kind: String, Text: *av.S}, nil
	case av.N != nil:
		n, err := Canonical(*av.N)
		return Value{Kind: Number, Text: n}, err
	case av.B != nil:
		return Value{Kind: Binary, Text: string(av.B)}, nil
	case av.BOOL != nil:
		return Value{Kind: Bool, Bool: *av.BOOL}, nil
	case av.NULL != nil:
		if !*av.NULL {
			return Value{}, invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
		return Value{Kind: Null}, nil
	case av.M != nil:
		m, err := mapFromWire(av.M, depth+1)
		return Value{Kind: MapKind, Map: m}, err
	case av.L != nil:
		return listFromWire(av.L, depth)
	}
	return setFromWire(av)
}

func members(av *api.AttributeValue) int {
	n := 0
	for _, set := range [...]bool{av.S != nil, av.N != nil, av.B != nil, av.SS != nil, av.NS != nil,
		av.BS != nil, av.M != nil, av.L != nil, av.NULL != nil, av.BOOL != nil} {
		if set {
			n++
		}
	}
	return n
}

func listFromWire(in []api.AttributeValue, depth int) (Value, error) {
	v := Value{Kind: List, List: make([]Value, len(in))}
	for i := range in {
		e, err := fromWire(&in[i], depth+1)
		if err != nil {
			return Value{}, err
		}
		v.List[i] = e
	}
	return v, nil
}

func setFromWire(av *api.AttributeValue) (Value, error) {
	var kind Kind
	var elements []string
	name := ""
	switch {
	case av.SS != nil:
		kind, name, elements = StringSet, "string", slices.Clone(av.SS)
	case av.NS != nil:
		kind, name = NumberSet, "number"
		for _, n := range av.NS {
			c, err := Canonical(n)
			if err != nil {
				return Value{}, err
			}
			elements = append(elements, c)
		}
	default:
		kind = BinarySet
		for _, b := range av.BS {
			elements = append(elements, string(b))
		}
	}
	if len(elements) == 0 && kind == BinarySet {
		return Value{}, invalid("One or more parameter values were invalid: Binary sets should not be empty")
	}
	if len(elements) == 0 {
		return Value{}, invalid("One or more parameter values were invalid: An %s set  may not be empty", name)
	}
	shown := "[" + strings.Join(elements, ", ") + "]"
	count := len(elements)
	v := NewSet(kind, elements)
	if len(v.Set) < count {
		switch kind {
		case NumberSet:
			return Value{}, invalid("Input collection contains duplicates")
		case BinarySet:
			return Value{}, invalid("One or more parameter values were invalid: Input collection contains duplicates.")
		}
		return Value{}, invalid("One or more parameter values were invalid: Input collection %s contains duplicates.", shown)
	}
	return v, nil
}

// ToWire writes attributes as clients read them.
func ToWire(m Map) map[string]api.AttributeValue {
	out := make(map[string]api.AttributeValue, len(m))
	for i := range m {
		out[m[i].Name] = ValueToWire(&m[i].Value)
	}
	return out
}

// ValueToWire writes one value as clients read it. Texts stay shared with v.
func ValueToWire(v *Value) (av api.AttributeValue) {
	switch v.Kind {
	case String:
		av.S = &v.Text
	case Number:
		av.N = &v.Text
	case Binary:
		av.B = []byte(v.Text)
	case Bool:
		av.BOOL = new(v.Bool)
	case Null:
		av.NULL = new(true)
	case MapKind:
		av.M = ToWire(v.Map)
	case List:
		av.L = make([]api.AttributeValue, len(v.List))
		for i := range v.List {
			av.L[i] = ValueToWire(&v.List[i])
		}
	case StringSet:
		av.SS = v.Set
	case NumberSet:
		av.NS = v.Set
	case BinarySet:
		av.BS = make([][]byte, len(v.Set))
		for i, e := range v.Set {
			av.BS[i] = []byte(e)
		}
	}
	return av
}
