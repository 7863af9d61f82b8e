package vtl

import (
	"fmt"
	"regexp"
	"strings"
)

// Limits of a template's source.
const (
	sourceMax  = 300 << 10 // bytes, AWS's limit
	nestingMax = 100       // blocks and parentheses inside each other
)

// Template is a parsed template. It is immutable.
type Template struct {
	body   []node
	macros map[string]*macro
}

type node interface{}

type (
	textNode struct{ text string }
	refNode  struct{ ref *reference }
	setNode  struct {
		target *reference
		value  expr
	}
	ifNode struct {
		conds  []expr // one fewer than bodies when there is an #else
		bodies [][]node
	}
	foreachNode struct {
		name string
		list expr
		body []node
	}
	defineNode struct {
		name string
		body []node
	}
	macroCall struct {
		name string
		args []expr
	}
	breakNode struct{}
	stopNode  struct{}
	macro     struct {
		params []string
		body   []node
	}
)

// reference is $name with its accessors.
type reference struct {
	quiet bool
	name  string
	path  []accessor
	raw   string // as written, printed when the value is null
}

type accessor struct {
	name  string // property or method; "" for an index
	call  bool
	args  []expr
	index expr
}

// parser reads a template.
type parser struct {
	src    string
	pos    int
	depth  int
	macros map[string]*macro
}

// Parse reads a template.
func Parse(src string) (*Template, error) {
	if len(src) > sourceMax {
		return nil, fmt.Errorf("vtl: template of %d bytes is larger than %d", len(src), sourceMax)
	}
	p := &parser{src: src, macros: map[string]*macro{}}
	body, end, err := p.block()
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, p.errorf("#%s without a block", end)
	}
	return &Template{body: body, macros: p.macros}, nil
}

func (p *parser) errorf(format string, args ...any) error {
	line := 1 + strings.Count(p.src[:min(p.pos, len(p.src))], "\n")
	return fmt.Errorf("vtl: line %d: %s", line, fmt.Sprintf(format, args...))
}

var directive = regexp.MustCompile(`^#(?:\{(\w+)\}|(\w+))`)

// block reads until the end or a directive that ends a block, which it names.
func (p *parser) block() (out []node, end string, err error) {
	if p.depth++; p.depth > nestingMax {
		return nil, "", p.errorf("nested too deeply")
	}
	defer func() { p.depth-- }()
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			out = append(out, textNode{text.String()})
			text.Reset()
		}
	}
	for p.pos < len(p.src) {
		rest := p.src[p.pos:]
		switch {
		case rest[0] == '\\' && len(rest) > 1 && rest[1] == '$':
			text.WriteByte('$')
			p.pos += 2
		case rest[0] == '$':
			ref, err := p.reference()
			if err != nil {
				return nil, "", err
			}
			if ref == nil {
				text.WriteByte('$')
				p.pos++
				continue
			}
			flush()
			out = append(out, refNode{ref})
		case rest[0] == '#':
			if p.comment(&text) {
				continue
			}
			flush()
			n, end, err := p.directive()
			if err != nil || end != "" {
				return out, end, err
			}
			if n != nil {
				out = append(out, n)
			}
		default:
			text.WriteByte(rest[0])
			p.pos++
		}
	}
	flush()
	return out, "", nil
}

// comment skips comments and takes literal blocks.
func (p *parser) comment(text *strings.Builder) bool {
	rest := p.src[p.pos:]
	switch {
	case strings.HasPrefix(rest, "##"):
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			p.pos += i + 1
		} else {
			p.pos = len(p.src)
		}
		return true
	case strings.HasPrefix(rest, "#*"):
		if i := strings.Index(rest[2:], "*#"); i >= 0 {
			p.pos += i + 4
		} else {
			p.pos = len(p.src)
		}
		return true
	case strings.HasPrefix(rest, "#[["):
		inner, _, _ := strings.Cut(rest[3:], "]]#")
		text.WriteString(inner)
		p.pos = min(len(p.src), p.pos+len(inner)+6)
		return true
	}
	return false
}

