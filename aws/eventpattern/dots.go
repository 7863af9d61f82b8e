package eventpattern

import "strings"

// undot makes objects of the fields that have dots in their names: the path is
// what counts, "a.b" or b in a. Where both are there a pattern has the last one,
// and an event either. Names that lead deeper than any pattern looks stay as they
// are.
func undot(v any, pattern bool) any {
	switch v := v.(type) {
	case []any:
		if pattern {
			return undotOr(v)
		}
		for i := range v {
			v[i] = undot(v[i], pattern)
		}
	case map[string]any:
		dotted := false
		for name, sub := range v {
			v[name] = undot(sub, pattern)
			dotted = dotted || isPath(name)
		}
		if !dotted {
			return v
		}
		for name, sub := range v {
			if isPath(name) {
				delete(v, name)
				place(v, strings.Split(name, "."), sub, pattern)
			}
		}
	}
	return v
}

// isPath says whether a name is one of a field further below.
func isPath(name string) bool {
	n := strings.Count(name, ".")
	return n > 0 && n < depthMax
}

// undotOr leaves match expressions as they are; in $or there are objects.
func undotOr(list []any) any {
	if _, err := readOr(list); err == nil {
		for i := range list {
			list[i] = undot(list[i], true)
		}
	}
	return list
}

// place puts a value at a path below m.
func place(m map[string]any, path []string, v any, pattern bool) {
	name := path[0]
	if len(path) > 1 {
		sub := map[string]any{}
		place(sub, path[1:], v, pattern)
		v = sub
	}
	have, there := m[name]
	if !there {
		m[name] = v
		return
	}
	m[name] = merged(have, v, pattern)
}

func merged(a, b any, pattern bool) any {
	left, ok1 := a.(map[string]any)
	right, ok2 := b.(map[string]any)
	if ok1 && ok2 {
		for name, v := range right {
			if have, there := left[name]; there {
				v = merged(have, v, pattern)
			}
			left[name] = v
		}
		return left
	}
	if pattern {
		return b
	}
	return []any{a, b}
}
