package partiql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

func s(text string) item.Value { return item.Value{Kind: item.String, Text: text} }
func n(text string) item.Value { return item.Value{Kind: item.Number, Text: text} }

func TestParse(t *testing.T) {
	path := func(steps ...expr.Step) expr.Path { return steps }
	eq := func(name string, v item.Value) *expr.Condition {
		return &expr.Condition{Op: expr.EQ, Args: []expr.Operand{{Path: path(expr.Step{Name: name})}, {Value: v}}}
	}
	tests := []struct {
		src    string
		params []item.Value
		want   *Statement
	}{
		{`select * from notes`, nil, &Statement{Kind: Select, Table: "notes"}},
		{`SELECT a, b.c['d e'], l[2] FROM "no ""tes"."by-x" WHERE id = ? ORDER BY at DESC, id -- done`, []item.Value{s("x")}, &Statement{
			Kind: Select, Table: `no "tes`, Index: "by-x", Where: eq("id", s("x")),
			Columns: []Column{
				{path(expr.Step{Name: "a"}), "a"},
				{path(expr.Step{Name: "b"}, expr.Step{Name: "c"}, expr.Step{Name: "d e"}), "d e"},
				{path(expr.Step{Name: "l"}, expr.Step{Index: 2}), "_3"},
			},
			Order: []Order{{"at", true}, {"id", false}},
		}},
		{`INSERT INTO notes VALUE {'id': 'it''s', "n": -1.50e1, 't': true, 'z': null, 'l': [?, {}], 's': <<'b', 'a'>>}`, []item.Value{n("7")}, &Statement{
			Kind: Insert, Table: "notes", Item: item.Map{
				{Name: "id", Value: s("it's")},
				{Name: "l", Value: item.Value{Kind: item.List, List: []item.Value{n("7"), {Kind: item.MapKind, Map: item.Map{}}}}},
				{Name: "n", Value: n("-15")},
				{Name: "s", Value: item.Value{Kind: item.StringSet, Set: []string{"a", "b"}}},
				{Name: "t", Value: item.Value{Kind: item.Bool, Bool: true}},
				{Name: "z", Value: item.Value{Kind: item.Null}},
			},
		}},
		{`UPDATE notes SET a = a + 1, b = list_append(b, [1]) SET c = set_add(c, <<1>>) REMOVE d.e REMOVE f WHERE id = 'x' RETURNING modified new *`, nil, &Statement{
			Kind: Update, Table: "notes", Where: eq("id", s("x")), Returning: "MODIFIED NEW",
			Update: &expr.Update{
				Sets: []expr.SetAction{
					{Path: path(expr.Step{Name: "a"}), Term: expr.Term{Op: "+", Args: []expr.Term{
						{Operand: expr.Operand{Path: path(expr.Step{Name: "a"})}}, {Operand: expr.Operand{Value: n("1")}},
					}}},
					{Path: path(expr.Step{Name: "b"}), Term: expr.Term{Op: "list_append", Args: []expr.Term{
						{Operand: expr.Operand{Path: path(expr.Step{Name: "b"})}},
						{Operand: expr.Operand{Value: item.Value{Kind: item.List, List: []item.Value{n("1")}}}},
					}}},
				},
				Adds:    []expr.ValueAction{{Path: path(expr.Step{Name: "c"}), Value: item.Value{Kind: item.NumberSet, Set: []string{"1"}}}},
				Removes: []expr.Path{path(expr.Step{Name: "d"}, expr.Step{Name: "e"}), path(expr.Step{Name: "f"})},
			},
		}},
		{`DELETE FROM notes WHERE id = 'x' RETURNING ALL OLD *`, nil, &Statement{Kind: Delete, Table: "notes", Where: eq("id", s("x")), Returning: "ALL OLD"}},
		{`EXISTS(SELECT * FROM notes WHERE id = 'x')`, nil, &Statement{Kind: Exists, Table: "notes", Where: eq("id", s("x"))}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.src, tt.params)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.src, d)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, src := range []string{
		"", "SELECTT * FROMM a", "SELECT * FROM", "SELECT * FROM a b", "SELECT * FROM a WHERE", "SELECT * FROM a WHERE x = ?",
		"SELECT * FROM a; DELETE FROM b WHERE id = 1", "SELECT * FROM a ORDER BY x", "SELECT a AS b FROM c", "SELECT COUNT(*) FROM c",
		"INSERT INTO a VALUE 'x'", "INSERT INTO a VALUE {'x': 1, 'x': 2}", "INSERT INTO a.b VALUE {'x': 1}", "INSERT INTO a VALUE {'x': <<1, 'a'>>}",
		"INSERT INTO a VALUE {'x': <<>>}", "INSERT INTO a VALUE {'x': 'open}", "INSERT INTO a VALUE {'x': 1e999}",
		"UPDATE a WHERE id = 1", "UPDATE a SET x = 1", "UPDATE a SET x = 1, x = 2 WHERE id = 1", "UPDATE a SET x = set_add(y, <<1>>) WHERE id = 1",
		"DELETE FROM a", "DELETE FROM a WHERE id = 1 RETURNING ALL NEW *", "SELECT * FROM a WHERE x BETWEEN 2 AND 1", "SELECT * FROM a WHERE x IN []",
		"SELECT * FROM a WHERE x IS INTERESTING", "SELECT * FROM a WHERE begins_with(x, 1)", "SELECT a[99999999999] FROM b",
		"SELECT * FROM a WHERE " + strings.Repeat("(", 10_000), "SELECT * FROM a WHERE " + strings.Repeat("NOT ", 1000) + "x = 1",
		"INSERT INTO a VALUE {'x': " + strings.Repeat("[", 33) + strings.Repeat("]", 33) + "}",
		"SELECT " + strings.Repeat("a.", 40) + "a FROM b", "SELECT * FROM a --" + strings.Repeat("x", MaxLength),
	} {
		if st, err := Parse(src, nil); err == nil {
			t.Errorf("%.80s: %+v", src, st)
		}
	}
	if _, err := Parse("SELECT * FROM a WHERE x = ?", []item.Value{s("1"), s("2")}); err == nil {
		t.Error("a parameter too many")
	}
}

