package policy

import "strings"

// template is a string from a policy: literal text, wildcards where the element
// allows them, and policy variables where the version allows them.
type template struct {
	raw       string
	elems     []elem
	variables bool
}

// templateMode says what a string may contain.
type templateMode struct {
	glob      bool // * and ? are wildcards
	variables bool // ${...} is replaced
}

func compileTemplate(raw string, mode templateMode) template {
	t := template{raw: raw}
	add := appendLiteral
	if mode.glob {
		add = appendGlob
	}
	rest := raw
	for mode.variables {
		before, body, after, ok := cutVariable(rest)
		if !ok {
			break
		}
		t.elems = add(t.elems, before)
		rest = after
		if body == "*" || body == "?" || body == "$" {
			t.elems = appendLiteral(t.elems, body)
			continue
		}
		t.elems = append(t.elems, parseVariable(body))
		t.variables = true
	}
	t.elems = add(t.elems, rest)
	return t
}

// cutVariable finds the first complete ${...} of s. A quoted default may hold a
// closing brace.
func cutVariable(s string) (before, body, after string, ok bool) {
	start := strings.Index(s, "${")
	if start < 0 {
		return s, "", "", false
	}
	quoted := false
	for i := start + 2; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '}' && !quoted:
			return s[:start], s[start+2 : i], s[i+1:], true
		}
	}
	return s, "", "", false
}

// parseVariable reads "key" or "key, 'default'".
func parseVariable(body string) elem {
	key, rest, hasComma := strings.Cut(body, ",")
	e := elem{kind: elemVariable, text: strings.ToLower(strings.TrimSpace(key))}
	rest = strings.TrimSpace(rest)
	if hasComma && len(rest) >= 2 && rest[0] == '\'' && rest[len(rest)-1] == '\'' {
		e.fallback, e.hasDefault = rest[1:len(rest)-1], true
	}
	return e
}

// resolve replaces the variables. A value's own * and ? stay literal, so that a
// tag or a user name cannot widen a pattern. ok is false when a variable has no
// single value and no default: such a string matches nothing.
func (t template) resolve(e *evaluation) (es []elem, ok bool) {
	if !t.variables {
		return t.elems, true
	}
	es = make([]elem, 0, len(t.elems))
	for _, piece := range t.elems {
		switch piece.kind {
		case elemVariable:
			value, found := e.single(piece)
			if !found {
				return nil, false
			}
			es = appendLiteral(es, value)
		case elemLiteral:
			es = appendLiteral(es, piece.text)
		default:
			es = append(es, piece)
		}
	}
	return es, true
}

// text is resolve for strings without wildcards.
func (t template) text(e *evaluation) (string, bool) {
	if !t.variables {
		return literalText(t.elems), true
	}
	es, ok := t.resolve(e)
	if !ok {
		return "", false
	}
	return literalText(es), true
}

func literalText(es []elem) string {
	if len(es) == 0 {
		return ""
	}
	return es[0].text // literals are merged, so there is only one
}

// single looks up a variable: only keys with one value can be variables.
func (e *evaluation) single(v elem) (string, bool) {
	values, ok := e.lookup(v.text)
	if ok && len(values) == 1 {
		return values[0], true
	}
	return v.fallback, v.hasDefault
}
