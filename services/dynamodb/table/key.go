package table

import (
	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/words"
)

// Key is an item's key; Range.Kind is zero where the table has none.
type Key struct{ Hash, Range item.Value }

// keyMismatch is the answer to keys that are not the table's.
func keyMismatch() error {
	return words.Refuse("The provided key element does not match the schema")
}

// ReadKey reads a key that must consist of the table's key attributes.
func (t *Table) ReadKey(m item.Map) (Key, error) {
	var k Key
	if len(m) != len(t.Names()) {
		return k, keyMismatch()
	}
	hash := m.Get(t.Hash.Name)
	if hash == nil || hash.Kind != t.Hash.Kind {
		return k, keyMismatch()
	}
	k.Hash = *hash
	if t.Range.Name != "" {
		rng := m.Get(t.Range.Name)
		if rng == nil || rng.Kind != t.Range.Kind {
			return k, keyMismatch()
		}
		k.Range = *rng
	}
	return k, t.checkKeySizes(k)
}

// WireKey reads a key as a client sent it.
func (t *Table) WireKey(in map[string]api.AttributeValue) (Key, error) {
	m, err := item.FromWire(in)
	if err != nil {
		return Key{}, err
	}
	return t.ReadKey(m)
}

// KeyOf takes the key out of an item that is to be stored.
func (t *Table) KeyOf(m item.Map) (Key, error) {
	var k Key
	var err error
	if k.Hash, err = keyAttribute(m, t.Hash); err != nil {
		return k, err
	}
	if t.Range.Name != "" {
		if k.Range, err = keyAttribute(m, t.Range); err != nil {
			return k, err
		}
	}
	return k, t.checkKeySizes(k)
}

func keyAttribute(m item.Map, a expr.KeyAttribute) (item.Value, error) {
	v := m.Get(a.Name)
	if v == nil {
		return item.Value{}, words.BadParameter("Missing the key %s in the item", a.Name)
	}
	if v.Kind != a.Kind {
		return item.Value{}, words.BadParameter("Type mismatch for key %s expected: %s actual: %s", a.Name, a.Kind, v.Kind)
	}
	return *v, nil
}

func (t *Table) checkKeySizes(k Key) error {
	for _, p := range []struct {
		a expr.KeyAttribute
		v item.Value
	}{{t.Hash, k.Hash}, {t.Range, k.Range}} {
		if p.v.Text == "" && (p.v.Kind == item.String || p.v.Kind == item.Binary) {
			return words.Refuse("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", emptyName(p.v.Kind), p.a.Name)
		}
	}
	if k.Hash.Kind != item.Number && len(k.Hash.Text) > maxHashBytes {
		return words.BadParameter("Size of hashkey has exceeded the maximum size limit of%d bytes", maxHashBytes)
	}
	if k.Range.Kind != item.Number && len(k.Range.Text) > maxRangeBytes {
		return words.BadParameter("Aggregated size of all range keys has exceeded the size limit of %d bytes", maxRangeBytes)
	}
	return nil
}

func emptyName(k item.Kind) string {
	if k == item.Binary {
		return "binary"
	}
	return "string"
}

// CheckIndexKeys refuses items whose index keys are of another type or size.
func (t *Table) CheckIndexKeys(m item.Map) error {
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if x.Kind == Expiry {
			continue
		}
		for j, a := range [...]expr.KeyAttribute{x.Hash, x.Range} {
			if err := x.checkKey(m, a, j == 0); err != nil {
				return err
			}
		}
		for _, a := range x.HashMore {
			if err := x.checkKey(m, a, true); err != nil {
				return err
			}
		}
		for _, a := range x.RangeMore {
			if err := x.checkKey(m, a, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *Index) checkKey(m item.Map, a expr.KeyAttribute, hash bool) error {
	if a.Name == "" {
		return nil
	}
	v := m.Get(a.Name)
	if v == nil {
		return nil
	}
	limit, name := maxRangeBytes, "range"
	if hash {
		limit, name = maxHashBytes, "hash"
	}
	switch {
	case v.Kind != a.Kind:
		return words.BadParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.Name, a.Kind, v.Kind, x.Name)
	case v.Kind == item.Number:
	case v.Text == "":
		return words.Refuse("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", emptyName(v.Kind), x.Name, a.Name)
	case len(v.Text) > limit:
		return words.BadParameter("Size of %skey has exceeded the maximum size limit of %d bytes for index: %s", name, limit, x.Name)
	}
	return nil
}

// IndexKey is the key of an index; More are the values of further attributes.
type IndexKey struct {
	Key
	HashMore, RangeMore []item.Value
}

// KeyOf takes an index's key out of an item; ok is false for items that the
// index does not hold.
func (x *Index) KeyOf(m item.Map) (k IndexKey, ok bool) {
	if x.Kind == Expiry {
		v := m.Get(x.Range.Name)
		if v == nil || v.Kind != item.Number {
			return k, false
		}
		k.Key = Key{Hash: item.Value{Kind: item.String}, Range: *v}
		return k, true
	}
	if k.Hash, ok = indexValue(m, x.Hash); !ok {
		return k, false
	}
	if x.Range.Name != "" {
		if k.Range, ok = indexValue(m, x.Range); !ok {
			return k, false
		}
	}
	if k.HashMore, ok = indexValues(m, x.HashMore); !ok {
		return k, false
	}
	k.RangeMore, ok = indexValues(m, x.RangeMore)
	return k, ok
}

func indexValue(m item.Map, a expr.KeyAttribute) (item.Value, bool) {
	v := m.Get(a.Name)
	if v == nil || v.Kind != a.Kind {
		return item.Value{}, false
	}
	return *v, true
}

func indexValues(m item.Map, attributes []expr.KeyAttribute) (out []item.Value, ok bool) {
	for _, a := range attributes {
		v, ok := indexValue(m, a)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// CheckItem refuses what only the finished item shows.
func (t *Table) CheckItem(m item.Map) error {
	if err := t.CheckIndexKeys(m); err != nil {
		return err
	}
	for i := range m {
		if depth(&m[i].Value) > item.MaxNesting {
			return words.Refuse("Nesting Levels have exceeded supported limits")
		}
	}
	return nil
}

// depth is how deep maps and lists lie in each other.
func depth(v *item.Value) int {
	deepest := 0
	for i := range v.List {
		deepest = max(deepest, depth(&v.List[i])+1)
	}
	for i := range v.Map {
		deepest = max(deepest, depth(&v.Map[i].Value)+1)
	}
	return deepest
}

// CheckSize refuses items that are too large, in the words for updates or for
// others.
func CheckSize(size int, update bool) error {
	switch {
	case size <= MaxItemBytes:
		return nil
	case update:
		return words.Refuse("Item size to update has exceeded the maximum allowed size")
	}
	return words.Refuse("Item size has exceeded the maximum allowed size")
}
