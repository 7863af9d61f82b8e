package expr

import (
	"slices"
	"strings"

	"moln.dev/moln/services/dynamodb/item"
)

// Op is what a condition does.
type Op string

// Operators and functions.
const (
	And        Op = "AND"
	Or         Op = "OR"
	Not        Op = "NOT"
	EQ         Op = "="
	NE         Op = "<>"
	LT         Op = "<"
	LE         Op = "<="
	GT         Op = ">"
	GE         Op = ">="
	Between    Op = "BETWEEN"
	In         Op = "IN"
	Exists     Op = "attribute_exists"
	NotExists  Op = "attribute_not_exists"
	TypeIs     Op = "attribute_type"
	BeginsWith Op = "begins_with"
	Contains   Op = "contains"
	sizeOf     Op = "size"
)

// Condition is a parsed condition: And, Or, Not over Kids, others over Args.
type Condition struct {
	Op   Op
	Kids []*Condition
	Args []Operand
}

// Operand is a path, a value, or the size of one of the two.
type Operand struct {
	Path  Path // nil: Value
	Value item.Value
	Size  bool
}

// maxInOperands is how many values IN may list.
const maxInOperands = 100

// Condition parses a condition; parameter is "ConditionExpression" or
// "FilterExpression" or "KeyConditionExpression".
func (s *Scope) Condition(parameter, src string) (*Condition, error) {
	return parse(s, parameter, src, (*parser).or)
}

func (p *parser) or() (*Condition, error)  { return p.chain(Or, p.and) }
func (p *parser) and() (*Condition, error) { return p.chain(And, p.not) }