func TestConditions(t *testing.T) {
	m := item.Map{
		{Name: "a", Value: s("abc")}, {Name: "l", Value: item.Value{Kind: item.List, List: []item.Value{n("1"), n("2")}}},
		{Name: "m", Value: item.Value{Kind: item.MapKind, Map: item.Map{{Name: "x", Value: n("5")}}}}, {Name: "n", Value: n("10")},
		{Name: "z", Value: item.Value{Kind: item.Null}},
	}
	for src, want := range map[string]bool{
		`a = 'abc'`: true, `'abc' = a`: true, `a <> 'abc'`: false, `a != 'x'`: true, `n < 11 AND n <= 10`: true, `n > 10 OR n >= 10`: true,
		`n BETWEEN 1 AND 10 AND a = 'abc'`: true, `n NOT BETWEEN 1 AND 9`: true, `n IN [1, 10]`: true, `n NOT IN (1, 10)`: false,
		`b IS MISSING`: true, `b IS NOT MISSING`: false, `z IS NULL`: true, `a IS NOT NULL`: true, `a IS STRING`: true, `n IS LIST`: false,
		`begins_with("a", 'ab')`: true, `NOT begins_with(a, 'ab')`: false, `contains(l, 2)`: true, `attribute_type(n, 'N')`: true,
		`size(l) = 2`: true, `SIZE(a) > 3`: false, `m.x = 5 AND l[1] = 2 AND "m"."x" <> l[0]`: true, `NOT (a = 'abc' AND n = 1)`: true,
		`n = 1 AND n = 2 OR a = 'abc'`: true, `n = 1 AND (n = 2 OR a = 'abc')`: false,
	} {
		st, err := Parse("SELECT * FROM t WHERE "+src, nil)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got := st.Where.Match(m); got != want {
			t.Errorf("%s: %v", src, got)
		}
	}
}

var (
	hash = expr.KeyAttribute{Name: "id", Kind: item.String}
	rng  = expr.KeyAttribute{Name: "at", Kind: item.Number}
)

func TestPlan(t *testing.T) {
	tests := []struct {
		where  string
		keys   []expr.KeyCondition
		single bool
		filter bool
		refuse bool
	}{
		{where: `x = 1`, filter: true},
		{where: `id > 'a'`, filter: true},
		{where: `id = 'a' OR x = 1`, filter: true},
		{where: `NOT id = 'a'`, filter: true},
		{where: `size(id) = 1`, filter: true},
		{where: `id.x = 'a'`, filter: true},
		{where: `id = x`, filter: true},
		{where: `id = 'a'`, keys: []expr.KeyCondition{{Hash: s("a")}}},
		{where: `id = 'a' AND at = 1`, keys: []expr.KeyCondition{{Hash: s("a"), Range: expr.EQ, Low: n("1")}}, single: true},
		{where: `(2 > at AND x = 1) AND 'a' = id`, keys: []expr.KeyCondition{{Hash: s("a"), Range: expr.LT, Low: n("2")}}, filter: true},
		{where: `id = 'a' AND at BETWEEN 1 AND 2 AND at <> 1`, keys: []expr.KeyCondition{{Hash: s("a"), Range: expr.Between, Low: n("1"), High: n("2")}}, filter: true},
		{where: `id = 'a' AND at = '1'`, keys: []expr.KeyCondition{{Hash: s("a")}}, filter: true},
		{where: `id IN ['b', 'a', 'b'] AND at > 1`, keys: []expr.KeyCondition{{Hash: s("b"), Range: expr.GT, Low: n("1")}, {Hash: s("a"), Range: expr.GT, Low: n("1")}}},
		{where: `id IN ['b', 'a'] ORDER BY id, at DESC`, keys: []expr.KeyCondition{{Hash: s("a")}, {Hash: s("b")}}},
		{where: `id = 'b' OR id = 'a' OR id = 'b'`, keys: []expr.KeyCondition{{Hash: s("b")}, {Hash: s("a")}}},
		{where: `id = 'a' AND id = 'b'`, keys: []expr.KeyCondition{{Hash: s("a")}}, filter: true},
		{where: `id = 1`, refuse: true},
		{where: `id IN ['b', 'a'] ORDER BY at`, refuse: true},
		{where: `id = 'a' ORDER BY x`, refuse: true},
		{where: `x = 1 ORDER BY at`, refuse: true},
	}
	for _, tt := range tests {
		st, err := Parse("SELECT * FROM t WHERE "+tt.where, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.where, err)
		}
		got, err := st.Plan(hash, rng)
		if (err != nil) != tt.refuse {
			t.Errorf("%s: %v", tt.where, err)
			continue
		}
		if err != nil {
			continue
		}
		if d := cmp.Diff(tt.keys, got.Keys); d != "" || got.Single != tt.single || (got.Filter != nil) != tt.filter {
			t.Errorf("%s: %s single %v, filter %v", tt.where, d, got.Single, got.Filter)
		}
		if confined := st.HashValues("id") != nil; confined != (tt.keys != nil) {
			t.Errorf("%s: confined %v", tt.where, confined)
		}
	}
}

