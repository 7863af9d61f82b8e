package vtl

import (
	"fmt"
	"strconv"
	"strings"
)

// pathStepsMax bounds the steps of one JSON path, pathHitsMax what it finds.
const (
	pathStepsMax = 64
	pathHitsMax  = 100_000
)

// Path is a compiled JSON path in the form that Jayway's library reads.
// Filters compare one member with a literal; functions are not there.
type Path struct {
	steps    []pathStep
	definite bool
}

type pathStep struct {
	names  []string // members
	at     []int    // elements
	all    bool     // *
	deep   bool     // ..
	slice  bool
	from   *int
	to     *int
	filter *pathFilter
}

type pathFilter struct {
	path  []string
	op    string // "" asks whether the member is there
	value any
}

// ParsePath reads a path such as $.a['b'][0]..c[?(@.d == 'e')].
func ParsePath(src string) (*Path, error) {
	s := strings.TrimSpace(src)
	if s == "" || s[0] != '$' {
		s = "$." + s
	}
	p := &Path{definite: true}
	for s = s[1:]; s != ""; {
		if len(p.steps) >= pathStepsMax {
			return nil, fmt.Errorf("vtl: JSON path of more than %d steps", pathStepsMax)
		}
		step, rest, err := pathNext(s)
		if err != nil {
			return nil, fmt.Errorf("vtl: JSON path %.80q: %w", src, err)
		}
		if step.all || step.deep || step.slice || step.filter != nil || len(step.names)+len(step.at) > 1 {
			p.definite = false
		}
		p.steps = append(p.steps, step)
		s = rest
	}
	return p, nil
}

func pathNext(s string) (pathStep, string, error) {
	var step pathStep
	if strings.HasPrefix(s, "..") {
		step.deep = true
		s = s[1:]
		if strings.HasPrefix(s, ".[") {
			s = s[1:]
		}
	}
	if s[0] == '[' {
		end := bracketEnd(s)
		if end < 0 {
			return step, "", fmt.Errorf("] expected")
		}
		return step, s[end+1:], step.bracket(strings.TrimSpace(s[1:end]))
	}
	if s[0] != '.' {
		return step, "", fmt.Errorf(". or [ expected")
	}
	s = s[1:]
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	name := s[:end]
	switch {
	case name == "":
		return step, "", fmt.Errorf("name expected")
	case name == "*":
		step.all = true
	case strings.HasSuffix(name, ")"):
		return step, "", fmt.Errorf("functions are not supported")
	default:
		step.names = []string{name}
	}
	return step, s[end:], nil
}

// bracketEnd finds the ] of a bracket, strings left out.
func bracketEnd(s string) int {
	quote, depth := byte(0), 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (step *pathStep) bracket(s string) error {
	switch {
	case s == "*":
		step.all = true
		return nil
	case strings.HasPrefix(s, "?"):
		f, err := parseFilter(s[1:])
		step.filter = f
		return err
	case s != "" && (s[0] == '\'' || s[0] == '"'):
		for _, part := range strings.Split(s, ",") {
			name, ok := unquote(strings.TrimSpace(part))
			if !ok {
				return fmt.Errorf("quoted name expected")
			}
			step.names = append(step.names, name)
		}
		return nil
	}
	if from, to, ok := strings.Cut(s, ":"); ok {
		step.slice = true
		var err error
		if step.from, err = optionalInt(from); err != nil {
			return err
		}
		step.to, err = optionalInt(to)
		return err
	}
	for _, part := range strings.Split(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("index expected")
		}
		step.at = append(step.at, n)
	}
	return nil
}

func optionalInt(s string) (*int, error) {
	if s = strings.TrimSpace(s); s == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(s)
	return &n, err
}

