// Package xmlval reads and writes XML by the schema tables of aws/smithy: the
// document part of restXml and the answers of awsQuery. Its parser knows
// elements, attributes, text and references, and refuses document type
// declarations, which AWS's servers have no use for and attackers do.
package xmlval

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"moln.dev/moln/wire"
)

// MaxNodes bounds the elements of a document. The largest that AWS takes, the
// 10,000 parts of a CompleteMultipartUpload, has about a tenth.
const MaxNodes = 1 << 20

var (
	errSyntax   = errors.New("not well-formed")
	errEnd      = errors.New("unexpected end of document")
	errDepth    = errors.New("nested too deeply")
	errNodes    = errors.New("too many elements")
	errTypeDecl = errors.New("document type declarations are not allowed")
	errEntity   = errors.New("unknown entity")
)

// Node is an element. Names are local: the prefix is cut off.
type Node struct {
	Name     string
	Attrs    []Attr
	Children []*Node
	Text     string // all text directly inside, joined

	text []byte // of several pieces, until the end tag
}

// Attr is an attribute, named as it stands, with its prefix.
type Attr struct{ Name, Value string }

// parser is one pass over one document.
type parser struct {
	data  []byte
	pos   int
	nodes int
}

// Parse reads a document. A document without an element is nil.
func Parse(data []byte) (*Node, error) {
	p := parser{data: bytes.TrimPrefix(data, []byte("\uFEFF"))}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if p.pos >= len(p.data) {
		return nil, nil
	}
	root, err := p.element(0)
	if err != nil {
		return nil, err
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if p.pos < len(p.data) {
		return nil, errSyntax
	}
	return root, nil
}

func (p *parser) has(prefix string) bool {
	return len(p.data)-p.pos >= len(prefix) && string(p.data[p.pos:p.pos+len(prefix)]) == prefix
}

// until moves behind the next occurrence of end and returns what was before it.
func (p *parser) until(end string) ([]byte, error) {
	i := bytes.Index(p.data[p.pos:], []byte(end))
	if i < 0 {
		return nil, errEnd
	}
	text := p.data[p.pos : p.pos+i]
	p.pos += i + len(end)
	return text, nil
}

func (p *parser) space() {
	for p.pos < len(p.data) && isSpace(p.data[p.pos]) {
		p.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// misc skips what may stand around the root: space, comments, instructions.
func (p *parser) misc() error {
	for {
		p.space()
		switch {
		case p.has("<?"):
			if _, err := p.until("?>"); err != nil {
				return err
			}
		case p.has("<!--"):
			if err := p.comment(); err != nil {
				return err
			}
		case p.has("<!"):
			return errTypeDecl
		case p.pos < len(p.data) && p.data[p.pos] != '<':
			return errSyntax
		default:
			return nil
		}
	}
}

func (p *parser) comment() error {
	p.pos += len("<!--")
	_, err := p.until("-->")
	return err
}

// name reads a name; what exactly XML allows in one does not matter here.
func (p *parser) name() (string, error) {
	start := p.pos
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		if isSpace(c) || strings.IndexByte("=/><\"'&?!", c) >= 0 {
			break
		}
		p.pos++
	}
	if start == p.pos {
		return "", errSyntax
	}
	return string(p.data[start:p.pos]), nil
}

// element reads an element, the position being at its <.
func (p *parser) element(depth int) (*Node, error) {
	if depth > wire.MaxDepth {
		return nil, errDepth
	}
	if p.nodes++; p.nodes > MaxNodes {
		return nil, errNodes
	}
	if !p.has("<") {
		return nil, errSyntax
	}
	p.pos++
	full, err := p.name()
	if err != nil {
		return nil, err
	}
	n := &Node{Name: local(full)}
	for {
		p.space()
		switch {
		case p.has("/>"):
			p.pos += 2
			return n, nil
		case p.has(">"):
			p.pos++
			return n, p.content(n, full, depth)
		}
		if err := p.attribute(n); err != nil {
			return nil, err
		}
	}
}

func (p *parser) attribute(n *Node) error {
	if p.pos >= len(p.data) {
		return errEnd
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	p.space()
	if !p.has("=") {
		return errSyntax
	}
	p.pos++
	p.space()
	if !p.has(`"`) && !p.has("'") {
		return errSyntax
	}
	quote := string(p.data[p.pos])
	p.pos++
	raw, err := p.until(quote)
	if err != nil {
		return err
	}
	value, err := text(raw)
	if err != nil {
		return err
	}
	n.Attrs = append(n.Attrs, Attr{Name: name, Value: value})
	return nil
}

// content reads what is inside an element, up to and with its end tag.
func (p *parser) content(n *Node, full string, depth int) error {
	for {
		next := bytes.IndexByte(p.data[p.pos:], '<')
		if next < 0 {
			return errEnd
		}
		s, err := text(p.data[p.pos : p.pos+next])
		if err != nil {
			return err
		}
		n.add(s)
		p.pos += next
		switch {
		case p.has("</"):
			if n.text != nil {
				n.Text, n.text = string(n.text), nil
			}
			return p.endTag(full)
		case p.has("<!--"):
			err = p.comment()
		case p.has("<![CDATA["):
			p.pos += len("<![CDATA[")
			var raw []byte
			raw, err = p.until("]]>")
			n.add(strings.ToValidUTF8(string(raw), "\uFFFD"))
		case p.has("<!"):
			return errTypeDecl
		case p.has("<?"):
			_, err = p.until("?>")
		default:
			var child *Node
			if child, err = p.element(depth + 1); err == nil {
				n.Children = append(n.Children, child)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) endTag(full string) error {
	p.pos += 2
	name, err := p.name()
	if err != nil {
		return err
	}
	p.space()
	if name != full || !p.has(">") {
		return errSyntax
	}
	p.pos++
	return nil
}

func (n *Node) add(s string) {
	switch {
	case s == "":
	case n.Text == "" && n.text == nil:
		n.Text = s
	default:
		if n.text == nil {
			n.text = []byte(n.Text)
		}
		n.text = append(n.text, s...)
	}
}

func local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

// text resolves references and line ends.
func text(raw []byte) (string, error) {
	s := strings.ToValidUTF8(string(raw), "\uFFFD")
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	if strings.IndexByte(s, '&') < 0 {
		return s, nil
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "&")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		ref, rest, ended := strings.Cut(after, ";")
		if !ended {
			return "", errSyntax
		}
		r, err := reference(ref)
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
		s = rest
	}
}

func reference(ref string) (rune, error) {
	switch ref {
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "amp":
		return '&', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	digits, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return 0, errEntity
	}
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return 0, errSyntax
	}
	return rune(n), nil
}
