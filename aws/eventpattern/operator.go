package eventpattern

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// reserved are the names that match expressions begin with, or may begin with
// one day, so that fields of those names are not taken inside $or.
var reserved = []string{
	"exactly", "anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard",
	"regex", "not-wildcard", "not-equals-ignore-case",
	"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
	"ip-address-in-range", "ip-address-not-in-range",
}

// operator compiles {op: arg}.
func (p *parser) operator(op string, arg any) (matcher, error) {
	switch op {
	case "exists":
		yes, ok := arg.(bool)
		if !ok {
			return nil, wrong("exists match pattern must be either true or false.")
		}
		if !yes {
			return &absent{slices.Clone(p.path)}, nil
		}
		return exists{}, nil
	case "exactly":
		s, ok := arg.(string)
		if !ok {
			return nil, wrong("exact match pattern must be a string")
		}
		return equals{s}, nil
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
	m, ok := arg.(map[string]any)
	if !ok {
		return text(op, arg, func(s string) matcher { return end{s, op == "suffix", false} })
	}
	inner, there := m[ignoreCase]
	switch {
	case len(m) == 0:
		return nil, wrong("%s expression name not found", strings.ToUpper(op[:1])+op[1:])
	case !there:
		return nil, wrong("Unsupported %s pattern: %s", op, slices.Sorted(maps.Keys(m))[0])
	case len(m) > 1:
		return nil, errOneKey
	}
	return text(ignoreCase, inner, func(s string) matcher { return end{s, op == "suffix", true} })
}

const ignoreCase = "equals-ignore-case"

var errOneKey = wrong("Only one key allowed in match expression")

// anythingBut takes a string, a number, a list of either, or one operator.
func (p *parser) anythingBut(arg any) (matcher, error) {
	switch arg := arg.(type) {
	case string, json.Number:
		return but{[]matcher{equalTo(arg)}}, nil
	case []any:
		return butList(arg)
	case map[string]any:
		if p.dialect == Filter {
			break
		}
		switch len(arg) {
		case 0:
			return nil, wrong("Anything-But expression name not found")
		case 1:
			for op, inner := range arg {
				if p.dialect == Notification && op != "prefix" {
					return nil, wrong("Unsupported anything-but pattern: %s", op)
				}
				return butOperator(op, inner)
			}
		}
		return nil, wrong("Too many elements in numeric expression")
	}
	return nil, wrong("Value of anything-but must be an array or single string/number value.")
}

func butList(list []any) (matcher, error) {
	var b but
	var texts, numbers bool
	for _, v := range list {
		switch v.(type) {
		case string:
			texts = true
		case json.Number:
			numbers = true
		default:
			return nil, wrong("Inside anything but list, start|null|boolean is not supported.")
		}
		b.not = append(b.not, equalTo(v))
	}
	if texts == numbers {
		return nil, wrong("Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return b, nil
}

// butOperator is {"anything-but": {op: arg}}, where arg may be a list.
func butOperator(op string, arg any) (matcher, error) {
	var to func(string) (matcher, error)
	word := "prefix/suffix match pattern must be a string"
	switch op {
	case "prefix", "suffix":
		to = func(s string) (matcher, error) {
			if s == "" {
				return nil, wrong("Null prefix/suffix not allowed")
			}
			return end{s, op == "suffix", false}, nil
		}
	case ignoreCase:
		word = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
		to = func(s string) (matcher, error) { return folded{s}, nil }
	case "wildcard":
		word = "wildcard match pattern must be a string"
		to = func(s string) (matcher, error) { return wild(s) }
	default:
		return nil, wrong("Unsupported anything-but pattern: %s", op)
	}
	list, ok := arg.([]any)
	if !ok {
		switch arg.(type) {
		case string, json.Number:
			list = []any{arg}
		default:
			return nil, wrong("Value of anything-but must be an array or single string/number value.")
		}
	}
	var b but
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, wrong("%s", word)
		}
		m, err := to(s)
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
	if len(list) == 0 {
		return nil, wrong("Invalid member in numeric match: ]")
	}
	op, ok := list[0].(string)
	if !ok {
		return nil, wrong("Invalid member in numeric match: %s", word(list[0]))
	}
	name := op
	switch op {
	case "=":
		name = "equals"
	case "<", "<=", ">", ">=":
	default:
		return nil, wrong("Unrecognized numeric range operator: %s", op)
	}
	first, err := operand(name, list, 1)
	if err != nil {
		return nil, err
	}
	if op == "=" || op == "<" || op == "<=" {
		if len(list) > 2 {
			return nil, wrong("Too many elements in numeric expression")
		}
		if op == "=" {
			return numeric{exact: true, hasLow: true, hasHigh: true, low: first, high: first, lowIn: true, highIn: true}, nil
		}
		return numeric{hasHigh: true, high: first, highIn: op == "<="}, nil
	}
	return upTo(numeric{hasLow: true, low: first, lowIn: op == ">="}, list)
}

// word is a value as messages tell it: arrays and objects by how they begin.
func word(v any) string {
	switch v.(type) {
	case []any:
		return "["
	case map[string]any:
		return "{"
	}
	return fmt.Sprint(v)
}

// upTo reads the upper half of a range, if there is one.
func upTo(n numeric, list []any) (matcher, error) {
	if len(list) == 2 {
		return n, nil
	}
	op, ok := list[2].(string)
	if !ok {
		return nil, wrong("Bad value in numeric range: %s", word(list[2]))
	}
	if op != "<" && op != "<=" {
		return nil, wrong("Bad numeric range operator: %s", op)
	}
	high, err := operand(op, list, 3)
	if err != nil {
		return nil, err
	}
	if len(list) > 4 {
		return nil, wrong("Too many terms in numeric range expression")
	}
	n.hasHigh, n.high, n.highIn = true, high, op == "<="
	if n.low >= n.high {
		return nil, wrong("Bottom must be less than top")
	}
	return n, nil
}

// operand is the number that a comparison is with.
func operand(name string, list []any, at int) (float64, error) {
	var n json.Number
	ok := false
	if at < len(list) {
		n, ok = list[at].(json.Number)
	}
	if !ok {
		return 0, wrong("Value of %s must be numeric", name)
	}
	value, ok := number(n)
	if !ok {
		return 0, wrong("Value must be between -5.0E9 and 5.0E9, inclusive")
	}
	return value, nil
}

func parseCIDR(arg any) (matcher, error) {
	s, ok := arg.(string)
	if !ok {
		return nil, wrong("prefix match pattern must be a string")
	}
	ip, mask, ok := strings.Cut(s, "/")
	if !ok || strings.Contains(mask, "/") || mask == "" {
		return nil, wrong("Malformed CIDR, one '/' required")
	}
	bits, err := strconv.Atoi(mask)
	if err != nil {
		return nil, wrong("Malformed CIDR, mask bits must be an integer")
	}
	if bits < 0 {
		return nil, wrong("Malformed CIDR, mask bits must not be negative")
	}
	a, ok := address(ip)
	if !ok {
		return nil, wrong("Nonstandard IP address: %s", ip)
	}
	if a.Is4() && bits > 31 {
		return nil, wrong("IPv4 mask bits must be < 32")
	}
	if bits > 127 {
		return nil, wrong("IPv6 mask bits must be < 128")
	}
	return block{netip.PrefixFrom(a, bits).Masked()}, nil
}

// wildcards that one pattern may have.
const wildcardsMax = 100

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
		switch c := s[i]; {
		case c == '*' && star:
			return nil, wrong("Consecutive wildcard characters at pos %d", i)
		case c == '*':
			out.parts = append(out.parts, part.String())
			part.Reset()
			star = true
			continue
		case c == '\\' && (i+1 >= len(s) || s[i+1] != '*' && s[i+1] != '\\'):
			return nil, wrong("Invalid escape character at pos %d", i+1)
		case c == '\\':
			i++
			part.WriteByte(s[i])
		default:
			part.WriteByte(c)
		}
		star = false
	}
	out.parts = append(out.parts, part.String())
	if len(out.parts) > wildcardsMax {
		return nil, wrong("Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character")
	}
	return out, nil
}