func (p *parser) chain(op Op, operand func() (*Condition, error)) (*Condition, error) {
	first, err := operand()
	if err != nil || !p.word(string(op)) {
		return first, err
	}
	c := &Condition{Op: op, Kids: []*Condition{first}}
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

func (p *parser) not() (*Condition, error) {
	if !p.word("NOT") {
		return p.primary()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	kid, err := p.not()
	if err != nil {
		return nil, err
	}
	return &Condition{Op: Not, Kids: []*Condition{kid}}, nil
}

func (p *parser) primary() (*Condition, error) {
	if p.peek().kind == tokOp && p.peek().text == "(" {
		return p.parenthesis()
	}
	if p.isCall() && !strings.EqualFold(p.peek().text, "size") {
		return p.function()
	}
	return p.comparison()
}

// parenthesis reads a condition, or an operand, in parentheses.
func (p *parser) parenthesis() (*Condition, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	start := p.at
	p.at++
	if p.operandInParens() {
		p.at = start
		return p.comparison()
	}
	if p.peek().text == "(" && p.redundant(start) {
		return nil, invalid("The expression has redundant parentheses;")
	}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	return c, p.expect(")")
}

// operandInParens reports whether what follows a parenthesis is a lone operand:
// (a) = :b.
func (p *parser) operandInParens() bool {
	t := p.peek()
	if t.kind != tokIdent && t.kind != tokName && t.kind != tokValue {
		return false
	}
	for i := p.at; i < len(p.toks); i++ {
		switch t := p.toks[i]; {
		case t.kind == tokOp && t.text == ")":
			return true
		case t.kind == tokName, t.kind == tokValue, t.kind == tokInt, t.kind == tokIdent:
		case t.kind == tokOp && strings.Contains(".[]", t.text):
		default:
			return false
		}
		if i > p.at && p.toks[i].kind == tokIdent && p.toks[i-1].text != "." {
			return false
		}
	}
	return false
}

// redundant reports whether the parenthesis at start holds nothing but another.
func (p *parser) redundant(start int) bool {
	depth, closed := 0, 0
	for i := start + 1; i < len(p.toks); i++ {
		switch p.toks[i].text {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 && closed == 0 {
				closed = i
			}
		}
		if closed > 0 {
			return i+1 < len(p.toks) && p.toks[closed+1].text == ")"
		}
	}
	return false
}

var comparators = map[string]Op{"=": EQ, "<>": NE, "<": LT, "<=": LE, ">": GT, ">=": GE}

func (p *parser) comparison() (*Condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	switch {
	case t.kind == tokOp && comparators[t.text] != "":
		p.at++
		right, err := p.operand()
		if err != nil {
			return nil, err
		}
		return checked(&Condition{Op: comparators[t.text], Args: []Operand{left, right}})
	case p.word("BETWEEN"):
		return p.between(left)
	case p.word("IN"):
		return p.in(left)
	}
	if left.Size {
		return nil, invalid("The function is not allowed to be used this way in an expression; function: size")
	}
	return nil, p.syntax()
}

func (p *parser) between(left Operand) (*Condition, error) {
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if !p.word("AND") {
		return nil, p.syntax()
	}
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	return checked(&Condition{Op: Between, Args: []Operand{left, low, high}})
}

func (p *parser) in(left Operand) (*Condition, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	c := &Condition{Op: In, Args: []Operand{left}}
	for {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, o)
		if !p.op(",") {
			break
		}
	}
	if len(c.Args) > maxInOperands+1 {
		return nil, invalid("The IN operator is provided with too many operands; number of operands: %d", len(c.Args)-1)
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return checked(c)
}

// operand reads a path, a value, size(…), or one of them in parentheses.
func (p *parser) operand() (Operand, error) {
	if p.op("(") {
		if err := p.enter(); err != nil {
			return Operand{}, err
		}
		defer func() { p.depth-- }()
		o, err := p.operand()
		if err != nil {
			return o, err
		}
		return o, p.expect(")")
	}
	if p.isCall() {
		return p.size()
	}
	if p.peek().kind == tokValue {
		v, err := p.value()
		return Operand{Value: v}, err
	}
	path, err := p.path()
	return Operand{Path: path}, err
}

func (p *parser) size() (Operand, error) {
	name := p.peek().text
	if name != "size" {
		if knownFunction(name) {
			return Operand{}, invalid("The function is not allowed to be used this way in an expression; function: %s", name)
		}
		return Operand{}, invalid("Invalid function name; function: %s", name)
	}
	args, err := p.arguments()
	if err != nil {
		return Operand{}, err
	}
	if len(args) != 1 {
		return Operand{}, operandCount(sizeOf, len(args))
	}
	o := args[0]
	if o.Size {
		return o, invalid("The function is not allowed to be used this way in an expression; function: size")
	}
	if o.Path == nil && !sizable(o.Value.Kind) {
		return o, wrongType(sizeOf, o.Value.Kind)
	}
	o.Size = true
	return o, nil
}

func (p *parser) arguments() ([]Operand, error) {
	p.at += 2
	var out []Operand
	if p.op(")") {
		return nil, nil
	}
	for {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		out = append(out, o)
		if !p.op(",") {
			return out, p.expect(")")
		}
	}
}

func knownFunction(name string) bool {
	switch Op(name) {
	case Exists, NotExists, TypeIs, BeginsWith, Contains, sizeOf, "if_not_exists", "list_append":
		return true
	}
	return false
}

func operandCount(op Op, n int) error {
	return invalid("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", op, n)
}

func wrongType(op Op, k item.Kind) error {
	return invalid("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", op, k)
}

func (p *parser) function() (*Condition, error) {
	name := Op(p.peek().text)
	want := 0
	switch name {
	case Exists, NotExists:
		want = 1
	case TypeIs, BeginsWith, Contains:
		want = 2
	case "if_not_exists", "list_append":
		return nil, invalid("The function is not allowed in a condition expression; function: %s", name)
	default:
		return nil, invalid("Invalid function name; function: %s", name)
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) != want {
		return nil, operandCount(name, len(args))
	}
	if (name == Exists || name == NotExists) && (args[0].Path == nil || args[0].Size) {
		return nil, invalid("Operator or function requires a document path; operator or function: %s", name)
	}
	return checked(&Condition{Op: name, Args: args})
}

// Checked refuses a condition of which it can be known without an item that it
// is wrong. Conditions that are not parsed here are to be put through it.
func Checked(c *Condition) (*Condition, error) { return checked(c) }

// checked refuses what can be known to be wrong without an item.
func checked(c *Condition) (*Condition, error) {
	switch c.Op {
	case LT, LE, GT, GE, Between:
		for _, a := range c.Args {
			if k := a.Value.Kind; a.Path == nil && !a.Size && k != item.String && k != item.Number && k != item.Binary {
				return nil, wrongType(c.Op, k)
			}
		}
	case BeginsWith:
		for _, a := range c.Args {
			if k := a.Value.Kind; a.Path == nil && !a.Size && k != item.String && k != item.Binary {
				return nil, wrongType(c.Op, k)
			}
		}
	case TypeIs:
		return c, checkType(c.Args[1])
	}
	if c.Op == Between {
		if err := checkBounds(c.Args[1], c.Args[2]); err != nil {
			return nil, err
		}
	}
	if len(c.Args) > 1 && samePath(c.Args[0], c.Args[1:]) {
		return nil, invalid("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", c.Op, c.Args[0].Path)
	}
	return c, nil
}

func checkType(o Operand) error {
	if o.Path != nil || o.Value.Kind != item.String {
		return wrongType(TypeIs, o.Value.Kind)
	}
	if item.KindOf(o.Value.Text) == 0 {
		return invalid("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", o.Value.Text)
	}
	return nil
}

func checkBounds(low, high Operand) error {
	if low.Path != nil || high.Path != nil || low.Size || high.Size {
		return nil
	}
	order, ok := item.Compare(low.Value, high.Value)
	if !ok {
		return invalid("The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", low.Value, high.Value)
	}
	if order > 0 {
		return invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: %s, upper bound operand: AttributeValue: %s", low.Value, high.Value)
	}
	return nil
}

func samePath(first Operand, rest []Operand) bool {
	if first.Path == nil {
		return false
	}
	return slices.ContainsFunc(rest, func(o Operand) bool {
		return o.Path != nil && o.Size == first.Size && slices.Equal(o.Path, first.Path)
	})
}
