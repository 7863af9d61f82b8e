package vtl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// method calls a Java method. One that is not known is an error: printing
// nothing in its place would be worse.
func method(v any, name string, args []any) (any, error) {
	if o, ok := v.(Object); ok {
		return o.Call(name, args)
	}
	switch name {
	case "toString":
		return Text(v), nil
	case "equals":
		if len(args) == 1 {
			return equal(v, args[0]), nil
		}
	}
	out, ok, err := any(nil), false, error(nil)
	switch v := v.(type) {
	case string:
		out, ok, err = stringMethod(v, name, args)
	case *List:
		out, ok = listMethod(v, name, args)
	case *Map:
		out, ok = mapMethod(v, name, args)
	case int64:
		out, ok = numberMethod(float64(v), name)
	case float64:
		out, ok = numberMethod(v, name)
	}
	if err == nil && !ok {
		err = fmt.Errorf("vtl: no method %s with %d arguments on %.40q", name, len(args), Text(v))
	}
	return out, err
}

func numberMethod(f float64, name string) (any, bool) {
	switch name {
	case "intValue", "longValue":
		return int64(f), true
	case "doubleValue", "floatValue":
		return f, true
	}
	return nil, false
}

func stringMethod(s, name string, args []any) (any, bool, error) {
	text := func(i int) string { return Text(args[i]) }
	switch len(args) {
	case 0:
		v, ok := stringPlain(s, name)
		return v, ok, nil
	case 1:
		if v, ok := stringWith(s, name, text(0)); ok {
			return v, true, nil
		}
		switch name {
		case "matches", "split":
			return stringRegexp(s, name, text(0), "")
		case "substring", "charAt":
			return stringSlice(s, name, args)
		}
	case 2:
		switch name {
		case "replace":
			if strings.Count(s, text(0))*len(text(1)) > outputMax {
				return nil, false, fmt.Errorf("vtl: text of more than %d bytes", outputMax)
			}
			return strings.ReplaceAll(s, text(0), text(1)), true, nil
		case "replaceAll", "replaceFirst":
			return stringRegexp(s, name, text(0), text(1))
		case "substring":
			return stringSlice(s, name, args)
		}
	}
	return nil, false, nil
}

func stringPlain(s, name string) (any, bool) {
	switch name {
	case "length":
		return int64(len([]rune(s))), true
	case "isEmpty":
		return s == "", true
	case "trim":
		return strings.TrimSpace(s), true
	case "toLowerCase":
		return strings.ToLower(s), true
	case "toUpperCase":
		return strings.ToUpper(s), true
	}
	return nil, false
}

func stringWith(s, name, arg string) (any, bool) {
	switch name {
	case "contains":
		return strings.Contains(s, arg), true
	case "startsWith":
		return strings.HasPrefix(s, arg), true
	case "endsWith":
		return strings.HasSuffix(s, arg), true
	case "equalsIgnoreCase":
		return strings.EqualFold(s, arg), true
	case "concat":
		return s + arg, true
	case "indexOf":
		return runeIndex(s, strings.Index(s, arg)), true
	case "lastIndexOf":
		return runeIndex(s, strings.LastIndex(s, arg)), true
	}
	return nil, false
}

func runeIndex(s string, at int) int64 {
	if at < 0 {
		return -1
	}
	return int64(len([]rune(s[:at])))
}

func stringSlice(s, name string, args []any) (any, bool, error) {
	runes := []rune(s)
	from, ok := args[0].(int64)
	to := int64(len(runes))
	if len(args) == 2 {
		var isInt bool
		to, isInt = args[1].(int64)
		ok = ok && isInt
	}
	if name == "charAt" {
		to = from + 1
	}
	if !ok || from < 0 || to < from || to > int64(len(runes)) {
		return nil, true, fmt.Errorf("vtl: string index out of range in %s", name)
	}
	return string(runes[from:to]), true, nil
}

var javaGroup = regexp.MustCompile(`\$(\d)`)

// stringRegexp runs Java regular expressions as far as RE2 knows them.
func stringRegexp(s, name, pattern, with string) (any, bool, error) {
	if name == "matches" {
		pattern = "^(?s:" + pattern + ")$"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, true, fmt.Errorf("vtl: regular expression: %w", err)
	}
	switch name {
	case "matches":
		return re.MatchString(s), true, nil
	case "split":
		out := &List{}
		for _, part := range re.Split(s, -1) {
			out.Items = append(out.Items, part)
		}
		// Java drops empty strings at the end.
		for n := len(out.Items); n > 1 && out.Items[n-1] == ""; n-- {
			out.Items = out.Items[:n-1]
		}
		return out, true, nil
	}
	if (len(re.FindAllStringIndex(s, -1))+1)*(len(with)+1) > outputMax {
		return nil, true, fmt.Errorf("vtl: text of more than %d bytes", outputMax)
	}
	with = javaGroup.ReplaceAllString(with, "$${$1}")
	with = unescapeReplacement(with)
	if name == "replaceFirst" {
		loc := re.FindStringSubmatchIndex(s)
		if loc == nil {
			return s, true, nil
		}
		return s[:loc[0]] + string(re.ExpandString(nil, with, s, loc)) + s[loc[1]:], true, nil
	}
	return re.ReplaceAllString(s, with), true, nil
}

