package partiql

import (
	"slices"

	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// maxHashValues is how many partition keys one SELECT may name.
const maxHashValues = 50

func incompleteKey() error {
	return invalid("Where clause does not contain a mandatory equality on all key attributes")
}

func wrongKeyType() error {
	return invalid("Key attribute data type is not the same as what's defined in table.")
}

// Access is how a SELECT finds its items: by keys, one partition after the
// other, or where Keys is nil by a scan. Filter says which of them it is about.
type Access struct {
	Keys    []expr.KeyCondition
	Filter  *expr.Condition
	Reverse bool
	// Single: at most one item has such a key.
	Single bool
}

// Plan finds the keys that a SELECT is about; hash and rng are those of its
// table or index, whose keys are unique where it is a table.
func (s *Statement) Plan(hash, rng expr.KeyAttribute) (Access, error) {
	rest := conjuncts(s.Where)
	values, at := hashValues(rest, hash.Name)
	if values == nil {
		if len(s.Order) > 0 {
			return Access{}, invalid("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
		}
		return Access{Filter: s.Where}, nil
	}
	if len(values) > maxHashValues {
		return Access{}, invalid("The IN operator on the partition key is provided with too many operands; number of operands: %d", len(values))
	}
	for _, v := range values {
		if v.Kind != hash.Kind {
			return Access{}, wrongKeyType()
		}
	}
	rest = slices.Delete(slices.Clone(rest), at, at+1)
	var k expr.KeyCondition
	for i, c := range rest {
		if keyed, ok := onRange(c, rng); ok {
			k, rest = keyed, slices.Delete(rest, i, i+1)
			break
		}
	}
	a := Access{Filter: join(rest), Single: len(values) == 1 && s.Index == "" && (rng.Name == "" || k.Range == expr.EQ)}
	if err := a.sort(s.Order, values, hash, rng); err != nil {
		return Access{}, err
	}
	for _, v := range values {
		k.Hash = v
		a.Keys = append(a.Keys, k)
	}
	return a, nil
}

// sort orders the partitions and the items of each.
func (a *Access) sort(order []Order, values []item.Value, hash, rng expr.KeyAttribute) error {
	byHash := false
	for i, o := range order {
		switch o.Name {
		case hash.Name:
			if i > 0 {
				return invalid("The partition key must come first in ORDER BY clause.")
			}
			byHash = true
			slices.SortFunc(values, func(a, b item.Value) int {
				n, _ := item.Compare(a, b)
				if o.Descending {
					return -n
				}
				return n
			})
		case rng.Name:
			if len(values) > 1 && !byHash {
				return invalid("Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.")
			}
			a.Reverse = o.Descending
		default:
			return invalid("Variable reference %s in ORDER BY clause must be part of the primary key.", o.Name)
		}
	}
	return nil
}

// HashValues are the partition keys that a statement is confined to; nil is any.
func (s *Statement) HashValues(name string) []item.Value {
	if s.Kind == Insert {
		if v := s.Item.Get(name); v != nil {
			return []item.Value{*v}
		}
		return nil
	}
	values, _ := hashValues(conjuncts(s.Where), name)
	return values
}

// WriteKey takes the primary key out of the WHERE clause of a statement on one
// item, and what remains as a condition.
func (s *Statement) WriteKey(hash, rng expr.KeyAttribute) (item.Map, *expr.Condition, error) {
	rest := slices.Clone(conjuncts(s.Where))
	var key item.Map
	for _, k := range []expr.KeyAttribute{hash, rng} {
		if k.Name == "" {
			continue
		}
		i := slices.IndexFunc(rest, func(c *expr.Condition) bool {
			_, ok := equals(c, k.Name)
			return ok
		})
		if i < 0 {
			return nil, nil, incompleteKey()
		}
		v, _ := equals(rest[i], k.Name)
		if v.Kind != k.Kind {
			return nil, nil, wrongKeyType()
		}
		key = key.Set(k.Name, v)
		rest = slices.Delete(rest, i, i+1)
	}
	return key, join(rest), nil
}

// conjuncts takes a condition apart at its top-level ANDs.
func conjuncts(c *expr.Condition) []*expr.Condition {
	switch {
	case c == nil:
		return nil
	case c.Op != expr.And:
		return []*expr.Condition{c}
	}
	var out []*expr.Condition
	for _, k := range c.Kids {
		out = append(out, conjuncts(k)...)
	}
	return out
}

func join(list []*expr.Condition) *expr.Condition {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &expr.Condition{Op: expr.And, Kids: list}
}

// hashValues finds the conjunct that confines an attribute to some values.
func hashValues(list []*expr.Condition, name string) (values []item.Value, at int) {
	for i, c := range list {
		if v := confined(c, name); v != nil {
			return v, i
		}
	}
	return nil, -1
}

// confined are the values that a condition leaves an attribute, each once; nil
// where it leaves it others too.
func confined(c *expr.Condition, name string) []item.Value {
	var out []item.Value
	add := func(v item.Value) {
		if !slices.ContainsFunc(out, func(o item.Value) bool { return item.Equal(o, v) }) {
			out = append(out, v)
		}
	}
	switch c.Op {
	case expr.EQ:
		if v, ok := equals(c, name); ok {
			add(v)
		}
	case expr.In:
		for _, a := range c.Args[1:] {
			if !isAttribute(c.Args[0], name) || a.Path != nil {
				return nil
			}
			add(a.Value)
		}
	case expr.Or:
		for _, k := range c.Kids {
			values := confined(k, name)
			if values == nil {
				return nil
			}
			for _, v := range values {
				add(v)
			}
		}
	}
	return out
}

func isAttribute(o expr.Operand, name string) bool {
	return !o.Size && len(o.Path) == 1 && o.Path[0].Name == name
}

// equals is the value that a condition says an attribute is equal to.
func equals(c *expr.Condition, name string) (item.Value, bool) {
	if c.Op != expr.EQ {
		return item.Value{}, false
	}
	for i, a := range c.Args {
		if isAttribute(a, name) && c.Args[1-i].Path == nil {
			return c.Args[1-i].Value, true
		}
	}
	return item.Value{}, false
}

// onRange turns a condition on the sort key into one that a query can follow.
func onRange(c *expr.Condition, rng expr.KeyAttribute) (k expr.KeyCondition, ok bool) {
	if rng.Name == "" {
		return k, false
	}
	c = expr.Turned(c)
	switch c.Op {
	case expr.BeginsWith:
		ok = rng.Kind != item.Number
	case expr.EQ, expr.LT, expr.LE, expr.GT, expr.GE, expr.Between:
		ok = true
	}
	if !ok || !isAttribute(c.Args[0], rng.Name) {
		return k, false
	}
	for _, a := range c.Args[1:] {
		if a.Path != nil || a.Value.Kind != rng.Kind {
			return k, false // a filter finds what it finds
		}
	}
	k.Range, k.Low = c.Op, c.Args[1].Value
	if c.Op == expr.Between {
		k.High = c.Args[2].Value
	}
	return k, true
}
