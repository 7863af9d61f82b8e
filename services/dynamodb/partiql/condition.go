package partiql

import (
	"slices"
	"strings"

	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// maxInOperands is how many values IN may list.
const maxInOperands = 100

func (p *parser) or() (*expr.Condition, error) { return p.chain(expr.Or, p.and) }

func (p *parser) and() (*expr.Condition, error) { return p.chain(expr.And, p.not) }

func (p *parser) chain(op expr.Op, operand func() (*expr.Condition, error)) (*expr.Condition, error) {
	first, err := operand()
	if err != nil || !p.word(string(op)) {
		return first, err
	}
	c := &expr.Condition{Op: op, Kids: []*expr.Condition{first}}
	for {
		k, err := operand()
		if err != nil {
			return nil, err
		}
		c.Kids = append(c.Kids, k)
		if !p.word(string(op)) {
			return c, nil
		}
	}
}

func (p *parser) not() (*expr.Condition, error) {
	if !p.word("NOT") {
		return p.primary()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	c, err := p.not()
	return negated(true, c, err)
}

func negated(not bool, c *expr.Condition, err error) (*expr.Condition, error) {
	if err != nil || !not {
		return c, err
	}
	return &expr.Condition{Op: expr.Not, Kids: []*expr.Condition{c}}, nil
}

func (p *parser) primary() (*expr.Condition, error) {
	if p.op("(") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		c, err := p.or()
		if err != nil {
			return nil, err
		}
		return c, p.expect(")")
	}
	for _, f := range []expr.Op{expr.BeginsWith, expr.Contains, expr.TypeIs, expr.Exists, expr.NotExists} {
		if p.isCall(string(f)) {
			return p.function(f)
		}
	}
	if p.isCall("EXISTS") {
		return nil, invalid("EXISTS() must be a statement of its own in a transaction")
	}
	return p.comparison()
}

func (p *parser) function(f expr.Op) (*expr.Condition, error) {
	p.at += 2
	c := &expr.Condition{Op: f}
	for !p.op(")") {
		if len(c.Args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, o)
	}
	want := 2
	if f == expr.Exists || f == expr.NotExists {
		want = 1
	}
	switch {
	case len(c.Args) != want:
		return nil, invalid("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", f, len(c.Args))
	case c.Args[0].Path == nil || c.Args[0].Size:
		return nil, invalid("Operator or function requires a document path; operator or function: %s", f)
	}
	return expr.Checked(c)
}

var comparators = map[string]expr.Op{
	"=": expr.EQ, "<>": expr.NE, "!=": expr.NE, "<": expr.LT, "<=": expr.LE, ">": expr.GT, ">=": expr.GE,
}

func (p *parser) comparison() (*expr.Condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	if op, t := comparators[p.peek().text], p.peek(); t.kind == tokOp && op != "" {
		p.at++
		right, err := p.operand()
		if err != nil {
			return nil, err
		}
		return expr.Checked(&expr.Condition{Op: op, Args: []expr.Operand{left, right}})
	}
	if p.word("IS") {
		return p.is(left)
	}
	not := p.word("NOT")
	var c *expr.Condition
	switch {
	case p.word("BETWEEN"):
		c, err = p.between(left)
	case p.word("IN"):
		c, err = p.in(left)
	default:
		return nil, p.syntax()
	}
	return negated(not, c, err)
}

func (p *parser) between(left expr.Operand) (*expr.Condition, error) {
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.keyword("AND"); err != nil {
		return nil, err
	}
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	return expr.Checked(&expr.Condition{Op: expr.Between, Args: []expr.Operand{left, low, high}})
}

// in reads the values of IN, in brackets or parentheses.
func (p *parser) in(left expr.Operand) (*expr.Condition, error) {
	end := ""
	switch {
	case p.op("["):
		end = "]"
	case p.op("("):
		end = ")"
	default:
		return nil, p.syntax()
	}
	list, err := p.values(end)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || len(list) > maxInOperands {
		return nil, invalid("The IN operator is provided with too few or too many operands; number of operands: %d", len(list))
	}
	c := &expr.Condition{Op: expr.In, Args: []expr.Operand{left}}
	for _, v := range list {
		c.Args = append(c.Args, expr.Operand{Value: v})
	}
	return expr.Checked(c)
}

// typeNames are the types that IS may name.
var typeNames = map[string]item.Kind{
	"NULL": item.Null, "BOOL": item.Bool, "BOOLEAN": item.Bool, "STRING": item.String, "NUMERIC": item.Number,
	"DECIMAL": item.Number, "BLOB": item.Binary, "LIST": item.List, "STRUCT": item.MapKind, "TUPLE": item.MapKind,
}

// is reads [NOT] MISSING, NULL or a type.
func (p *parser) is(left expr.Operand) (*expr.Condition, error) {
	not := p.word("NOT")
	if left.Path == nil || left.Size {
		return nil, invalid("Operator or function requires a document path; operator or function: IS")
	}
	if p.word("MISSING") {
		op := expr.NotExists
		if not {
			op = expr.Exists
		}
		return &expr.Condition{Op: op, Args: []expr.Operand{left}}, nil
	}
	t := p.peek()
	kind := typeNames[strings.ToUpper(t.text)]
	if t.kind != tokWord || kind == 0 {
		return nil, p.syntax()
	}
	p.at++
	name := expr.Operand{Value: item.Value{Kind: item.String, Text: kind.String()}}
	return negated(not, &expr.Condition{Op: expr.TypeIs, Args: []expr.Operand{left, name}}, nil)
}

// operand reads a value, a path, or size(path).
func (p *parser) operand() (expr.Operand, error) {
	if p.isValue() {
		v, err := p.value()
		return expr.Operand{Value: v}, err
	}
	if !p.isCall("size") {
		path, err := p.path()
		return expr.Operand{Path: path}, err
	}
	p.at += 2
	path, err := p.path()
	if err != nil {
		return expr.Operand{}, err
	}
	return expr.Operand{Path: path, Size: true}, p.expect(")")
}

// update reads what follows UPDATE.
func (p *parser) update() (*Statement, error) {
	s := &Statement{Kind: Update, Update: &expr.Update{}}
	if err := p.source(s, false); err != nil {
		return nil, err
	}
	clauses := 0
	for ; p.isWord("SET") || p.isWord("REMOVE"); clauses++ {
		read := p.setAction
		if p.word("REMOVE") {
			read = p.removeAction
		} else {
			p.at++
		}
		for {
			if err := read(s.Update); err != nil {
				return nil, err
			}
			if !p.op(",") {
				break
			}
		}
	}
	if clauses == 0 {
		return nil, p.syntax()
	}
	if err := s.Update.Check(); err != nil {
		return nil, err
	}
	if err := p.where(s, true); err != nil {
		return nil, err
	}
	return s, p.returning(s)
}

func (p *parser) removeAction(u *expr.Update) error {
	path, err := p.path()
	u.Removes = append(u.Removes, path)
	return err
}

func (p *parser) setAction(u *expr.Update) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	if err := p.expect("="); err != nil {
		return err
	}
	for _, f := range []string{"SET_ADD", "SET_DELETE"} {
		if p.isCall(f) {
			return p.setFunction(u, f, path)
		}
	}
	t, err := p.sum()
	u.Sets = append(u.Sets, expr.SetAction{Path: path, Term: t})
	return err
}

