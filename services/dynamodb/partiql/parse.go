package partiql

import (
	"slices"
	"strconv"
	"strings"

	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// Limits of statements.
const (
	// MaxLength is how many bytes a statement may have: four for each of the
	// 8,192 characters that the model allows.
	MaxLength  = 4 * 8192
	maxNesting = 100
	maxColumns = 1000
	maxIndex   = 1<<31 - 2
)

// parser reads one statement.
type parser struct {
	src    string
	toks   []token
	at     int
	depth  int
	params []item.Value
	used   int
}

// Parse reads a statement whose question marks stand for params, in order.
func Parse(src string, params []item.Value) (*Statement, error) {
	if len(src) > MaxLength {
		return nil, invalid("Statement size has exceeded the maximum allowed size")
	}
	p := &parser{src: src, toks: lex(src), params: params}
	s, err := p.statement()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokEOF {
		return nil, p.syntax()
	}
	if p.used != len(params) {
		return nil, p.miscounted()
	}
	return s, nil
}

func (p *parser) miscounted() error {
	return invalid("Number of parameters in request and statement don't match.")
}

func (p *parser) statement() (*Statement, error) {
	switch {
	case p.word("SELECT"):
		return p.selection()
	case p.word("INSERT"):
		return p.insertion()
	case p.word("UPDATE"):
		return p.update()
	case p.word("DELETE"):
		return p.deletion()
	case p.isCall("EXISTS"):
		return p.existence()
	}
	return nil, p.syntax()
}

func (p *parser) selection() (*Statement, error) {
	s := &Statement{Kind: Select}
	if !p.op("*") {
		for {
			path, err := p.path()
			if err != nil {
				return nil, err
			}
			if len(s.Columns) == maxColumns {
				return nil, invalid("Too many columns in the statement")
			}
			s.Columns = append(s.Columns, Column{path, columnName(path, len(s.Columns)+1)})
			if !p.op(",") {
				break
			}
		}
	}
	if err := p.keyword("FROM"); err != nil {
		return nil, err
	}
	if err := p.source(s, true); err != nil {
		return nil, err
	}
	if err := p.where(s, false); err != nil {
		return nil, err
	}
	return s, p.order(s)
}

// columnName is the last name of a path; list elements are numbered by where
// they stand in the statement.
func columnName(path expr.Path, n int) string {
	if last := path[len(path)-1]; last.Name != "" {
		return last.Name
	}
	return "_" + strconv.Itoa(n)
}

func (p *parser) order(s *Statement) error {
	if !p.word("ORDER") {
		return nil
	}
	if err := p.keyword("BY"); err != nil {
		return err
	}
	if s.Where == nil {
		return invalid("Must have WHERE clause in the statement when using ORDER BY clause.")
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		o := Order{Name: name, Descending: p.word("DESC")}
		if !o.Descending {
			p.word("ASC")
		}
		s.Order = append(s.Order, o)
		if !p.op(",") {
			return nil
		}
	}
}

func (p *parser) insertion() (*Statement, error) {
	s := &Statement{Kind: Insert}
	if err := p.keyword("INTO"); err != nil {
		return nil, err
	}
	if err := p.source(s, false); err != nil {
		return nil, err
	}
	if err := p.keyword("VALUE"); err != nil {
		return nil, err
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if v.Kind != item.MapKind {
		return nil, p.wrong("Expected a single item to insert")
	}
	s.Item = v.Map
	return s, nil
}

func (p *parser) deletion() (*Statement, error) {
	s := &Statement{Kind: Delete}
	if err := p.keyword("FROM"); err != nil {
		return nil, err
	}
	if err := p.source(s, false); err != nil {
		return nil, err
	}
	if err := p.where(s, true); err != nil {
		return nil, err
	}
	if err := p.returning(s); err != nil {
		return nil, err
	}
	if s.Returning != "" && s.Returning != "ALL OLD" {
		return nil, invalid("Only RETURNING ALL OLD * is allowed in DELETE statements")
	}
	return s, nil
}

// existence reads EXISTS(SELECT …).
func (p *parser) existence() (*Statement, error) {
	p.at += 2
	if err := p.keyword("SELECT"); err != nil {
		return nil, err
	}
	s, err := p.selection()
	if err != nil {
		return nil, err
	}
	s.Kind = Exists
	return s, p.expect(")")
}

// source reads a table's name, and where index is true one of its indexes.
func (p *parser) source(s *Statement, index bool) (err error) {
	if s.Table, err = p.name(); err != nil || !p.op(".") {
		return err
	}
	if s.Index, err = p.name(); err == nil && !index {
		return invalid("This operation is not supported on an index")
	}
	return err
}

// where reads the WHERE clause, which writes must have.
func (p *parser) where(s *Statement, mandatory bool) (err error) {
	if !p.word("WHERE") {
		if mandatory {
			return incompleteKey()
		}
		return nil
	}
	s.Where, err = p.or()
	return err
}

func (p *parser) returning(s *Statement) error {
	if !p.word("RETURNING") {
		return nil
	}
	for _, choice := range [][]string{{"ALL", "MODIFIED"}, {"OLD", "NEW"}} {
		i := slices.IndexFunc(choice, p.word)
		if i < 0 {
			return p.syntax()
		}
		s.Returning = strings.TrimSpace(s.Returning + " " + choice[i])
	}
	return p.expect("*")
}

func (p *parser) peek() token { return p.toks[p.at] }

// wrong is the answer to statements that are not well formed.
func (p *parser) wrong(why string) error {
	return invalid("Statement wasn't well formed, can't be processed: %s", why)
}

func (p *parser) syntax() error {
	t := p.peek()
	if t.kind == tokEOF {
		return p.wrong("Unexpected end of statement")
	}
	line := 1 + strings.Count(p.src[:t.at], "\n")
	column := t.at - strings.LastIndexByte(p.src[:t.at], '\n')
	return p.wrong("Unexpected token at line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column) + ": " + t.text)
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return invalid("The statement has too many nesting levels")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

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

func (p *parser) isWord(word string) bool {
	t := p.peek()
	return t.kind == tokWord && strings.EqualFold(t.text, word)
}

// word takes a keyword in any case.
func (p *parser) word(word string) bool {
	if p.isWord(word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) keyword(word string) error {
	if !p.word(word) {
		return p.syntax()
	}
	return nil
}

// isCall reports whether a function's name and its parenthesis come next.
func (p *parser) isCall(name string) bool {
	return p.isWord(name) && p.toks[p.at+1].kind == tokOp && p.toks[p.at+1].text == "("
}

// name reads an identifier. Keywords must be quoted.
func (p *parser) name() (string, error) {
	t := p.peek()
	if t.text == "" || t.kind != tokQuoted && (t.kind != tokWord || isKeyword(t.text)) {
		return "", p.syntax()
	}
	p.at++
	return t.text, nil
}

func isKeyword(word string) bool {
	switch strings.ToUpper(word) {
	case "SELECT", "FROM", "WHERE", "ORDER", "BY", "INSERT", "INTO", "VALUE", "UPDATE", "SET", "REMOVE", "DELETE",
		"RETURNING", "AND", "OR", "NOT", "IN", "IS", "BETWEEN", "EXISTS", "MISSING", "NULL", "TRUE", "FALSE", "AS":
		return true
	}
	return false
}

// path reads name[.name|['name']|[index]]….
func (p *parser) path() (expr.Path, error) {
	first, err := p.name()
	if err != nil {
		return nil, err
	}
	out := expr.Path{{Name: first}}
	for len(out) <= item.MaxNesting {
		var s expr.Step
		switch {
		case p.op("."):
			s.Name, err = p.name()
		case p.op("["):
			s, err = p.element()
		default:
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return nil, invalid("The document path has too many nesting elements; nesting elements: %d", len(out))
}

// element reads what stands in brackets and the closing one.
func (p *parser) element() (expr.Step, error) {
	t := p.peek()
	if t.kind == tokString && t.text != "" {
		p.at++
		return expr.Step{Name: t.text}, p.expect("]")
	}
	n, err := strconv.Atoi(t.text)
	if t.kind != tokNumber || err != nil {
		return expr.Step{}, p.syntax()
	}
	if n > maxIndex {
		return expr.Step{}, invalid("List index is not within the allowable range; index: [%d]", n)
	}
	p.at++
	return expr.Step{Index: n}, p.expect("]")
}
