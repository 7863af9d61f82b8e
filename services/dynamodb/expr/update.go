package expr

import (
	"slices"
	"strings"

	"moln.dev/moln/services/dynamodb/item"
)

// Update is a parsed update expression.
type Update struct {
	Sets    []SetAction
	Removes []Path
	Adds    []ValueAction
	Deletes []ValueAction
}

// SetAction sets what is at Path to a term.
type SetAction struct {
	Path Path
	Term Term
}

// ValueAction adds a value to, or deletes it from, what is at Path.
type ValueAction struct {
	Path  Path
	Value item.Value
}

// Term is the right side of SET: an operand, a sum, or a function.
type Term struct {
	Op   string // "", "+", "-", "if_not_exists", "list_append"
	Args []Term
	Operand
}

// Update parses an update expression.
func (s *Scope) Update(src string) (*Update, error) {
	return parse(s, "UpdateExpression", src, (*parser).update)
}

func (p *parser) update() (*Update, error) {
	u := &Update{}
	seen := map[string]bool{}
	for p.peek().kind != tokEOF {
		clause := strings.ToUpper(p.peek().text)
		if p.peek().kind != tokIdent || !slices.Contains([]string{"SET", "REMOVE", "ADD", "DELETE"}, clause) {
			return nil, p.syntax()
		}
		if seen[clause] {
			return nil, invalid(`The "%s" section can only be used once in an update expression;`, clause)
		}
		seen[clause] = true
		p.at++
		for {
			if err := p.action(u, clause); err != nil {
				return nil, err
			}
			if !p.op(",") {
				break
			}
		}
	}
	return u, overlaps(u.Paths())
}

// Check refuses updates that change one place twice.
func (u *Update) Check() error { return overlaps(u.Paths()) }

// Paths are all paths that the update changes.
func (u *Update) Paths() []Path {
	var out []Path
	for _, a := range u.Sets {
		out = append(out, a.Path)
	}
	out = append(out, u.Removes...)
	for _, a := range u.Adds {
		out = append(out, a.Path)
	}
	for _, a := range u.Deletes {
		out = append(out, a.Path)
	}
	return out
}

func (p *parser) action(u *Update, clause string) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	switch clause {
	case "REMOVE":
		u.Removes = append(u.Removes, path)
		return nil
	case "SET":
		if err := p.expect("="); err != nil {
			return err
		}
		t, err := p.sum()
		u.Sets = append(u.Sets, SetAction{path, t})
		return err
	}
	if p.peek().kind != tokValue {
		return p.syntax()
	}
	v, err := p.value()
	if err != nil {
		return err
	}
	if clause == "ADD" {
		u.Adds = append(u.Adds, ValueAction{path, v})
		if v.Kind != item.Number && !v.Kind.IsSet() {
			return invalid("Incorrect operand type for operator or function; operator: ADD, operand type: %s, typeSet: ALLOWED_FOR_ADD_OPERAND", longName(v.Kind))
		}
		return nil
	}
	u.Deletes = append(u.Deletes, ValueAction{path, v})
	if !v.Kind.IsSet() {
		return invalid("Incorrect operand type for operator or function; operator: DELETE, operand type: %s, typeSet: ALLOWED_FOR_DELETE_OPERAND", longName(v.Kind))
	}
	return nil
}

// longName is how AWS calls types in the complaints of ADD and DELETE.
func longName(k item.Kind) string {
	switch k {
	case item.String:
		return "STRING"
	case item.Number:
		return "NUMBER"
	case item.Binary:
		return "BINARY"
	case item.Bool:
		return "BOOLEAN"
	case item.MapKind:
		return "MAP"
	case item.List:
		return "LIST"
	}
	return k.String()
}

func (p *parser) sum() (Term, error) {
	left, err := p.term()
	if err != nil {
		return left, err
	}
	for _, op := range []string{"+", "-"} {
		if !p.op(op) {
			continue
		}
		right, err := p.term()
		if err != nil {
			return right, err
		}
		for _, t := range []Term{left, right} {
			if t.Op == "list_append" {
				return t, wrongType(Op(op), item.List)
			}
			if k := t.Value.Kind; t.Op == "" && t.Path == nil && k != item.Number {
				return t, wrongType(Op(op), k)
			}
		}
		return Term{Op: op, Args: []Term{left, right}}, nil
	}
	return left, nil
}

func (p *parser) term() (Term, error) {
	if err := p.enter(); err != nil {
		return Term{}, err
	}
	defer func() { p.depth-- }()
	switch {
	case p.op("("):
		t, err := p.sum()
		if err != nil {
			return t, err
		}
		return t, p.expect(")")
	case p.isCall():
		return p.updateFunction()
	case p.peek().kind == tokValue:
		v, err := p.value()
		return Term{Operand: Operand{Value: v}}, err
	}
	path, err := p.path()
	return Term{Operand: Operand{Path: path}}, err
}

func (p *parser) updateFunction() (Term, error) {
	t := Term{Op: p.peek().text}
	if t.Op != "if_not_exists" && t.Op != "list_append" {
		if knownFunction(t.Op) {
			return t, invalid("The function is not allowed in an update expression; function: %s", t.Op)
		}
		return t, invalid("Invalid function name; function: %s", t.Op)
	}
	p.at += 2
	for !p.op(")") {
		if len(t.Args) > 0 {
			if err := p.expect(","); err != nil {
				return t, err
			}
		}
		a, err := p.term()
		if err != nil {
			return t, err
		}
		t.Args = append(t.Args, a)
	}
	if len(t.Args) != 2 {
		return t, operandCount(Op(t.Op), len(t.Args))
	}
	if t.Op == "if_not_exists" && (t.Args[0].Path == nil || t.Args[0].Op != "") {
		return t, invalid("Operator or function requires a document path; operator or function: if_not_exists")
	}
	if t.Op == "list_append" {
		for _, a := range t.Args {
			if k := a.Value.Kind; a.Op == "" && a.Path == nil && k != item.List {
				return t, wrongType("list_append", k)
			}
		}
	}
	return t, nil
}
