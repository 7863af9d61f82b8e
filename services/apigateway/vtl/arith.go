package vtl

import (
	"cmp"
	"math"
)

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// equal compares numbers by value and everything else by its text, as
// Velocity does with objects of different classes.
func equal(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	if ok1 && ok2 {
		return x == y
	}
	return Text(a) == Text(b)
}

func compare(op string, a, b any) bool {
	order := 0
	x, ok1 := number(a)
	y, ok2 := number(b)
	s, isText1 := a.(string)
	t, isText2 := b.(string)
	switch {
	case ok1 && ok2:
		order = cmp.Compare(x, y)
	case isText1 && isText2:
		order = cmp.Compare(s, t)
	default:
		return false
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// arithmetic gives null where Velocity logs an error: strings but for +, and
// division by zero.
func arithmetic(op string, a, b any) any {
	_, text1 := a.(string)
	_, text2 := b.(string)
	if op == "+" && (text1 || text2) {
		return Text(a) + Text(b)
	}
	i, ok1 := a.(int64)
	j, ok2 := b.(int64)
	if ok1 && ok2 {
		return integers(op, i, j)
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	if !ok1 || !ok2 {
		return nil
	}
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		if y == 0 {
			return nil
		}
		return x / y
	}
	return math.Mod(x, y)
}

func integers(op string, i, j int64) any {
	switch op {
	case "+":
		return i + j
	case "-":
		return i - j
	case "*":
		return i * j
	}
	if j == 0 || j == -1 && i == math.MinInt64 {
		return nil
	}
	if op == "/" {
		return i / j
	}
	return i % j
}
