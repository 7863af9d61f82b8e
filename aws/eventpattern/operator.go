package eventpattern

import (
	"encoding/json"
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
		if p.dialect == EventBridge {
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
		return but{[]matcher{equals{arg}}}, nil
	case []any:
		return butList(arg)
	case map[string]any:
		if p.dialect != EventBridge || len(arg) != 1 {
			break
		}
		for op, inner := range arg {
			return butOperator(op, inner)
		}
	}
	return nil, wrong("Inside anything-but list, must be string, number or a supported pattern")
}

func butList(list []any) (matcher, error) {
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
		b.not = append(b.not, equals{v})
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
	if len(list) == 0 || len(list)%2 != 0 || len(list) > 4 {
		return nil, wrong("Invalid numeric match: it must have one or two pairs of operator and number")
	}
	var out numeric
	for i := 0; i < len(list); i += 2 {
		op, _ := list[i].(string)
		n, isNumber := list[i+1].(json.Number)
		if !isNumber {
			return nil, wrong("Value of %s must be numeric", op)
		}
		value, ok := number(n)
		if !ok {
			return nil, wrong("Value of %s must be between -5.0e9 and +5.0e9, inclusive", op)
		}
		if err := out.bound(op, value, len(list) == 4, i > 0); err != nil {
			return nil, err
		}
	}
	if out.hasLow && out.hasHigh && !out.exact && out.low >= out.high {
		return nil, wrong("Bottom must be less than top")
	}
	return out, nil
}

// bound adds one comparison; a range has its lower one first.
func (n *numeric) bound(op string, value float64, isRange, second bool) error {
	switch {
	case op == "=" && !isRange:
		n.exact, n.hasLow, n.hasHigh, n.low, n.high, n.lowIn, n.highIn = true, true, true, value, value, true, true
	case (op == ">" || op == ">=") && !second:
		n.hasLow, n.low, n.lowIn = true, value, op == ">="
	case (op == "<" || op == "<=") && (second || !isRange):
		n.hasHigh, n.high, n.highIn = true, value, op == "<="
	default:
		return wrong("Bad numeric range operator: %s", op)
	}
	return nil
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
