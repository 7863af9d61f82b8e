package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"moln.dev/moln/services/sns/envelope"
)

func text(s string) envelope.Attribute   { return envelope.Attribute{Type: "String", Text: s} }
func number(s string) envelope.Attribute { return envelope.Attribute{Type: "Number", Text: s} }
func array(s string) envelope.Attribute  { return envelope.Attribute{Type: "String.Array", Text: s} }

func TestAttributes(t *testing.T) {
	message := map[string]envelope.Attribute{
		"store": text("example"), "event": text("order_placed"), "ip": text("10.0.0.7"), "price": number("210.75"), "count": number("3.0"),
		"interests": array(`["rugby","football",null,true,7]`), "secret": {Type: "Binary", Binary: []byte("x")}, "quoted": text("7"),
	}
	for policy, want := range map[string]bool{
		`{}`:                    true,
		`{"store":["example"]}`: true,
		`{"store":["Example"]}`: false,
		`{"store":["example"],"event":["order_cancelled"]}`:             false,
		`{"store":[{"prefix":"ex"}],"event":[{"suffix":"placed"}]}`:     true,
		`{"store":[{"anything-but":["other","another"]}]}`:              true,
		`{"store":[{"anything-but":["example"]}]}`:                      false,
		`{"store":[{"anything-but":{"prefix":"ex"}}]}`:                  false,
		`{"absent":[{"anything-but":["x"]}]}`:                           false,
		`{"store":[{"equals-ignore-case":"EXAMPLE"}]}`:                  true,
		`{"ip":[{"cidr":"10.0.0.0/24"}]}`:                               true,
		`{"ip":[{"cidr":"10.0.1.0/24"}]}`:                               false,
		`{"price":[{"numeric":[">=",200,"<",300]}]}`:                    true,
		`{"price":[210.75]}`:                                            true,
		`{"price":["210.75"]}`:                                          false,
		`{"count":[3]}`:                                                 true,
		`{"count":[{"anything-but":[3]}]}`:                              false,
		`{"quoted":[7]}`:                                                false,
		`{"quoted":[{"numeric":["=",7]}]}`:                              false,
		`{"interests":["rugby"]}`:                                       true,
		`{"interests":["tennis"]}`:                                      false,
		`{"interests":[null]}`:                                          true,
		`{"interests":[{"numeric":["=",7]}]}`:                           true,
		`{"interests":[{"anything-but":["rugby"]}]}`:                    true,
		`{"absent":[{"exists":false}]}`:                                 true,
		`{"absent":[{"exists":true}]}`:                                  false,
		`{"store":[{"exists":true}]}`:                                   true,
		`{"secret":[{"exists":true}]}`:                                  false,
		`{"$or":[{"store":["other"]},{"price":[{"numeric":[">",1]}]}]}`: true,
		`{"$or":[{"store":["other"]},{"price":[{"numeric":["<",1]}]}]}`: false,
	} {
		p, err := Parse(policy, Attributes)
		if err != nil {
			t.Errorf("%s: %v", policy, err)
			continue
		}
		if got := p.Match("irrelevant", message); got != want {
			t.Errorf("%s: %v", policy, got)
		}
	}
}

func TestBody(t *testing.T) {
	const body = `{"store":"example","customer":{"tags":["a","b"],"age":41},"lines":[{"id":1,"kind":"x"},{"id":2,"kind":"y"}],"none":[]}`
	for policy, want := range map[string]bool{
		`{"store":["example"]}`: true,
		`{"customer":{"tags":["b"],"age":[{"numeric":[">",40]}]}}`: true,
		`{"customer":{"tags":["c"]}}`:                              false,
		`{"customer":{"name":[{"exists":false}]}}`:                 true,
		`{"lines":{"kind":["y"]}}`:                                 true,
		`{"customer":{"$or":[{"age":[1]},{"tags":["a"]}]}}`:        true,
		`{"other":[{"exists":false}]}`:                             true,
	} {
		p, err := Parse(policy, Body)
		if err != nil {
			t.Errorf("%s: %v", policy, err)
			continue
		}
		if got := p.Match(body, nil); got != want {
			t.Errorf("%s: %v", policy, got)
		}
		for _, other := range []string{"text", `"text"`, `[1]`, ``} {
			if p.Match(other, nil) {
				t.Errorf("%s matches %s", policy, other)
			}
		}
	}
}

func many(n int) string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%q", fmt.Sprint("v", i))
	}
	return "[" + strings.Join(values, ",") + "]"
}

