package vtl

import (
	"strconv"
	"strings"
)

type expr interface{}

type (
	literal struct{ value any }
	quoted  struct{ body *Template } // a double-quoted string with references in it
	listExp struct{ items []expr }
	rangeOf struct{ from, to expr }
	mapExp  struct{ keys, values []expr }
	unary   struct {
		op string
		of expr
	}
	binary struct {
		op          string
		left, right expr
	}
)

// levels are the binary operators, the loosest first, with their words.
var levels = [][]string{
	{"||", "or"}, {"&&", "and"}, {"==", "!=", "eq", "ne"}, {"<=", ">=", "<", ">", "le", "ge", "lt", "gt"}, {"+", "-"}, {"*", "/", "%"},
}

var words = map[string]string{"or": "||", "and": "&&", "eq": "==", "ne": "!=", "le": "<=", "ge": ">=", "lt": "<", "gt": ">"}

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) take(s string) bool {
	p.space()
	if !strings.HasPrefix(p.src[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *parser) word(w string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.src[p.pos:], w)
	if !ok || rest != "" && isIdent(rest[0]) {
		return false
	}
	p.pos += len(w)
	return true
}

func isIdent(c byte) bool {
	return c == '_' || c == '-' || isLetter(c) || '0' <= c && c <= '9'
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func (p *parser) ident() string {
	start := p.pos
	if p.pos >= len(p.src) || !isLetter(p.src[p.pos]) && p.src[p.pos] != '_' {
		return ""
	}
	for p.pos < len(p.src) && isIdent(p.src[p.pos]) {
		p.pos++
	}
	return p.src[start:p.pos]
}

func (p *parser) expression() (expr, error) {
	if p.depth++; p.depth > nestingMax {
		return nil, p.errorf("nested too deeply")
	}
	defer func() { p.depth-- }()
	return p.level(0)
}

func (p *parser) level(n int) (expr, error) {
	if n == len(levels) {
		return p.unary()
	}
	left, err := p.level(n + 1)
	if err != nil {
		return nil, err
	}
	for {
		op := p.operator(levels[n])
		if op == "" {
			return left, nil
		}
		right, err := p.level(n + 1)
		if err != nil {
			return nil, err
		}
		left = binary{op, left, right}
	}
}

func (p *parser) operator(ops []string) string {
	for _, op := range ops {
		if symbol, isWord := words[op]; isWord {
			if p.word(op) {
				return symbol
			}
		} else if p.take(op) {
			return op
		}
	}
	return ""
}

func (p *parser) unary() (expr, error) {
	op := ""
	switch {
	case p.take("!"), p.word("not"):
		op = "!"
	case p.take("-"):
		op = "-"
	}
	if op == "" {
		return p.primary()
	}
	if p.depth++; p.depth > nestingMax {
		return nil, p.errorf("nested too deeply")
	}
	defer func() { p.depth-- }()
	e, err := p.unary()
	return unary{op, e}, err
}

func (p *parser) primary() (expr, error) {
	p.space()
	if p.pos >= len(p.src) {
		return nil, p.errorf("expression expected")
	}
	switch c := p.src[p.pos]; {
	case c == '$':
		ref, err := p.reference()
		if err == nil && ref == nil {
			err = p.errorf("reference expected")
		}
		return ref, err
	case c == '\'' || c == '"':
		return p.str(c)
	case c == '(':
		p.pos++
		e, err := p.expression()
		if err == nil && !p.take(")") {
			err = p.errorf(") expected")
		}
		return e, err
	case c == '[':
		return p.list()
	case c == '{':
		return p.mapping()
	case '0' <= c && c <= '9':
		return p.number()
	}
	for word, v := range map[string]any{"true": true, "false": false, "null": nil} {
		if p.word(word) {
			return literal{v}, nil
		}
	}
	return nil, p.errorf("expression expected at %.20q", p.src[p.pos:])
}

func (p *parser) number() (expr, error) {
	start := p.pos
	digits := func() {
		for p.pos < len(p.src) && '0' <= p.src[p.pos] && p.src[p.pos] <= '9' {
			p.pos++
		}
	}
	digits()
	// "1..5" is a range, "1.5" a number.
	if rest := p.src[p.pos:]; len(rest) > 1 && rest[0] == '.' && '0' <= rest[1] && rest[1] <= '9' {
		p.pos++
		digits()
		f, err := strconv.ParseFloat(p.src[start:p.pos], 64)
		return literal{f}, err
	}
	n, err := strconv.ParseInt(p.src[start:p.pos], 10, 64)
	return literal{n}, err
}

// str reads a string; a doubled quote stands for one. Double-quoted ones are
// templates.
func (p *parser) str(quote byte) (expr, error) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.src); i++ {
		c := p.src[i]
		if c != quote {
			if c == '\\' && quote == '"' && i+1 < len(p.src) && p.src[i+1] == '"' {
				continue // \" in a string is a quote
			}
			b.WriteByte(c)
			continue
		}
		if i > 0 && p.src[i-1] == '\\' && quote == '"' || i+1 < len(p.src) && p.src[i+1] == quote {
			if p.src[i-1] != '\\' {
				i++
			}
			b.WriteByte(quote)
			continue
		}
		p.pos = i + 1
		return p.interpolated(b.String(), quote)
	}
	return nil, p.errorf("string without an end")
}