// unescapeReplacement takes the backslashes of a Java replacement away.
func unescapeReplacement(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] == '$' {
				b.WriteByte('$')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func listMethod(l *List, name string, args []any) (any, bool) {
	at := func() (int, bool) {
		i, ok := args[0].(int64)
		return int(i), ok && i >= 0 && i < int64(len(l.Items))
	}
	switch {
	case len(args) == 0 && (name == "size" || name == "length"):
		return int64(len(l.Items)), true
	case len(args) == 0 && name == "isEmpty":
		return len(l.Items) == 0, true
	case len(args) == 1 && name == "get":
		if i, ok := at(); ok {
			return l.Items[i], true
		}
		return nil, true
	case len(l.Items) > itemsMax:
		return nil, false
	case len(args) == 1 && name == "add":
		l.Items = append(l.Items, args[0])
		return true, true
	case len(args) == 1 && name == "addAll":
		more, ok := args[0].(*List)
		if ok = ok && len(l.Items)+len(more.Items) <= itemsMax; ok {
			l.Items = append(l.Items, more.Items...)
		}
		return ok, ok
	case len(args) == 1 && name == "contains":
		return slices.ContainsFunc(l.Items, func(v any) bool { return equal(v, args[0]) }), true
	case len(args) == 1 && name == "indexOf":
		return int64(slices.IndexFunc(l.Items, func(v any) bool { return equal(v, args[0]) })), true
	case len(args) == 1 && name == "remove":
		i, ok := at()
		if !ok {
			return nil, true
		}
		v := l.Items[i]
		l.Items = slices.Delete(slices.Clone(l.Items), i, i+1)
		return v, true
	case len(args) == 2 && name == "set":
		if i, ok := at(); ok {
			l.Items[i] = args[1]
			return nil, true
		}
	}
	return nil, false
}

func mapMethod(m *Map, name string, args []any) (any, bool) {
	switch {
	case len(args) == 0:
		return mapView(m, name)
	case len(args) == 1 && name == "get":
		return m.Get(Text(args[0])), true
	case len(args) == 1 && name == "containsKey":
		return m.Has(Text(args[0])), true
	case len(args) == 1 && name == "containsValue":
		return slices.ContainsFunc(m.keys, func(k string) bool { return equal(m.values[k], args[0]) }), true
	case len(args) == 1 && name == "remove":
		v := m.Get(Text(args[0]))
		m.Remove(Text(args[0]))
		return v, true
	case len(args) == 1 && name == "putAll":
		more, ok := args[0].(*Map)
		if ok {
			for _, k := range more.keys {
				m.Put(k, more.values[k])
			}
		}
		return "", ok
	case len(args) == 2 && name == "put":
		m.Put(Text(args[0]), args[1])
		return "", true
	case len(args) == 2 && name == "getOrDefault":
		if m.Has(Text(args[0])) {
			return m.Get(Text(args[0])), true
		}
		return args[1], true
	}
	return nil, false
}

func mapView(m *Map, name string) (any, bool) {
	out := &List{}
	switch name {
	case "size":
		return int64(len(m.keys)), true
	case "isEmpty":
		return len(m.keys) == 0, true
	case "keySet":
		for _, k := range m.keys {
			out.Items = append(out.Items, k)
		}
	case "values":
		for _, k := range m.keys {
			out.Items = append(out.Items, m.values[k])
		}
	case "entrySet":
		for _, k := range m.keys {
			out.Items = append(out.Items, entry{k, m.values[k]})
		}
	default:
		return nil, false
	}
	return out, true
}

// entry is one of a map's entrySet.
type entry struct {
	key   string
	value any
}

// Member implements Object.
func (e entry) Member(name string) any {
	switch name {
	case "key":
		return e.key
	case "value":
		return e.value
	}
	return nil
}

// Call implements Object.
func (e entry) Call(name string, args []any) (any, error) {
	switch {
	case len(args) == 0 && name == "getKey":
		return e.key, nil
	case len(args) == 0 && name == "getValue":
		return e.value, nil
	case name == "toString":
		return e.String(), nil
	}
	return nil, fmt.Errorf("vtl: no method %s on an entry", name)
}

func (e entry) String() string { return e.key + "=" + Text(e.value) }