func TestParseRefuses(t *testing.T) {
	or := `{"source":%s,"$or":[{"metricName":%s},{"metricType":%s,"$or":[{"metricId":%s},{"spaceId":%s}]}]}`
	nested := `{"$or":[{"metricName":%s},{"namespace":%s}],"detail":{"scope":%s,"$or":[{"source":%s},{"type":%s}]}}`
	for _, c := range []struct{ policy, scope, reason string }{
		{`{"key":[["value"]]}`, Attributes, `FilterPolicy: Match value must be String, number, true, false, or null`},
		{`{"key":[{"wrong-operator":true}]}`, Attributes, `FilterPolicy: Unrecognized match type wrong-operator`},
		{`{"key":[{"wildcard":"a*"}]}`, Attributes, `FilterPolicy: Unrecognized match type wildcard`},
		{`{"key":[{"suffix":"value","prefix":"value2"}]}`, Attributes, `FilterPolicy: Only one key allowed in match expression`},
		{`{"key":[]}`, Attributes, `FilterPolicy: Empty arrays are not allowed`},
		{`{"key":[{"suffix":100}]}`, Attributes, `FilterPolicy: suffix match pattern must be a string`},
		{`{"key":{"suffix":"value"}}`, Attributes, `FilterPolicy: "suffix" must be an object or an array`},
		{`{"key":[{"numeric":[]}]}`, Attributes, `FilterPolicy: Invalid member in numeric match: ]`},
		{`{"key":[{"numeric":["operator"]}]}`, Attributes, `FilterPolicy: Unrecognized numeric range operator: operator`},
		{`{"key":[{"numeric":[1,"<="]}]}`, Attributes, `FilterPolicy: Invalid member in numeric match: 1`},
		{`{"key":[{"numeric":["=","000"]}]}`, Attributes, `FilterPolicy: Value of equals must be numeric`},
		{`{"key":[{"numeric":[">="]}]}`, Attributes, `FilterPolicy: Value of >= must be numeric`},
		{`{"key":[{"numeric":["<",100,">",10]}]}`, Attributes, `FilterPolicy: Too many elements in numeric expression`},
		{`{"key":[{"numeric":[">=",1,">",2]}]}`, Attributes, `FilterPolicy: Bad numeric range operator: >`},
		{`{"key":[{"numeric":[">",3,"<",1]}]}`, Attributes, `FilterPolicy: Bottom must be less than top`},
		{`{"key":[{"numeric":[">",20,"<="]}]}`, Attributes, `FilterPolicy: Value of <= must be numeric`},
		{`{"key":[{"numeric":[">",20,30]}]}`, Attributes, `FilterPolicy: Bad value in numeric range: 30`},
		{`{"key":[{"numeric":[">",20,"<",30,"<",50]}]}`, Attributes, `FilterPolicy: Too many terms in numeric range expression`},
		{`{"key":[{"exists":"no"}]}`, Attributes, `FilterPolicy: exists match pattern must be either true or false.`},
		{`{"key":[{"anything-but":{"suffix":"test"}}]}`, Attributes, `FilterPolicy: Unsupported anything-but pattern: suffix`},
		{`{"key":` + many(151) + `}`, Attributes, `FilterPolicy: Filter policy is too complex`},
		{`{"a":` + many(100) + `,"b":` + many(51) + `}`, Attributes, `FilterPolicy: Filter policy is too complex`},
		{`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`, Attributes, `FilterPolicy: Filter policy can not have more than 5 keys`},
		{fmt.Sprintf(or, many(4), many(6), many(4), many(4), many(4)), Attributes, `FilterPolicy: Filter policy is too complex`},
		{fmt.Sprintf(nested, many(3), many(2), many(2), many(1), many(3)), Body, `FilterPolicy: Filter policy is too complex`},
		{`{"a":{"b":{"c":` + many(4) + `}},"d":{"e":` + many(3) + `},"f":` + many(3) + `}`, Body, `FilterPolicy: Filter policy is too complex`},
		{`{"a":{"b":["c"]}}`, Attributes, `Filter policy scope MessageAttributes does not support nested filter policy`},
		{`{"a":"b"}`, Body, `FilterPolicy: "a" must be an object or an array`},
		{`[]`, Body, `FilterPolicy: Filter is not an object`},
		{`{invalid}`, Body, `FilterPolicy: failed to parse JSON.`},
	} {
		_, err := Parse(c.policy, c.scope)
		if e := new(Error); !errors.As(err, &e) || !strings.HasPrefix(e.Reason, c.reason) {
			t.Errorf("%.80s: %v, want %s", c.policy, err, c.reason)
		}
	}
	for _, c := range [][2]string{
		{`{"key":` + many(150) + `}`, Attributes},
		{fmt.Sprintf(or, many(3), many(6), many(4), many(4), many(7)), Attributes},
		{fmt.Sprintf(nested, many(3), many(2), many(1), many(1), many(3)), Body},
	} {
		if _, err := Parse(c[0], c[1]); err != nil {
			t.Errorf("%.80s: %v", c[0], err)
		}
	}
}

func FuzzParseAndMatch(f *testing.F) {
	f.Add(`{"a":["b",{"numeric":[">",1]}]}`, `{"a":"b"}`, "String.Array", `["b"]`)
	f.Add(`{"$or":[{"a":[1]},{"b":[{"exists":false}]}]}`, `{}`, "Number", `1`)
	f.Fuzz(func(t *testing.T, policy, body, kind, value string) {
		for _, scope := range []string{Attributes, Body} {
			p, err := Parse(policy, scope)
			if err != nil {
				continue
			}
			attributes := map[string]envelope.Attribute{"a": {Type: kind, Text: value}}
			if p.Match(body, attributes) != p.Match(body, attributes) {
				t.Error("not the same twice")
			}
		}
	})
}