func (p *parser) interpolated(s string, quote byte) (expr, error) {
	if quote == '\'' || !strings.ContainsAny(s, "$#") {
		return literal{s}, nil
	}
	inner := &parser{src: s, macros: p.macros, depth: p.depth}
	body, end, err := inner.block()
	if err != nil || end != "" {
		return literal{s}, nil // "$" and "#" that mean nothing
	}
	return quoted{&Template{body: body, macros: p.macros}}, nil
}

func (p *parser) list() (expr, error) {
	p.pos++
	var out listExp
	for !p.take("]") {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		if len(out.items) == 0 && p.take("..") {
			to, err := p.expression()
			if err == nil && !p.take("]") {
				err = p.errorf("] expected")
			}
			return rangeOf{e, to}, err
		}
		out.items = append(out.items, e)
		if !p.take(",") && !strings.HasPrefix(p.src[p.pos:], "]") {
			return nil, p.errorf(", or ] expected")
		}
	}
	return out, nil
}

func (p *parser) mapping() (expr, error) {
	p.pos++
	var out mapExp
	for !p.take("}") {
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if !p.take(":") {
			return nil, p.errorf(": expected")
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		out.keys, out.values = append(out.keys, k), append(out.values, v)
		if !p.take(",") && !strings.HasPrefix(p.src[p.pos:], "}") {
			return nil, p.errorf(", or } expected")
		}
	}
	return out, nil
}

// reference reads $name, $!name, ${name} with accessors, or nil where the
// dollar sign begins none.
func (p *parser) reference() (*reference, error) {
	p.spaceInExpression()
	start := p.pos
	if !strings.HasPrefix(p.src[p.pos:], "$") {
		return nil, nil
	}
	p.pos++
	ref := &reference{}
	if p.pos < len(p.src) && p.src[p.pos] == '!' {
		ref.quiet = true
		p.pos++
	}
	formal := p.pos < len(p.src) && p.src[p.pos] == '{'
	if formal {
		p.pos++
	}
	if ref.name = p.ident(); ref.name == "" {
		p.pos = start
		return nil, nil
	}
	for {
		a, ok, err := p.accessor()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		ref.path = append(ref.path, a)
	}
	if formal {
		if p.pos >= len(p.src) || p.src[p.pos] != '}' {
			p.pos = start
			return nil, nil
		}
		p.pos++
	}
	ref.raw = p.src[start:p.pos]
	return ref, nil
}

// spaceInExpression does nothing in text, where the position is at a dollar.
func (p *parser) spaceInExpression() {
	if p.pos < len(p.src) && p.src[p.pos] != '$' {
		at := p.pos
		p.space()
		if p.pos >= len(p.src) || p.src[p.pos] != '$' {
			p.pos = at
		}
	}
}

func (p *parser) accessor() (a accessor, ok bool, err error) {
	rest := p.src[p.pos:]
	switch {
	case len(rest) > 1 && rest[0] == '.' && (isLetter(rest[1]) || rest[1] == '_'):
		p.pos++
		a.name = p.ident()
		if p.pos >= len(p.src) || p.src[p.pos] != '(' {
			return a, true, nil
		}
		p.pos++
		a.call = true
		for !p.take(")") {
			e, err := p.expression()
			if err != nil {
				return a, false, err
			}
			a.args = append(a.args, e)
			if !p.take(",") && !strings.HasPrefix(p.src[p.pos:], ")") {
				return a, false, p.errorf(", or ) expected")
			}
		}
		return a, true, nil
	case len(rest) > 1 && rest[0] == '[':
		at := p.pos
		p.pos++
		e, err := p.expression()
		if err != nil || !p.take("]") {
			p.pos = at // text such as "$x[not an index"
			return a, false, nil
		}
		a.index = e
		return a, true, nil
	}
	return a, false, nil
}
