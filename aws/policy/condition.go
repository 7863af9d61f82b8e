package policy

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// quantifier is the set prefix of a condition operator.
type quantifier uint8

const (
	plain quantifier = iota
	forAllValues
	forAnyValue
)

// operator is one row of the operator table: how to prepare a policy value, and
// how to compare it with one value of the request.
type operator struct {
	name    string
	negated bool
	null    bool
	mode    templateMode
	prepare func(raw string, t template) any
	equal   func(prepared any, t template, value string, e *evaluation) bool
}

// operatorNamed finds a row by its lower-cased name. A negated operator shares its
// comparison with the positive one.
func operatorNamed(lower string) (operator, bool) {
	for _, family := range operatorFamilies() {
		for _, op := range family {
			if strings.ToLower(op.name) == lower {
				return op, true
			}
		}
	}
	return operator{}, false
}

func operatorFamilies() [][]operator {
	text := templateMode{variables: true}
	glob := templateMode{variables: true, glob: true}
	not := func(name, notName string, mode templateMode, prepare func(string, template) any, equal func(any, template, string, *evaluation) bool) []operator {
		return []operator{
			{name: name, mode: mode, prepare: prepare, equal: equal},
			{name: notName, mode: mode, prepare: prepare, equal: equal, negated: true},
		}
	}
	return [][]operator{
		not("StringEquals", "StringNotEquals", text, nil, equalText),
		not("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", text, nil, equalFold),
		not("StringLike", "StringNotLike", glob, nil, likeText),
		not("ArnEquals", "ArnNotEquals", glob, prepareARN, likeARN),
		not("ArnLike", "ArnNotLike", glob, prepareARN, likeARN),
		not("NumericEquals", "NumericNotEquals", templateMode{}, prepareNumber, compareNumbers(func(c int) bool { return c == 0 })),
		ordered("Numeric", prepareNumber, compareNumbers),
		not("DateEquals", "DateNotEquals", templateMode{}, prepareDate, compareDates(func(c int) bool { return c == 0 })),
		ordered("Date", prepareDate, compareDates),
		not("IpAddress", "NotIpAddress", templateMode{}, prepareNetwork, inNetwork),
		{
			{name: "Bool", mode: text, equal: equalBool},
			{name: "BinaryEquals", prepare: prepareBinary, equal: equalBinary},
			{name: "Null", null: true},
		},
	}
}

func ordered(prefix string, prepare func(string, template) any, compare func(func(int) bool) func(any, template, string, *evaluation) bool) []operator {
	return []operator{
		{name: prefix + "LessThan", prepare: prepare, equal: compare(func(c int) bool { return c < 0 })},
		{name: prefix + "LessThanEquals", prepare: prepare, equal: compare(func(c int) bool { return c <= 0 })},
		{name: prefix + "GreaterThan", prepare: prepare, equal: compare(func(c int) bool { return c > 0 })},
		{name: prefix + "GreaterThanEquals", prepare: prepare, equal: compare(func(c int) bool { return c >= 0 })},
	}
}

// condition is one operator and key of a Condition element, compiled.
type condition struct {
	op       operator
	spelled  string // the operator as the document spells it
	key      string // lower-cased
	set      quantifier
	ifExists bool
	values   []conditionValue
}

type conditionValue struct {
	template template
	prepared any
}

// parseOperator reads "ForAllValues:StringLikeIfExists" and its kin.
func parseOperator(spelled string) (c condition, ok bool) {
	c.spelled = spelled
	name := strings.ToLower(spelled)
	if rest, found := strings.CutPrefix(name, "forallvalues:"); found {
		c.set, name = forAllValues, rest
	} else if rest, found := strings.CutPrefix(name, "foranyvalue:"); found {
		c.set, name = forAnyValue, rest
	}
	name, c.ifExists = strings.CutSuffix(name, "ifexists")
	c.op, ok = operatorNamed(name)
	if c.op.null && (c.ifExists || c.set != plain) {
		return c, false
	}
	return c, ok
}

func (c *condition) addValue(raw string, variables bool) {
	mode := c.op.mode
	mode.variables = mode.variables && variables
	v := conditionValue{template: compileTemplate(raw, mode)}
	if c.op.prepare != nil && !v.template.variables {
		v.prepared = c.op.prepare(raw, v.template)
	}
	c.values = append(c.values, v)
}