// directive reads one directive; what is none is text.
func (p *parser) directive() (n node, end string, err error) {
	m := directive.FindStringSubmatch(p.src[p.pos:])
	if m == nil {
		p.pos++
		return textNode{"#"}, "", nil
	}
	name := m[1] + m[2]
	start := p.pos
	p.pos += len(m[0])
	switch name {
	case "end", "else":
		p.eatLine()
		return nil, name, nil
	case "elseif":
		return nil, name, nil
	case "set":
		n, err = p.set()
	case "if":
		n, err = p.ifBlock()
	case "foreach":
		n, err = p.foreach()
	case "define":
		n, err = p.define()
	case "macro":
		err = p.macro()
	case "break":
		p.eatLine()
		n = breakNode{}
	case "stop":
		n = stopNode{}
	case "parse", "include", "evaluate", "return":
		return nil, "", p.errorf("#%s is not supported", name)
	default:
		n, err = p.macroCall(name, p.src[start:p.pos])
	}
	return n, "", err
}

// eatLine skips the rest of a line that holds nothing more.
func (p *parser) eatLine() {
	i := p.pos
	for i < len(p.src) && (p.src[i] == ' ' || p.src[i] == '\t' || p.src[i] == '\r') {
		i++
	}
	if i < len(p.src) && p.src[i] == '\n' {
		p.pos = i + 1
	}
}

func (p *parser) set() (node, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	target, err := p.reference()
	if err != nil {
		return nil, err
	}
	if target == nil {
		return nil, p.errorf("#set wants a reference")
	}
	if !p.take("=") {
		return nil, p.errorf("#set wants =")
	}
	value, err := p.expression()
	if err != nil {
		return nil, err
	}
	return setNode{target, value}, p.close()
}

// open takes the parenthesis after a directive, close the one that ends it.
func (p *parser) open() error {
	if !p.take("(") {
		return p.errorf("( expected")
	}
	p.space()
	return nil
}

func (p *parser) close() error {
	if !p.take(")") {
		return p.errorf(") expected")
	}
	p.eatLine()
	return nil
}

func (p *parser) ifBlock() (node, error) {
	var out ifNode
	for kind := "if"; ; {
		if kind != "else" {
			if err := p.open(); err != nil {
				return nil, err
			}
			cond, err := p.expression()
			if err != nil {
				return nil, err
			}
			if err := p.close(); err != nil {
				return nil, err
			}
			out.conds = append(out.conds, cond)
		}
		body, end, err := p.block()
		if err != nil {
			return nil, err
		}
		out.bodies = append(out.bodies, body)
		switch {
		case end == "end":
			return out, nil
		case end == "" || kind == "else":
			return nil, p.errorf("#if without #end")
		}
		kind = end
	}
}

func (p *parser) foreach() (node, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	ref, err := p.reference()
	if err != nil {
		return nil, err
	}
	if ref == nil || len(ref.path) > 0 || !p.word("in") {
		return nil, p.errorf("#foreach wants ($name in list)")
	}
	list, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.close(); err != nil {
		return nil, err
	}
	body, err := p.until("foreach")
	return foreachNode{ref.name, list, body}, err
}

// until reads a block that #end ends.
func (p *parser) until(what string) ([]node, error) {
	body, end, err := p.block()
	if err == nil && end != "end" {
		err = p.errorf("#%s without #end", what)
	}
	return body, err
}

func (p *parser) define() (node, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	ref, err := p.reference()
	if err != nil {
		return nil, err
	}
	if ref == nil || len(ref.path) > 0 {
		return nil, p.errorf("#define wants ($name)")
	}
	if err := p.close(); err != nil {
		return nil, err
	}
	body, err := p.until("define")
	return defineNode{ref.name, body}, err
}

func (p *parser) macro() error {
	if err := p.open(); err != nil {
		return err
	}
	name := p.ident()
	if name == "" {
		return p.errorf("#macro wants a name")
	}
	m := &macro{}
	for {
		p.space()
		ref, err := p.reference()
		if err != nil {
			return err
		}
		if ref == nil {
			break
		}
		m.params = append(m.params, ref.name)
	}
	if err := p.close(); err != nil {
		return err
	}
	p.macros[name] = m // before its body, which may call it
	body, err := p.until("macro")
	m.body = body
	return err
}

// macroCall reads a call; a name that is no macro's is text.
func (p *parser) macroCall(name, raw string) (node, error) {
	m := p.macros[name]
	if m == nil || p.pos >= len(p.src) || p.src[p.pos] != '(' {
		return textNode{raw}, nil
	}
	p.pos++
	call := macroCall{name: name}
	for !p.take(")") {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		call.args = append(call.args, e)
		p.take(",")
	}
	return call, nil
}
