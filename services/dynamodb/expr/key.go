package expr

import (
	"moln.dev/moln/services/dynamodb/item"
)

// KeyCondition is a condition on keys in the form that a query can follow.
type KeyCondition struct {
	Hash item.Value
	// Range says which range keys: Op "" all, or EQ, LT, LE, GT, GE, BeginsWith
	// with Low, Between with Low and High.
	Range     Op
	Low, High item.Value
	// HashMore and Equal are for indexes whose keys have several attributes: the
	// further partition keys, and the sort keys before the one that Range is about.
	HashMore, Equal []item.Value
}

// KeyAttribute is a key's name and type; without a name there is none.
type KeyAttribute struct {
	Name string
	Kind item.Kind
}

// ResolveKeys turns a condition into one on keys, or says why it is none.
func ResolveKeys(c *Condition, hash, rng KeyAttribute) (KeyCondition, error) {
	byName := map[string]*Condition{}
	if err := collectKeys(c, byName); err != nil {
		return KeyCondition{}, err
	}
	h := byName[hash.Name]
	if h == nil {
		return KeyCondition{}, invalid("Query condition missed key schema element: %s", hash.Name)
	}
	if h.Op != EQ {
		return KeyCondition{}, invalid("Query key condition not supported")
	}
	out := KeyCondition{Hash: h.Args[1].Value}
	if err := typed(hash, out.Hash); err != nil {
		return out, err
	}
	r := byName[rng.Name]
	if rng.Name == "" {
		r = nil
	}
	if r == nil {
		if len(byName) > 1 {
			if rng.Name == "" {
				return out, invalid("Query key condition not supported")
			}
			return out, invalid("Query condition missed key schema element: %s", rng.Name)
		}
		return out, nil
	}
	if len(byName) > 2 {
		return out, invalid("Conditions can be of length 1 or 2 only")
	}
	return out.withRange(r, rng)
}

// ResolveIndexKeys is ResolveKeys for keys of several attributes: all partition
// keys must be equal to something, and of the sort keys the first ones; only the
// last of these may have another condition.
func ResolveIndexKeys(c *Condition, hashes, ranges []KeyAttribute) (KeyCondition, error) {
	if len(hashes) == 1 && len(ranges) < 2 {
		return ResolveKeys(c, hashes[0], append(ranges, KeyAttribute{})[0])
	}
	var out KeyCondition
	byName := map[string]*Condition{}
	if err := collectKeys(c, byName); err != nil {
		return out, err
	}
	take := func(a KeyAttribute) *Condition {
		defer delete(byName, a.Name)
		return byName[a.Name]
	}
	for i, a := range hashes {
		h := take(a)
		if h == nil {
			return out, invalid("Query condition missed key schema element: %s", a.Name)
		}
		if h.Op != EQ {
			return out, invalid("Query key condition not supported")
		}
		if err := typed(a, h.Args[1].Value); err != nil {
			return out, err
		}
		if i == 0 {
			out.Hash = h.Args[1].Value
		} else {
			out.HashMore = append(out.HashMore, h.Args[1].Value)
		}
	}
	for _, a := range ranges {
		if len(byName) == 0 {
			break
		}
		r := take(a)
		if r == nil {
			return out, invalid("Query condition missed key schema element: %s", a.Name)
		}
		if out.Range != "" {
			if out.Range != EQ {
				return out, invalid("Query key condition not supported")
			}
			out.Equal = append(out.Equal, out.Low)
		}
		var err error
		if out, err = out.withRange(r, a); err != nil {
			return out, err
		}
	}
	if len(byName) > 0 {
		return out, invalid("Query key condition not supported")
	}
	return out, nil
}

func (k KeyCondition) withRange(r *Condition, rng KeyAttribute) (KeyCondition, error) {
	k.Range, k.Low = r.Op, r.Args[1].Value
	if err := typed(rng, k.Low); err != nil {
		return k, err
	}
	switch r.Op {
	case EQ, LT, LE, GT, GE:
		return k, nil
	case Between:
		k.High = r.Args[2].Value
		return k, typed(rng, k.High)
	case BeginsWith:
		if rng.Kind == item.Number {
			return k, invalid("Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N")
		}
		return k, nil
	}
	return k, invalid("Query key condition not supported")
}

func typed(a KeyAttribute, v item.Value) error {
	if v.Kind != a.Kind {
		return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
	}
	if v.Text == "" && v.Kind != item.Number {
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", a.Name)
	}
	return nil
}

// collectKeys takes a conjunction apart into one condition for each attribute.
func collectKeys(c *Condition, into map[string]*Condition) error {
	switch c.Op {
	case And:
		for _, k := range c.Kids {
			if err := collectKeys(k, into); err != nil {
				return err
			}
		}
		return nil
	case Or, Not, NE, In:
		return invalid("Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: %s", c.Op)
	case Exists, NotExists, TypeIs, Contains:
		return invalid("Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: %s", c.Op)
	}
	c = Turned(c)
	for i, a := range c.Args {
		switch {
		case a.Size:
			return invalid("Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: size")
		case i == 0 && a.Path == nil:
			return invalid("Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: No key attribute specified")
		case i == 0 && len(a.Path) > 1:
			return invalid("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
		case i > 0 && a.Path != nil:
			return invalid("Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
	}
	name := c.Args[0].Path[0].Name
	if into[name] != nil {
		return invalid("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
	}
	into[name] = c
	return nil
}

// Turned puts the attribute first: :v < a is a > :v.
func Turned(c *Condition) *Condition {
	if len(c.Args) != 2 || c.Args[0].Path != nil || c.Args[1].Path == nil || c.Op == BeginsWith {
		return c
	}
	mirror, ok := map[Op]Op{EQ: EQ, LT: GT, LE: GE, GT: LT, GE: LE}[c.Op]
	if !ok {
		return c
	}
	return &Condition{Op: mirror, Args: []Operand{c.Args[1], c.Args[0]}}
}
