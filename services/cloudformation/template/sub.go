package template

import "strings"

const (
	errSubForm  = Error("Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")
	errSubChars = Error("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
)

// piece is a part of an Fn::Sub string: literal text or a variable's name.
type piece struct {
	text     string
	variable bool
}

// parseSub cuts a string at its ${Variables}; ${!Literal} stands for
// ${Literal}. A dollar or an unclosed brace is text.
func parseSub(s string) ([]piece, error) {
	var out []piece
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		text.WriteString(before)
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			text.WriteString("${")
			text.WriteString(rest)
			break
		}
		s = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			text.WriteString("${" + literal + "}")
			continue
		}
		name = strings.TrimSpace(name)
		if !validVariable(name) {
			return nil, errSubChars
		}
		if text.Len() > 0 {
			out = append(out, piece{text: text.String()})
			text.Reset()
		}
		out = append(out, piece{text: name, variable: true})
	}
	if text.Len() > 0 {
		out = append(out, piece{text: text.String()})
	}
	return out, nil
}

func validVariable(name string) bool {
	if name == "" {
		return false
	}
	for _, c := range name {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// subParts gives the string and the values of either form of Fn::Sub.
func subParts(arg any) (pieces []piece, values map[string]any, err error) {
	switch a := arg.(type) {
	case string:
		pieces, err = parseSub(a)
		return pieces, nil, err
	case []any:
		if len(a) == 0 || len(a) > 2 {
			return nil, nil, errSubForm
		}
		s, ok := a[0].(string)
		if !ok {
			return nil, nil, errSubForm
		}
		if len(a) == 2 {
			if values, ok = a[1].(map[string]any); !ok {
				return nil, nil, errSubForm
			}
		}
		pieces, err = parseSub(s)
		return pieces, values, err
	}
	return nil, nil, errSubForm
}

func (e *Evaluator) sub(arg any, depth int) (any, error) {
	pieces, values, err := subParts(arg)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, p := range pieces {
		if !p.variable {
			b.WriteString(p.text)
			continue
		}
		v, err := e.variable(p.text, values, depth)
		if err != nil {
			return nil, err
		}
		if HasUnknown(v) {
			return Unknown{}, nil
		}
		s, ok := Text(v)
		if !ok {
			return nil, errorf("Template error: variable %s in Fn::Sub expression does not resolve to a string", p.text)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (e *Evaluator) variable(name string, values map[string]any, depth int) (any, error) {
	if v, ok := values[name]; ok {
		return e.value(v, depth+1)
	}
	if id, attribute, dotted := strings.Cut(name, "."); dotted {
		return e.attribute(id, attribute)
	}
	return e.ref(name)
}
