package expr

import (
	"testing"

	"moln.dev/moln/services/dynamodb/item"
)

// Each target parses with one parser, with a name and a value of the fuzzer's
// besides those of the test scope, and uses what comes out. Nothing may panic,
// and every complaint must be the caller's fault.

func fuzzScope(t *testing.T, name, value string) *Scope {
	sc, err := NewScope(map[string]string{"#n": "n", "#x": name}, map[string]item.Value{
		":n": n("5"), ":s": s(value), ":b": {Kind: item.Binary, Text: value},
		":l": {Kind: item.List, List: []item.Value{n("9"), s(value)}}, ":set": item.NewSet(item.StringSet, []string{"u", "w"}),
	})
	if err != nil {
		wantFault(t, err)
		t.Skip()
	}
	return sc
}

func seeds(f *testing.F, sources ...string) {
	for _, src := range sources {
		f.Add(src, "m", "app")
	}
}

func FuzzCondition(f *testing.F) {
	seeds(f, "#n = :n", "attribute_exists(a) AND NOT (#x.y[3] <> :s OR size(l) >= :n)", "a IN (:s, :n, #x)",
		"begins_with(a, :s) or contains(ss, :s) and attribute_type(a, :s)", "n BETWEEN :n AND #n", "(((a = :s)))", "NOT NOT a = :s")
	f.Fuzz(func(t *testing.T, src, name, value string) {
		sc := fuzzScope(t, name, value)
		c, err := sc.Condition("ConditionExpression", src)
		wantFault(t, err)
		wantFault(t, sc.Unused())
		if err != nil {
			return
		}
		if c.Match(testItem()) == (&Condition{Op: Not, Kids: []*Condition{c}}).Match(testItem()) {
			t.Error("a condition holds as its opposite does")
		}
		c.Match(nil)
	})
}

func FuzzKeyCondition(f *testing.F) {
	seeds(f, "a = :s AND n = :n", "a = :s AND n BETWEEN :n AND :n", ":s = a AND :n < #n", "a = :s and begins_with(n, :n)", "(a = :s) AND (n > :n)")
	f.Fuzz(func(t *testing.T, src, name, value string) {
		k, err := parseKeys(fuzzScope(t, name, value), src, KeyAttribute{"a", item.String}, KeyAttribute{"n", item.Number})
		wantFault(t, err)
		if err != nil {
			return
		}
		if k.Hash.Kind != item.String || k.Range != "" && k.Low.Kind != item.Number {
			t.Errorf("%q gives keys of the wrong types: %+v", src, k)
		}
	})
}

func FuzzUpdate(f *testing.F) {
	seeds(f, "SET a = :s, l[1] = :n REMOVE m.x", "SET #n = #n - :n, q = if_not_exists(q, :l)", "SET l = list_append(:l, l), m.#x = a",
		"ADD #n :n, ss :set DELETE ss :set", "REMOVE l[0], l[1], #x", "set a = :s set n = :n")
	f.Fuzz(func(t *testing.T, src, name, value string) {
		u, err := fuzzScope(t, name, value).Update(src)
		wantFault(t, err)
		if err != nil {
			return
		}
		for _, m := range []item.Map{testItem(), nil} {
			before := m.Clone()
			out, err := u.Apply(m)
			wantFault(t, err)
			if !item.EqualMaps(m, before) {
				t.Errorf("%q changes the item that it is applied to", src)
			}
			if err != nil {
				continue
			}
			if again, err := item.Decode(item.Append(nil, out)); err != nil || !item.EqualMaps(out, again) {
				t.Errorf("%q makes an item that cannot be stored: %v, %v", src, out, err)
			}
		}
	})
}

func FuzzProjection(f *testing.F) {
	seeds(f, "a, #n, m.x, l[0], l[2]", "#x", "l[1], l", "m.#x.#x[0][1]", "a,a")
	f.Fuzz(func(t *testing.T, src, name, value string) {
		sc := fuzzScope(t, name, value)
		p, err := sc.Projection(src)
		wantFault(t, err)
		if err != nil {
			return
		}
		whole := testItem()
		part := p.Apply(whole)
		if part.Size() > whole.Size() {
			t.Errorf("%q makes more of an item: %v", src, part)
		}
		for i := range part {
			if whole.Get(part[i].Name) == nil {
				t.Errorf("%q shows %s, which is not there", src, part[i].Name)
			}
		}
		TopLevelNames(map[string]string{"#x": name}, src)
	})
}
