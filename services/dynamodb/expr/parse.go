package expr

import (
	"strconv"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/item"
)

func itoa(n int) string { return strconv.Itoa(n) }

// parser reads one expression. Its errors lack the "Invalid …Expression: ".
type parser struct {
	scope *Scope
	src   string
	toks  []token
	at    int
	depth int
}

// parse runs read over all of src and names the parameter in its errors.
func parse[T any](s *Scope, parameter, src string, read func(p *parser) (T, error)) (T, error) {
	var zero T
	if src == "" || strings.TrimSpace(src) == "" {
		return zero, invalid("Invalid %s: The expression can not be empty;", parameter)
	}
	if len(src) > MaxLength {
		return zero, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", parameter, len(src))
	}
	p := &parser{scope: s, src: src, toks: lex(src)}
	v, err := read(p)
	if err == nil && p.peek().kind != tokEOF {
		err = p.syntax()
	}
	if f := fault.As(err); f != nil {
		return zero, invalid("Invalid %s: %s", parameter, f.Message)
	}
	return v, err
}

func (p *parser) peek() token { return p.toks[p.at] }

// syntax complains of the next token and shows what stands around it.
func (p *parser) syntax() error {
	t := p.peek()
	start, end := t.start, t.end
	if p.at > 0 {
		start = p.toks[p.at-1].start
	}
	if p.at+1 < len(p.toks) {
		end = p.toks[p.at+1].end
	}
	return invalid(`Syntax error; token: "%s", near: "%s"`, t.text, p.src[start:end])
}

func (p *parser) op(text string) bool {
	if t := p.peek(); t.kind == tokOp && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if !p.op(text) {
		return p.syntax()
	}
	return nil
}

// word takes a keyword in any case.
func (p *parser) word(word string) bool {
	if t := p.peek(); t.kind == tokIdent && strings.EqualFold(t.text, word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return invalid("The expression has too many nesting levels")
	}
	return nil
}

// isCall reports whether a function's name and its parenthesis come next.
func (p *parser) isCall() bool {
	return p.peek().kind == tokIdent && p.toks[p.at+1].kind == tokOp && p.toks[p.at+1].text == "("
}

// path reads name[.name|[index]]….
func (p *parser) path() (Path, error) {
	first, err := p.pathName()
	if err != nil {
		return nil, err
	}
	out := Path{{Name: first}}
	for {
		switch {
		case p.op("."):
			name, err := p.pathName()
			if err != nil {
				return nil, err
			}
			out = append(out, Step{Name: name})
		case p.op("["):
			t := p.peek()
			n, err := strconv.Atoi(t.text)
			if t.kind != tokInt || err != nil {
				return nil, p.syntax()
			}
			p.at++
			if n > maxIndex {
				return nil, invalid("List index is not within the allowable range; index: [%d]", n)
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			out = append(out, Step{Index: n})
		default:
			if len(out) > item.MaxNesting {
				return nil, invalid("The document path has too many nesting elements; nesting elements: %d", len(out))
			}
			return out, nil
		}
	}
}

// maxIndex is the largest list index that a path may name.
const maxIndex = 1<<31 - 2

func (p *parser) pathName() (string, error) {
	t := p.peek()
	switch t.kind {
	case tokIdent:
		if isKeyword(t.text) {
			return "", p.syntax()
		}
		if reserved(t.text) {
			return "", invalid("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		p.at++
		return t.text, nil
	case tokName:
		name, ok := p.scope.names[t.text]
		if !ok {
			return "", invalid("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		}
		p.at++
		p.scope.usedNames[t.text] = true
		return name, nil
	}
	return "", p.syntax()
}

func (p *parser) value() (item.Value, error) {
	t := p.peek()
	v, ok := p.scope.values[t.text]
	if !ok {
		return v, invalid("An expression attribute value used in expression is not defined; attribute value: %s", t.text)
	}
	p.at++
	p.scope.usedValues[t.text] = true
	return v, nil
}

// isKeyword reports whether the word is part of the language itself.
func isKeyword(w string) bool {
	switch strings.ToUpper(w) {
	case "AND", "OR", "NOT", "BETWEEN", "IN":
		return true
	}
	return false
}

// TopLevelNames lists the attributes that an expression may touch, without
// parsing it; what is no expression gives any names.
func TopLevelNames(names map[string]string, src string) []string {
	var out []string
	toks := lex(src)
	for i, t := range toks {
		switch {
		case i > 0 && toks[i-1].text == ".":
		case t.kind == tokName:
			if n := names[t.text]; n != "" {
				out = append(out, n)
			}
		case t.kind == tokIdent && !reserved(t.text) && !strings.EqualFold(t.text, "REMOVE") && !(knownFunction(t.text) && toks[i+1].text == "("):
			out = append(out, t.text)
		}
	}
	return out
}