func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return "", false
	}
	return strings.NewReplacer(`\'`, `'`, `\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1]), true
}

func parseFilter(s string) (*pathFilter, error) {
	s = strings.TrimSpace(s)
	inner, ok := strings.CutPrefix(s, "(")
	inner, ok2 := strings.CutSuffix(inner, ")")
	if !ok || !ok2 || strings.Contains(inner, "&&") || strings.Contains(inner, "||") {
		return nil, fmt.Errorf("filter is not supported: %.40q", s)
	}
	left, f := strings.TrimSpace(inner), &pathFilter{}
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		l, r, found := strings.Cut(inner, op)
		if !found {
			continue
		}
		left, f.op = strings.TrimSpace(l), op
		r = strings.TrimSpace(r)
		if text, ok := unquote(r); ok {
			f.value = text
			break
		}
		v, err := ParseJSON([]byte(r))
		if err != nil {
			return nil, fmt.Errorf("literal expected in filter")
		}
		f.value = v
		break
	}
	if left == "@" {
		return f, nil
	}
	name, ok := strings.CutPrefix(left, "@.")
	if !ok {
		return nil, fmt.Errorf("filter is not supported: %.40q", s)
	}
	f.path = strings.Split(name, ".")
	return f, nil
}

func (f *pathFilter) matches(v any) bool {
	for _, name := range f.path {
		m, ok := v.(*Map)
		if !ok || !m.Has(name) {
			return false
		}
		v = m.Get(name)
	}
	switch f.op {
	case "":
		return true
	case "==":
		return equal(v, f.value)
	case "!=":
		return !equal(v, f.value)
	}
	return compare(f.op, v, f.value)
}

// Find evaluates the path. A definite one gives its value, or false; an
// indefinite one gives a list.
func (p *Path) Find(root any) (any, bool) {
	hits := []any{root}
	for i := range p.steps {
		var next []any
		for _, v := range hits {
			p.steps[i].apply(v, &next, depthMax)
			if len(next) > pathHitsMax {
				return nil, false
			}
		}
		hits = next
	}
	if !p.definite {
		return &List{Items: hits}, true
	}
	if len(hits) == 0 {
		return nil, false
	}
	return hits[0], true
}

func (step *pathStep) apply(v any, out *[]any, depth int) {
	step.take(v, out)
	if !step.deep || depth == 0 {
		return
	}
	for _, child := range children(v) {
		if len(*out) > pathHitsMax {
			return
		}
		step.apply(child, out, depth-1)
	}
}

func children(v any) []any {
	switch v := v.(type) {
	case *List:
		return v.Items
	case *Map:
		out := make([]any, len(v.keys))
		for i, k := range v.keys {
			out[i] = v.values[k]
		}
		return out
	}
	return nil
}

func (step *pathStep) take(v any, out *[]any) {
	switch {
	case step.all:
		*out = append(*out, children(v)...)
	case step.filter != nil:
		items := []any{v}
		if l, ok := v.(*List); ok {
			items = l.Items
		}
		for _, item := range items {
			if step.filter.matches(item) {
				*out = append(*out, item)
			}
		}
	case step.slice:
		if l, ok := v.(*List); ok {
			*out = append(*out, step.cut(l.Items)...)
		}
	default:
		step.pick(v, out)
	}
}

func (step *pathStep) pick(v any, out *[]any) {
	switch v := v.(type) {
	case *Map:
		for _, name := range step.names {
			if v.Has(name) {
				*out = append(*out, v.Get(name))
			}
		}
	case *List:
		for _, i := range step.at {
			if i < 0 {
				i += len(v.Items)
			}
			if i >= 0 && i < len(v.Items) {
				*out = append(*out, v.Items[i])
			}
		}
	}
}

func (step *pathStep) cut(items []any) []any {
	bound := func(p *int, fallback int) int {
		if p == nil {
			return fallback
		}
		n := *p
		if n < 0 {
			n += len(items)
		}
		return max(0, min(n, len(items)))
	}
	from, to := bound(step.from, 0), bound(step.to, len(items))
	if from >= to {
		return nil
	}
	return items[from:to]
}
