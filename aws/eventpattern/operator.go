package eventpattern

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// operators are the names that match expressions begin with.
var operators = []string{"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}

// operator compiles {op: arg}.
func (p *parser) operator(op string, arg any) (matcher, error) {
	switch op {
	case "exists":
		yes, ok := arg.(bool)
		if !ok {
			return nil, wrong("exists match pattern must be either true or false.")
		}
		return exists{yes}, nil
	case "numeric":
		return parseNumeric(arg)
	case "anything-but":
		return p.anythingBut(arg)
	case "equals-ignore-case":
		return text(op, arg, func(s string) matcher { return folded{s} })
	case "prefix", "suffix":
		return affix(op, arg)
	case "wildcard":
		if p.dialect == EventBridge {
			return wild(arg)
		}
	case "cidr":
		if p.dialect != Filter {
			return parseCIDR(arg)
		}
	}
	return nil, wrong("Unrecognized match type %s", op)
}

// text compiles an operator with one string.
func text(op string, arg any, to func(string) matcher) (matcher, error) {
	s, ok := arg.(string)
	if !ok {
		return nil, wrong("%s match pattern must be a string", op)
	}
	return to(s), nil
}

// affix is {"prefix": "a"} or {"prefix": {"equals-ignore-case": "a"}}, and
// suffix likewise.
func affix(op string, arg any) (matcher, error) {
	fold := false
	if m, ok := arg.(map[string]any); ok {
		inner, ok := m["equals-ignore-case"]
		if !ok || len(m) != 1 {
			return nil, wrong("%s match pattern must be a string", op)
		}
		arg, fold = inner, true
	}
	return text(op, arg, func(s string) matcher { return end{s, op == "suffix", fold} })
}

// anythingBut takes a string, a number, a list of either, or one operator.
func (p *parser) anythingBut(arg any) (matcher, error) {
	switch arg := arg.(type) {
	case string, json.Number:
		return but{[]matcher{p.exact(arg)}}, nil
	case []any:
		return p.butList(arg)
	case map[string]any:
		if p.dialect == Filter || len(arg) != 1 {
			break
		}
		for op, inner := range arg {
			if p.dialect == Notification && op != "prefix" {
				return nil, wrong("Unsupported anything-but pattern: %s", op)
			}
			return butOperator(op, inner)
		}
	}
	return nil, wrong("Inside anything-but list, must be string, number or a supported pattern")
}

func (p *parser) butList(list []any) (matcher, error) {
	if len(list) == 0 {
		return nil, wrong("Inside anything but list, values must not be empty")
	}
	var b but
	_, strings := list[0].(string)
	for _, v := range list {
		_, isString := v.(string)
		if _, isNumber := v.(json.Number); isString != strings || !isString && !isNumber {
			return nil, wrong("Inside anything but list, either all values are number or string, mixed type is not supported")
		}
		b.not = append(b.not, p.exact(v))
	}
	return b, nil
}

// butOperator is {"anything-but": {op: arg}}, where arg may be a list.
func butOperator(op string, arg any) (matcher, error) {
	list, ok := arg.([]any)
	if !ok {
		list = []any{arg}
	}
	if len(list) == 0 {
		return nil, wrong("Inside anything but list, values must not be empty")
	}
	var b but
	for _, v := range list {
		var m matcher
		var err error
		switch op {
		case "prefix", "suffix":
			m, err = affix(op, v)
		case "equals-ignore-case":
			m, err = text(op, v, func(s string) matcher { return folded{s} })
		case "wildcard":
			m, err = wild(v)
		default:
			err = wrong("Unsupported anything-but pattern: %s", op)
		}
		if err != nil {
			return nil, err
		}
		b.not = append(b.not, m)
	}
	return b, nil
}

// The numbers that can be compared, AWS says.
const numberMax = 5_000_000_000

// parseNumeric reads ["=", 5] or [">", 0, "<=", 5].
func parseNumeric(arg any) (matcher, error) {
	list, ok := arg.([]any)
	if !ok {
		return nil, wrong("Value of numeric must be an array.")
	}
	op, err := comparison(list)
	if err != nil {
		return nil, err
	}
	value, err := operand(op, list[1:])
	if err != nil {
		return nil, err
	}
	out := numeric{}
	out.bound(op, value)
	rest := list[2:]
	switch {
	case len(rest) == 0:
		return out, nil
	case op[0] != '>':
		return nil, wrong("Too many elements in numeric expression")
	}
	if op, ok = rest[0].(string); !ok {
		return nil, wrong("Bad value in numeric range: %s", word(rest[0]))
	}
	if op != "<" && op != "<=" {
		return nil, wrong("Bad numeric range operator: %s", op)
	}
	if value, err = operand(op, rest[1:]); err != nil {
		return nil, err
	}
	if len(rest) > 2 {
		return nil, wrong("Too many terms in numeric range expression")
	}
	if out.low >= value {
		return nil, wrong("Bottom must be less than top")
	}
	out.bound(op, value)
	return out, nil
}

// comparison is the operator that a list of comparisons begins with.
func comparison(list []any) (string, error) {
	if len(list) == 0 {
		return "", wrong("Invalid member in numeric match: ]")
	}
	op, ok := list[0].(string)
	switch {
	case !ok:
		return "", wrong("Invalid member in numeric match: %s", word(list[0]))
	case op != "=" && op != "<" && op != "<=" && op != ">" && op != ">=":
		return "", wrong("Unrecognized numeric range operator: %s", op)
	}
	return op, nil
}

// operand is the number that an operator is to compare with.
func operand(op string, list []any) (float64, error) {
	if op == "=" {
		op = "equals"
	}
	var n json.Number
	if len(list) > 0 {
		n, _ = list[0].(json.Number)
	}
	if n == "" {
		return 0, wrong("Value of %s must be numeric", op)
	}
	value, ok := number(n)
	if !ok {
		return 0, wrong("Value of %s must be between -5.0e9 and +5.0e9, inclusive", op)
	}
	return value, nil
}

// word is a value as messages quote it.
func word(v any) string {
	switch v.(type) {
	case []any:
		return "["
	case map[string]any:
		return "{"
	}
	return fmt.Sprint(v)
}

// bound adds one comparison.
func (n *numeric) bound(op string, value float64) {
	if op == "=" {
		n.exact = true
	}
	if op[0] != '<' {
		n.hasLow, n.low, n.lowIn = true, value, op != ">"
	}
	if op[0] != '>' {
		n.hasHigh, n.high, n.highIn = true, value, op != "<"
	}
}

func parseCIDR(arg any) (matcher, error) {
	s, ok := arg.(string)
	if !ok {
		return nil, wrong("cidr match pattern must be a string")
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return nil, wrong("Malformed CIDR, one '/' required: %s", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return block{p.Masked()}, nil
}

// wild compiles a wildcard: * is any text, \* and \\ are themselves.
func wild(arg any) (matcher, error) {
	s, ok := arg.(string)
	if !ok {
		return nil, wrong("wildcard match pattern must be a string")
	}
	var out glob
	var part strings.Builder
	star := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '*':
			if star {
				return nil, wrong("Consecutive wildcard characters at pos %d", i-1)
			}
			out.parts = append(out.parts, part.String())
			part.Reset()
			star = true
			continue
		case '\\':
			if i+1 >= len(s) || s[i+1] != '*' && s[i+1] != '\\' {
				return nil, wrong("Invalid escape character at pos %d", i)
			}
			i++
			part.WriteByte(s[i])
		default:
			part.WriteByte(c)
		}
		star = false
	}
	out.parts = append(out.parts, part.String())
	return out, nil
}