// setFunction reads set_add(path, set) or set_delete(path, set), of the path
// that is set.
func (p *parser) setFunction(u *expr.Update, name string, path expr.Path) error {
	p.at += 2
	of, err := p.path()
	if err != nil {
		return err
	}
	if err := p.expect(","); err != nil {
		return err
	}
	v, err := p.value()
	if err != nil {
		return err
	}
	switch {
	case !slices.Equal(of, path):
		return p.wrong(name + " must be of the attribute that is set")
	case !v.Kind.IsSet():
		return invalid("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", name, v.Kind)
	}
	if name == "SET_ADD" {
		u.Adds = append(u.Adds, expr.ValueAction{Path: path, Value: v})
	} else {
		u.Deletes = append(u.Deletes, expr.ValueAction{Path: path, Value: v})
	}
	return p.expect(")")
}

func (p *parser) sum() (expr.Term, error) {
	left, err := p.term()
	if err != nil {
		return left, err
	}
	for _, op := range []string{"+", "-"} {
		if p.op(op) {
			right, err := p.term()
			return expr.Term{Op: op, Args: []expr.Term{left, right}}, err
		}
	}
	return left, nil
}

func (p *parser) term() (expr.Term, error) {
	if !p.isCall("list_append") {
		o, err := p.operand()
		if err == nil && o.Size {
			err = invalid("The function is not allowed in an update expression; function: size")
		}
		return expr.Term{Operand: o}, err
	}
	if err := p.enter(); err != nil {
		return expr.Term{}, err
	}
	defer p.leave()
	p.at += 2
	first, err := p.term()
	if err != nil {
		return first, err
	}
	if err := p.expect(","); err != nil {
		return first, err
	}
	second, err := p.term()
	if err != nil {
		return second, err
	}
	return expr.Term{Op: "list_append", Args: []expr.Term{first, second}}, p.expect(")")
}