func TestWriteKey(t *testing.T) {
	for where, want := range map[string]bool{
		`id = 'a' AND at = 1`: true, `at = 1 AND x = 1 AND 'a' = id`: true, `id = 'a'`: false, `at = 1`: false, `id = 'a' AND at > 1`: false,
		`id IN ['a'] AND at = 1`: false, `id = 'a' OR at = 1`: false, `id = 'a' AND at = '1'`: false,
	} {
		st, err := Parse("DELETE FROM t WHERE "+where, nil)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		key, rest, err := st.WriteKey(hash, rng)
		if (err == nil) != want {
			t.Errorf("%s: %v", where, err)
		}
		if err == nil && (len(key) != 2 || (rest != nil) != strings.Contains(where, "x")) {
			t.Errorf("%s: key %v, rest %v", where, key, rest)
		}
	}
}

func TestCursor(t *testing.T) {
	text := new("SELECT * FROM t")
	token, err := Cursor{Partition: 3}.Token(Fingerprint(text, nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadCursor(token, Fingerprint(text, nil))
	if err != nil || got.Partition != 3 {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := ReadCursor(token, Fingerprint(new("SELECT * FROM u"), nil)); err == nil {
		t.Error("the token continues another statement")
	}
	if _, err := ReadCursor(new("!"), nil); err == nil {
		t.Error("nonsense is a token")
	}
}

// FuzzParse looks for statements that break the parser or what follows it.
func FuzzParse(f *testing.F) {
	f.Add(`SELECT a.b[0] FROM "t"."i" WHERE id = ? AND x IN [1, 'a'] AND NOT contains(y, 2) ORDER BY id DESC`)
	f.Add(`INSERT INTO t VALUE {'a': {'b': [1.5e3, <<'x'>>, NULL, true]}}`)
	f.Add(`UPDATE t SET a = b - 1 SET c = set_delete(c, <<1>>) REMOVE d[0] WHERE id = 'x' AND size(q) > 3 RETURNING ALL OLD *`)
	f.Add(`EXISTS(SELECT * FROM t WHERE id = 'x' AND y IS NOT MISSING) /* */ --`)
	m := item.Map{{Name: "a", Value: s("x")}, {Name: "id", Value: s("x")}}
	f.Fuzz(func(t *testing.T, src string) {
		st, err := Parse(src, []item.Value{s("x")})
		if err != nil {
			return
		}
		st.Shape(m)
		st.Attributes()
		st.TopLevel().Apply(m)
		st.Where.Match(m)
		if a, err := st.Plan(hash, rng); err == nil {
			a.Filter.Match(m)
			if (a.Keys == nil) != (st.HashValues("id") == nil) && st.Kind != Insert {
				t.Error("authorization and reading see other keys")
			}
		}
		if st.Kind != Insert {
			_, _, _ = st.WriteKey(hash, rng)
		}
		if st.Update != nil {
			_, _ = st.Update.Apply(m)
		}
	})
}

// FuzzCursor: a token is refused, or it is one that this statement gave.
func FuzzCursor(f *testing.F) {
	print := Fingerprint(new("SELECT"), nil)
	token, err := Cursor{Partition: 2}.Token(print)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(*token)
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ReadCursor(&text, print)
		if err != nil {
			if fault.As(err) == nil {
				t.Errorf("not a fault: %v", err)
			}
			return
		}
		again, err := n.Token(print)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := ReadCursor(again, print); err != nil || m.Partition != n.Partition || len(m.Key) != len(n.Key) {
			t.Errorf("%+v became %+v, %v", n, m, err)
		}
	})
}