// holds decides the condition. A key without values counts as missing.
func (c *condition) holds(e *evaluation) bool {
	values, ok := e.lookup(c.key)
	missing := !ok || len(values) == 0
	switch {
	case c.op.null:
		return c.wantsNull(missing)
	case missing && c.ifExists:
		return true
	case missing && c.set == forAllValues:
		return true
	case missing && c.set == forAnyValue:
		return false
	case missing:
		return c.op.negated
	}
	switch c.set {
	case forAllValues:
		for _, v := range values {
			if c.matchesAny(v, e) == c.op.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, v := range values {
			if c.matchesAny(v, e) != c.op.negated {
				return true
			}
		}
		return false
	}
	for _, v := range values {
		if c.matchesAny(v, e) {
			return !c.op.negated
		}
	}
	return c.op.negated
}

func (c *condition) wantsNull(missing bool) bool {
	for _, v := range c.values {
		if strings.EqualFold(v.template.raw, strconv.FormatBool(missing)) {
			return true
		}
	}
	return false
}

// matchesAny compares one request value with the policy's values.
func (c *condition) matchesAny(value string, e *evaluation) bool {
	for i := range c.values {
		if c.op.equal(c.values[i].prepared, c.values[i].template, value, e) {
			return true
		}
	}
	return false
}

func equalText(_ any, t template, value string, e *evaluation) bool {
	want, ok := t.text(e)
	return ok && want == value
}

func equalFold(_ any, t template, value string, e *evaluation) bool {
	want, ok := t.text(e)
	return ok && strings.EqualFold(want, value)
}

func likeText(_ any, t template, value string, e *evaluation) bool {
	es, ok := t.resolve(e)
	return ok && globMatch(es, value)
}

// equalBool takes only "true" and "false": anything else on either side is not
// a boolean and equals nothing.
func equalBool(_ any, t template, value string, e *evaluation) bool {
	want, ok := t.text(e)
	isBool := strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
	return ok && isBool && strings.EqualFold(want, value)
}

const arnFields = 6

func prepareARN(_ string, t template) any { return splitColons(t.elems, arnFields) }

// likeARN compares field by field, so that a * in one field cannot reach into
// the next. A lone "*" is any ARN.
func likeARN(prepared any, t template, value string, e *evaluation) bool {
	fields, ok := prepared.([][]elem)
	if !ok {
		es, resolved := t.resolve(e)
		if !resolved {
			return false
		}
		fields = splitColons(es, arnFields)
	}
	parts := strings.SplitN(value, ":", arnFields)
	if len(parts) != arnFields || parts[0] != "arn" {
		return false
	}
	if len(fields) == 1 && len(fields[0]) == 1 && fields[0][0].kind == elemMany {
		return true
	}
	if len(fields) != arnFields {
		return false
	}
	for i, field := range fields {
		if !globMatch(field, parts[i]) {
			return false
		}
	}
	return true
}

// maxNumberBytes keeps exponents and digits of hostile numbers small.
const maxNumberBytes = 64

// maxExponentBytes bounds an exponent's text: three digits and a sign.
const maxExponentBytes = 4

// prepareNumber gives a *big.Rat, exact where a float would round account-sized
// integers, or nil for what is not a decimal number.
func prepareNumber(raw string, _ template) any {
	raw = strings.TrimSpace(raw)
	if raw == "" || len(raw) > maxNumberBytes || strings.Trim(raw, "0123456789+-.eE") != "" {
		return nil
	}
	if i := strings.IndexAny(raw, "eE"); i >= 0 && len(raw)-i-1 > maxExponentBytes {
		return nil
	}
	r, ok := new(big.Rat).SetString(raw)
	if !ok {
		return nil
	}
	return r
}

func compareNumbers(holds func(int) bool) func(any, template, string, *evaluation) bool {
	return func(prepared any, t template, value string, _ *evaluation) bool {
		limit, ok := prepared.(*big.Rat)
		got, isNumber := prepareNumber(value, t).(*big.Rat)
		return ok && isNumber && holds(got.Cmp(limit))
	}
}

// dateLayouts are the ISO 8601 forms AWS documents (W3C profile).
func dateLayouts() []string {
	return []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", "20060102T150405Z", "2006-01", "2006"}
}

// minEpochDigits separates Unix seconds from years.
const minEpochDigits = 5

func prepareDate(raw string, _ template) any {
	raw = strings.TrimSpace(raw)
	if len(raw) >= minEpochDigits {
		if seconds, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return time.Unix(seconds, 0)
		}
	}
	for _, layout := range dateLayouts() {
		if at, err := time.Parse(layout, raw); err == nil {
			return at
		}
	}
	return nil
}

func compareDates(holds func(int) bool) func(any, template, string, *evaluation) bool {
	return func(prepared any, t template, value string, _ *evaluation) bool {
		limit, ok := prepared.(time.Time)
		got, isDate := prepareDate(value, t).(time.Time)
		return ok && isDate && holds(got.Compare(limit))
	}
}

func prepareNetwork(raw string, _ template) any {
	if prefix, err := netip.ParsePrefix(raw); err == nil {
		return prefix.Masked()
	}
	if addr, err := netip.ParseAddr(raw); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	return nil
}

func inNetwork(prepared any, _ template, value string, _ *evaluation) bool {
	network, ok := prepared.(netip.Prefix)
	addr, err := netip.ParseAddr(value)
	return ok && err == nil && network.Contains(addr.Unmap())
}

func prepareBinary(raw string, _ template) any {
	decoded, err := base64.StdEncoding.DecodeString(raw)
	if err != nil {
		return nil
	}
	return string(decoded)
}

func equalBinary(prepared any, t template, value string, _ *evaluation) bool {
	want, ok := prepared.(string)
	got, isBinary := prepareBinary(value, t).(string)
	return ok && isBinary && want == got
}
