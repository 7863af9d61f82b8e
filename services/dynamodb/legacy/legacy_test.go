package legacy

import (
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/item"
)

func str(s string) api.AttributeValue { return api.AttributeValue{S: &s} }
func num(s string) api.AttributeValue { return api.AttributeValue{N: &s} }

var stored = item.Map{
	{Name: "n", Value: item.Value{Kind: item.Number, Text: "5"}},
	{Name: "t", Value: item.Value{Kind: item.String, Text: "abc"}},
}

func TestFilters(t *testing.T) {
	tests := []struct {
		name, operator string
		list           []api.AttributeValue
		want           bool
	}{
		{"n", "EQ", []api.AttributeValue{num("5.0")}, true},
		{"n", "NE", []api.AttributeValue{num("5")}, false},
		{"n", "LT", []api.AttributeValue{num("6")}, true},
		{"n", "BETWEEN", []api.AttributeValue{num("5"), num("6")}, true},
		{"n", "IN", []api.AttributeValue{num("4"), num("6")}, false},
		{"x", "NULL", nil, true},
		{"x", "NOT_NULL", nil, false},
		{"t", "BEGINS_WITH", []api.AttributeValue{str("ab")}, true},
		{"t", "CONTAINS", []api.AttributeValue{str("x")}, false},
		{"t", "NOT_CONTAINS", []api.AttributeValue{str("x")}, true},
		{"x", "NOT_CONTAINS", []api.AttributeValue{str("x")}, false},
	}
	for _, tt := range tests {
		c, err := Filters(map[string]api.Condition{tt.name: {ComparisonOperator: &tt.operator, AttributeValueList: tt.list}}, nil)
		if err != nil || c.Match(stored) != tt.want {
			t.Errorf("%s %s: %v", tt.name, tt.operator, err)
		}
	}
	both := map[string]api.Condition{
		"n": {ComparisonOperator: new("EQ"), AttributeValueList: []api.AttributeValue{num("5")}},
		"t": {ComparisonOperator: new("EQ"), AttributeValueList: []api.AttributeValue{str("x")}},
	}
	for operator, want := range map[string]bool{"AND": false, "OR": true} {
		c, err := Filters(both, &operator)
		if err != nil || c.Match(stored) != want {
			t.Errorf("%s: %v", operator, err)
		}
	}
	for operator, list := range map[string][]api.AttributeValue{
		"EQ": nil, "NULL": {str("a")}, "BETWEEN": {num("6"), num("5")}, "LT": {{BOOL: new(true)}}, "BEGINS_WITH": {num("1")},
	} {
		if _, err := Filters(map[string]api.Condition{"n": {ComparisonOperator: &operator, AttributeValueList: list}}, nil); !fault.Is(err, "ValidationException") {
			t.Errorf("%s: %v", operator, err)
		}
	}
}

func TestExpected(t *testing.T) {
	five, yes, no := num("5"), new(true), new(false)
	for _, tt := range []struct {
		in   api.ExpectedAttributeValue
		want bool
	}{
		{api.ExpectedAttributeValue{Value: &five}, true},
		{api.ExpectedAttributeValue{Value: &five, Exists: yes}, true},
		{api.ExpectedAttributeValue{Exists: no}, false},
		{api.ExpectedAttributeValue{ComparisonOperator: new("GT"), AttributeValueList: []api.AttributeValue{num("4")}}, true},
	} {
		c, err := Expected(map[string]api.ExpectedAttributeValue{"n": tt.in}, nil)
		if err != nil || c.Match(stored) != tt.want {
			t.Errorf("%+v: %v", tt.in, err)
		}
	}
	for _, in := range []api.ExpectedAttributeValue{
		{}, {Exists: yes}, {Exists: no, Value: &five}, {AttributeValueList: []api.AttributeValue{five}},
		{ComparisonOperator: new("EQ"), Exists: yes}, {ComparisonOperator: new("EQ"), Value: &five, AttributeValueList: []api.AttributeValue{five}},
	} {
		if _, err := Expected(map[string]api.ExpectedAttributeValue{"n": in}, nil); !fault.Is(err, "ValidationException") {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if _, err := Expected(nil, new("AND")); !fault.Is(err, "ValidationException") {
		t.Errorf("an operator for nothing: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	two, word := num("2"), str("x")
	u, err := Update(map[string]api.AttributeValueUpdate{
		"n": {Action: new("ADD"), Value: &two}, "t": {Action: new("DELETE")}, "new": {Value: &word},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := u.Apply(stored)
	want := item.Map{{Name: "n", Value: item.Value{Kind: item.Number, Text: "7"}}, {Name: "new", Value: item.Value{Kind: item.String, Text: "x"}}}
	if err != nil || !item.EqualMaps(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for _, a := range []api.AttributeValueUpdate{{}, {Action: new("ADD"), Value: &word}, {Action: new("DELETE"), Value: &word}} {
		if _, err := Update(map[string]api.AttributeValueUpdate{"n": a}); !fault.Is(err, "ValidationException") {
			t.Errorf("%+v: %v", a, err)
		}
	}
}
