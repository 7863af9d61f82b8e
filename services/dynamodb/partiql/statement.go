package partiql

import (
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
)

// Kind is what a statement does.
type Kind string

// The kinds of statements. Exists checks a condition in a transaction.
const (
	Select Kind = "Select"
	Insert Kind = "Insert"
	Update Kind = "Update"
	Delete Kind = "Delete"
	Exists Kind = "Exists"
)

// Statement is a parsed statement with its parameters in place.
type Statement struct {
	Kind         Kind
	Table, Index string
	Columns      []Column        // Select; nil: all attributes
	Where        *expr.Condition // nil: none
	Order        []Order         // Select
	Item         item.Map        // Insert
	Update       *expr.Update
	// Returning is "", or "ALL OLD", "MODIFIED NEW", … as it was written.
	Returning string
}

// Column is one value that a SELECT gives, and how it is called in the answer.
type Column struct {
	Path expr.Path
	Name string
}

// Order is one attribute of ORDER BY.
type Order struct {
	Name       string
	Descending bool
}

// Reads reports whether the statement changes nothing.
func (s *Statement) Reads() bool { return s.Kind == Select }

// TopLevel is a projection of the attributes that the columns lie in; nil is
// all.
func (s *Statement) TopLevel() *expr.Projection {
	if s.Columns == nil {
		return nil
	}
	var paths []expr.Path
	seen := map[string]bool{}
	for _, c := range s.Columns {
		if name := c.Path[0].Name; !seen[name] {
			seen[name] = true
			paths = append(paths, c.Path[:1])
		}
	}
	return expr.NewProjection(paths)
}

// Shape makes an answer's row of an item.
func (s *Statement) Shape(m item.Map) item.Map {
	if s.Columns == nil {
		return m
	}
	var out item.Map
	for _, c := range s.Columns {
		if v := c.Path.Get(m); v != nil {
			out = out.Set(c.Name, *v)
		}
	}
	return out
}

// Attributes lists the top-level attributes that the statement names.
func (s *Statement) Attributes() []string {
	var out []string
	for _, c := range s.Columns {
		out = append(out, c.Path[0].Name)
	}
	for _, a := range s.Item {
		out = append(out, a.Name)
	}
	if s.Update != nil {
		for _, p := range s.Update.Paths() {
			out = append(out, p[0].Name)
		}
		for _, a := range s.Update.Sets {
			out = termNames(a.Term, out)
		}
	}
	return conditionNames(s.Where, out)
}

func conditionNames(c *expr.Condition, out []string) []string {
	if c == nil {
		return out
	}
	for _, a := range c.Args {
		if a.Path != nil {
			out = append(out, a.Path[0].Name)
		}
	}
	for _, k := range c.Kids {
		out = conditionNames(k, out)
	}
	return out
}

func termNames(t expr.Term, out []string) []string {
	if t.Path != nil {
		out = append(out, t.Path[0].Name)
	}
	for _, a := range t.Args {
		out = termNames(a, out)
	}
	return out
}

func invalid(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}
