package expr

import (
	"testing"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/item"
)

func s(v string) item.Value { return item.Value{Kind: item.String, Text: v} }
func n(v string) item.Value { return item.Value{Kind: item.Number, Text: v} }

func testItem() item.Map {
	var m item.Map
	m = m.Set("a", s("apple"))
	m = m.Set("n", n("5"))
	m = m.Set("l", item.Value{Kind: item.List, List: []item.Value{n("1"), n("2"), n("3")}})
	m = m.Set("m", item.Value{Kind: item.MapKind, Map: item.Map{{Name: "x", Value: s("deep")}}})
	m = m.Set("ss", item.NewSet(item.StringSet, []string{"u", "v"}))
	return m
}

func testScope(t testing.TB) *Scope {
	sc, err := NewScope(map[string]string{"#n": "n", "#status": "status"}, map[string]item.Value{
		":five": n("5"), ":six": n("6"), ":a": s("apple"), ":ap": s("ap"), ":u": s("u"), ":S": s("S"), ":true": {Kind: item.Bool, Bool: true},
		":list": {Kind: item.List, List: []item.Value{n("9")}}, ":set": item.NewSet(item.StringSet, []string{"u", "w"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestConditions(t *testing.T) {
	tests := []struct {
		src  string
		want bool
	}{
		{"a = :a", true}, {"a <> :a", false}, {"absent <> :a", true}, {"absent = :a", false}, {"#n < :six", true}, {"#n >= :six", false},
		{"a < :six", false}, {"#n BETWEEN :five AND :six", true}, {"#n IN (:six, :five)", true}, {"a = :a AND #n = :six", false},
		{"a = :a OR #n = :six", true}, {"NOT a = :a", false}, {"NOT (a = :a AND #n = :six)", true}, {"(a = :a) AND (#n = :five)", true},
		{"attribute_exists(m.x)", true}, {"attribute_exists(m.y)", false}, {"attribute_not_exists(l[3])", true}, {"l[1] < :five", true},
		{"begins_with(a, :ap)", true}, {"contains(ss, :u)", true}, {"contains(a, :ap)", true}, {"attribute_type(a, :S)", true},
		{"size(a) = :five", true}, {"size(l) < :five", true}, {"(a) = :a", true}, {"a = :a OR a = :ap AND #n = :six", true},
	}
	for _, tt := range tests {
		c, err := testScope(t).Condition("ConditionExpression", tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if got := c.Match(testItem()); got != tt.want {
			t.Errorf("%s: got %v", tt.src, got)
		}
	}
}

func TestConditionRefuses(t *testing.T) {
	tests := []struct{ src, want string }{
		{"", "The expression can not be empty;"},
		{"a = ", `Syntax error; token: "<EOF>", near: "= "`},
		{"a ! :a", `Syntax error; token: "!", near: "a ! :a"`},
		{"status = :a", "Attribute name is a reserved keyword; reserved keyword: status"},
		{"#x = :a", "An expression attribute name used in the document path is not defined; attribute name: #x"},
		{"a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"},
		{"foo(a)", "Invalid function name; function: foo"},
		{"begins_with(a)", "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"},
		{"a < :true", "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL"},
		{"attribute_exists(:a)", "Operator or function requires a document path; operator or function: attribute_exists"},
		{"attribute_type(a, :a)", "Invalid attribute type name found; type: apple, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
		{"((a = :a))", "The expression has redundant parentheses;"},
		{"a = a", "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"},
		{"#n BETWEEN :six AND :five", "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:6}, upper bound operand: AttributeValue: {N:5}"},
		{"size(a)", "The function is not allowed to be used this way in an expression; function: size"},
	}
	for _, tt := range tests {
		_, err := testScope(t).Condition("ConditionExpression", tt.src)
		if f := fault.As(err); f == nil || f.Message != "Invalid ConditionExpression: "+tt.want {
			t.Errorf("%q: got %v\nwant %s", tt.src, err, tt.want)
		}
	}
}

func TestUpdates(t *testing.T) {
	tests := []struct{ src, path, want string }{
		{"SET b = :a", "b", "{S:apple}"}, {"SET #n = #n + :five", "n", "{N:10}"}, {"SET #n = :six - #n", "n", "{N:1}"},
		{"SET z = if_not_exists(z, :five)", "z", "{N:5}"}, {"SET a = if_not_exists(a, :five)", "a", "{S:apple}"},
		{"SET l = list_append(l, :list)", "l[3]", "{N:9}"}, {"SET l = list_append(:list, l)", "l[0]", "{N:9}"}, {"SET l[7] = :six", "l[3]", "{N:6}"},
		{"SET m.y = :a", "m.y", "{S:apple}"}, {"REMOVE l[0], l[2]", "l[0]", "{N:2}"}, {"ADD #n :five", "n", "{N:10}"}, {"ADD fresh :five", "fresh", "{N:5}"},
		{"ADD ss :set", "ss", "{SS:[u, v, w]}"}, {"DELETE ss :set", "ss", "{SS:[v]}"}, {"SET a = #n, #n = a", "a", "{N:5}"},
		{"SET c = :a REMOVE a", "c", "{S:apple}"},
	}
	for _, tt := range tests {
		sc := testScope(t)
		u, err := sc.Update(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		before := testItem()
		m, err := u.Apply(before)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if !item.EqualMaps(before, testItem()) {
			t.Errorf("%s changed the old item", tt.src)
		}
		path := (&parser{scope: &Scope{}, src: tt.path, toks: lex(tt.path)})
		p, err := path.path()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Get(m); got == nil || got.String() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.src, got, tt.want)
		}
	}
}

func TestUpdateRefuses(t *testing.T) {
	tests := []struct{ src, want string }{
		{"INVALID SYNTAX HERE", `Syntax error; token: "INVALID", near: "INVALID SYNTAX"`},
		{"SET a = :a SET b = :a", `The "SET" section can only be used once in an update expression;`},
		{"SET m = :a, m.x = :a", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, x]"},
		{"SET m.x = :a, m[0] = :a", "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, x], path two: [m, [0]]"},
		{"ADD a :a", "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"DELETE a :five", "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"},
		{"SET a = :a + :five", "Incorrect operand type for operator or function; operator or function: +, operand type: S"},
	}
	for _, tt := range tests {
		_, err := testScope(t).Update(tt.src)
		if f := fault.As(err); f == nil || f.Message != "Invalid UpdateExpression: "+tt.want {
			t.Errorf("%q: got %v\nwant %s", tt.src, err, tt.want)
		}
	}
	for src, want := range map[string]string{
		"SET b = absent": errMissing, "SET x.y = :a": errBadPath, "SET b = a + :five": errOperand, "ADD a :five": errOperand,
	} {
		u, err := testScope(t).Update(src)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Apply(testItem()); fault.As(err) == nil || fault.As(err).Message != want {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
}

func TestUnused(t *testing.T) {
	sc, err := NewScope(map[string]string{"#a": "a"}, map[string]item.Value{":x": n("1"), ":y": n("1")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sc.Condition("FilterExpression", "#a = :x"); err != nil {
		t.Fatal(err)
	}
	want := "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}"
	if f := fault.As(sc.Unused()); f == nil || f.Message != want {
		t.Errorf("got %v", f)
	}
}

func TestProjection(t *testing.T) {
	p, err := testScope(t).Projection("l[2], l[0], m.x, absent.y")
	if err != nil {
		t.Fatal(err)
	}
	got := p.Apply(testItem())
	want := item.Map{
		{Name: "l", Value: item.Value{Kind: item.List, List: []item.Value{n("1"), n("3")}}},
		{Name: "m", Value: item.Value{Kind: item.MapKind, Map: item.Map{{Name: "x", Value: s("deep")}}}},
	}
	if !item.EqualMaps(got, want) {
		t.Errorf("got %v", got)
	}
}

func parseKeys(s *Scope, src string, hash, rng KeyAttribute) (KeyCondition, error) {
	c, err := s.Condition("KeyConditionExpression", src)
	if err != nil {
		return KeyCondition{}, err
	}
	return ResolveKeys(c, hash, rng)
}

func TestKeyCondition(t *testing.T) {
	hash, rng := KeyAttribute{"a", item.String}, KeyAttribute{"n", item.Number}
	for src, want := range map[string]string{
		"#n = :five":                          "Query condition missed key schema element: a",
		"a > :a":                              "Query key condition not supported",
		"a = :five":                           "One or more parameter values were invalid: Condition parameter type does not match schema type",
		"a = :a OR #n = :five":                "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: OR",
		"a = :a AND b = :five":                "Query condition missed key schema element: n",
		"a = :a AND #n < :six AND #n > :five": "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
	} {
		_, err := parseKeys(testScope(t), src, hash, rng)
		if f := fault.As(err); f == nil || f.Message != want {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
	k, err := parseKeys(testScope(t), ":six > #n AND (a = :a)", hash, rng)
	if err != nil || k.Range != LT || k.Low.Text != "6" || k.Hash.Text != "apple" {
		t.Errorf("got %+v, %v", k, err)
	}
}

// FuzzParse: no text makes a parser fail otherwise than with a fault, and what
// is parsed can be evaluated.
func wantFault(t *testing.T, err error) {
	if err != nil && fault.As(err) == nil {
		t.Errorf("not a fault: %v", err)
	}
}
