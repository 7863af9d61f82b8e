package expr

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"moln.dev/moln/services/dynamodb/item"
)

// Match reports whether the condition holds for an item; nil is no item. A nil
// condition holds.
func (c *Condition) Match(m item.Map) bool {
	if c == nil {
		return true
	}
	switch c.Op {
	case And:
		return !slices.ContainsFunc(c.Kids, func(k *Condition) bool { return !k.Match(m) })
	case Or:
		return slices.ContainsFunc(c.Kids, func(k *Condition) bool { return k.Match(m) })
	case Not:
		return !c.Kids[0].Match(m)
	case Exists:
		return c.Args[0].get(m) != nil
	case NotExists:
		return c.Args[0].get(m) == nil
	}
	first := c.Args[0].get(m)
	if c.Op == NE {
		second := c.Args[1].get(m)
		return first == nil || second == nil || !item.Equal(*first, *second)
	}
	if first == nil {
		return false
	}
	return c.compare(first, m)
}

// compare judges operators whose operands must be there.
func (c *Condition) compare(first *item.Value, m item.Map) bool {
	if c.Op == In {
		return slices.ContainsFunc(c.Args[1:], func(o Operand) bool {
			v := o.get(m)
			return v != nil && item.Equal(*first, *v)
		})
	}
	second := c.Args[1].get(m)
	if second == nil {
		return false
	}
	switch c.Op {
	case EQ:
		return item.Equal(*first, *second)
	case TypeIs:
		return first.Kind.String() == second.Text
	case BeginsWith:
		return first.Kind == second.Kind && (first.Kind == item.String || first.Kind == item.Binary) &&
			strings.HasPrefix(first.Text, second.Text)
	case Contains:
		return contains(first, second)
	}
	order, ok := item.Compare(*first, *second)
	if !ok {
		return false
	}
	switch c.Op {
	case LT:
		return order < 0
	case LE:
		return order <= 0
	case GT:
		return order > 0
	case GE:
		return order >= 0
	}
	high := c.Args[2].get(m) // BETWEEN
	if high == nil || order < 0 {
		return false
	}
	order, ok = item.Compare(*first, *high)
	return ok && order <= 0
}

func contains(v, part *item.Value) bool {
	switch v.Kind {
	case item.String, item.Binary:
		return part.Kind == v.Kind && strings.Contains(v.Text, part.Text)
	case item.List:
		return slices.ContainsFunc(v.List, func(e item.Value) bool { return item.Equal(e, *part) })
	case item.StringSet:
		return part.Kind == item.String && slices.Contains(v.Set, part.Text)
	case item.NumberSet:
		return part.Kind == item.Number && slices.Contains(v.Set, part.Text)
	case item.BinarySet:
		return part.Kind == item.Binary && slices.Contains(v.Set, part.Text)
	}
	return false
}

// get returns the operand's value for an item, or nil.
func (o *Operand) get(m item.Map) *item.Value {
	v := &o.Value
	if o.Path != nil {
		v = o.Path.Get(m)
	}
	if v == nil || !o.Size {
		return v
	}
	n, ok := size(v)
	if !ok {
		return nil
	}
	return &item.Value{Kind: item.Number, Text: strconv.Itoa(n)}
}

func sizable(k item.Kind) bool { return k != item.Number && k != item.Bool && k != item.Null }

// size is what the size function gives: characters, bytes or elements.
func size(v *item.Value) (int, bool) {
	switch v.Kind {
	case item.String:
		return stringLength(v.Text), true
	case item.Binary:
		return len(v.Text), true
	case item.List:
		return len(v.List), true
	case item.MapKind:
		return len(v.Map), true
	case item.StringSet, item.NumberSet, item.BinarySet:
		return len(v.Set), true
	}
	return 0, false
}

// stringLength counts UTF-16 units, as AWS's implementation language does.
func stringLength(s string) int {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if utf16.RuneLen(r) == 2 {
			n++
		}
	}
	return n
}
