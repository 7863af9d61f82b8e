package dynamodb

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// writer writes expressions with placeholders, or PartiQL with parameters.
type writer struct {
	names  map[string]string
	values avs
	// statement is for PartiQL, whose values are params.
	statement bool
	params    []av
}

func (w *writer) path(p trail) string {
	var b strings.Builder
	for i, h := range p {
		switch {
		case h.name == "":
			fmt.Fprintf(&b, "[%d]", h.index)
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if w.statement {
			fmt.Fprintf(&b, "%q", h.name)
			continue
		}
		if w.names == nil {
			w.names = map[string]string{}
		}
		w.names["#"+h.name] = h.name
		b.WriteString("#" + h.name)
	}
	return b.String()
}

func (w *writer) value(v av) string {
	if w.statement {
		w.params = append(w.params, v)
		return "?"
	}
	if w.values == nil {
		w.values = avs{}
	}
	name := fmt.Sprintf(":v%d", len(w.values))
	w.values[name] = v
	return name
}

// term is an operand of a condition.
type term struct {
	path  trail
	size  bool
	value av
}

func (t term) write(w *writer) string {
	switch {
	case t.path == nil:
		return w.value(t.value)
	case t.size:
		return "size(" + w.path(t.path) + ")"
	}
	return w.path(t.path)
}

func (t term) eval(m avs) (av, bool) {
	if t.path == nil {
		return t.value, true
	}
	v, ok := t.path.find(m)
	if !ok || !t.size {
		return v, ok
	}
	n := 0
	switch kindOf(v) {
	case "S":
		n = len([]rune(*v.S))
	case "B":
		n = len(v.B)
	case "SS", "NS", "BS":
		n = len(v.SS) + len(v.NS) + len(v.BS)
	case "L", "M":
		n = len(v.L) + len(v.M)
	default:
		return v, false
	}
	return num(fmt.Sprint(n)), true
}

// cond is a condition; nil holds.
type cond struct {
	op    string
	kids  []*cond
	terms []term
}

func (c *cond) write(w *writer) string {
	switch c.op {
	case "AND", "OR":
		parts := make([]string, len(c.kids))
		for i, k := range c.kids {
			parts[i] = k.write(w)
			if k.op == "AND" || k.op == "OR" {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, " "+c.op+" ")
	case "NOT":
		return "NOT (" + c.kids[0].write(w) + ")"
	case "attribute_exists", "attribute_not_exists":
		path := c.terms[0].write(w)
		switch {
		case !w.statement:
			return c.op + "(" + path + ")"
		case c.op == "attribute_exists":
			return path + " IS NOT MISSING"
		}
		return path + " IS MISSING"
	case "attribute_type", "begins_with", "contains":
		first := c.terms[0].write(w)
		return c.op + "(" + first + ", " + c.terms[1].write(w) + ")"
	case "BETWEEN":
		first := c.terms[0].write(w)
		low := c.terms[1].write(w)
		return first + " BETWEEN " + low + " AND " + c.terms[2].write(w)
	case "IN":
		parts := make([]string, len(c.terms))
		for i, t := range c.terms {
			parts[i] = t.write(w)
		}
		if w.statement {
			return parts[0] + " IN [" + strings.Join(parts[1:], ", ") + "]"
		}
		return parts[0] + " IN (" + strings.Join(parts[1:], ", ") + ")"
	}
	first := c.terms[0].write(w)
	return first + " " + c.op + " " + c.terms[1].write(w)
}

func (c *cond) holds(m avs) bool {
	if c == nil {
		return true
	}
	switch c.op {
	case "AND":
		return c.kids[0].holds(m) && c.kids[1].holds(m)
	case "OR":
		return c.kids[0].holds(m) || c.kids[1].holds(m)
	case "NOT":
		return !c.kids[0].holds(m)
	}
	values := make([]av, len(c.terms))
	all := true
	for i, t := range c.terms {
		var ok bool
		values[i], ok = t.eval(m)
		all = all && ok
	}
	switch c.op {
	case "attribute_exists":
		return all
	case "attribute_not_exists":
		return !all
	case "<>":
		return !all || canon(values[0]) != canon(values[1])
	}
	if !all {
		return false
	}
	return compared(c.op, values)
}

func compared(op string, v []av) bool {
	switch op {
	case "=":
		return canon(v[0]) == canon(v[1])
	case "IN":
		return slices.ContainsFunc(v[1:], func(o av) bool { return canon(o) == canon(v[0]) })
	case "attribute_type":
		return kindOf(v[0]) == *v[1].S
	case "begins_with":
		switch {
		case v[0].S != nil && v[1].S != nil:
			return strings.HasPrefix(*v[0].S, *v[1].S)
		case v[0].B != nil && v[1].B != nil:
			return strings.HasPrefix(string(v[0].B), string(v[1].B))
		}
		return false
	case "contains":
		return holdsPart(v[0], v[1])
	}
	low, ok := orderOf(v[0], v[1])
	if !ok {
		return false
	}
	switch op {
	case "<":
		return low < 0
	case "<=":
		return low <= 0
	case ">":
		return low > 0
	case ">=":
		return low >= 0
	}
	high, ok := orderOf(v[0], v[2])
	return ok && low >= 0 && high <= 0
}

func holdsPart(v, part av) bool {
	switch {
	case v.S != nil && part.S != nil:
		return strings.Contains(*v.S, *part.S)
	case v.B != nil && part.B != nil:
		return strings.Contains(string(v.B), string(part.B))
	case v.SS != nil && part.S != nil:
		return slices.Contains(v.SS, *part.S)
	case v.NS != nil && part.N != nil:
		return slices.ContainsFunc(v.NS, func(n string) bool { return rat(n).Cmp(rat(*part.N)) == 0 })
	case v.BS != nil && part.B != nil:
		return slices.ContainsFunc(v.BS, func(b []byte) bool { return string(b) == string(part.B) })
	case v.L != nil:
		return slices.ContainsFunc(v.L, func(e av) bool { return canon(e) == canon(part) })
	}
	return false
}

// condition makes up a condition on attributes that are no keys.
func (d dice) condition(depth int) *cond {
	if depth < 2 && d.chance(30) {
		op := pick(d, "AND", "OR", "NOT")
		c := &cond{op: op, kids: []*cond{d.condition(depth + 1)}}
		if op != "NOT" {
			c.kids = append(c.kids, d.condition(depth+1))
		}
		return c
	}
	path := term{path: d.path()}
	kind := pick(d, "S", "N", "B")
	literal := func() term { return term{value: d.scalarOf(kind)} }
	switch op := pick(d, "=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN", "attribute_exists", "attribute_not_exists",
		"attribute_type", "begins_with", "contains", "size"); op {
	case "=", "<>":
		second := term{value: d.value(0)}
		if d.chance(20) {
			second = d.otherPath(path.path)
		}
		return &cond{op: op, terms: []term{path, second}}
	case "BETWEEN":
		low, high := literal(), literal()
		if order, _ := orderOf(low.value, high.value); order > 0 {
			low, high = high, low
		}
		return &cond{op: op, terms: []term{path, low, high}}
	case "IN":
		c := &cond{op: op, terms: []term{path}}
		for range 1 + d.IntN(3) {
			c.terms = append(c.terms, term{value: d.value(1)})
		}
		return c
	case "attribute_exists", "attribute_not_exists":
		return &cond{op: op, terms: []term{path}}
	case "attribute_type":
		return &cond{op: op, terms: []term{path, {value: str(pick(d, "S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"))}}}
	case "begins_with":
		return &cond{op: op, terms: []term{path, {value: d.scalarOf(pick(d, "S", "B"))}}}
	case "contains":
		return &cond{op: op, terms: []term{path, literal()}}
	case "size":
		path.size = true
		return &cond{op: pick(d, "=", "<", ">=", "<>"), terms: []term{path, {value: num(fmt.Sprint(d.IntN(4)))}}}
	default:
		second := literal()
		if d.chance(20) {
			second = d.otherPath(path.path)
		}
		return &cond{op: op, terms: []term{path, second}}
	}
}

// otherPath is a path that differs: an operand may not be compared with itself.
func (d dice) otherPath(than trail) term {
	for {
		if p := d.path(); fmt.Sprint(p) != fmt.Sprint(than) {
			return term{path: p}
		}
	}
}

// action is one of an update expression.
type action struct {
	clause string // SET, REMOVE, ADD, DELETE
	path   trail
	// form of a SET: value, path, plus, minus, default, append
	form  string
	from  trail
	value av
}

func (a action) write(w *writer) string {
	path := w.path(a.path)
	switch a.clause {
	case "REMOVE":
		return path
	case "ADD", "DELETE":
		return path + " " + w.value(a.value)
	}
	switch a.form {
	case "value":
		return path + " = " + w.value(a.value)
	case "path":
		return path + " = " + w.path(a.from)
	case "plus":
		return path + " = " + w.path(a.from) + " + " + w.value(a.value)
	case "minus":
		return path + " = " + w.value(a.value) + " - " + w.path(a.from)
	case "default":
		from := w.path(a.from)
		return path + " = if_not_exists(" + from + ", " + w.value(a.value) + ")"
	}
	from := w.path(a.from)
	return path + " = list_append(" + from + ", " + w.value(a.value) + ")"
}

// writeUpdate groups actions by clause, as the language wants.
func writeUpdate(w *writer, actions []action) string {
	var clauses []string
	for _, clause := range []string{"SET", "REMOVE", "ADD", "DELETE"} {
		var parts []string
		for _, a := range actions {
			if a.clause == clause {
				parts = append(parts, a.write(w))
			}
		}
		if parts != nil {
			clauses = append(clauses, clause+" "+strings.Join(parts, ", "))
		}
	}
	return strings.Join(clauses, " ")
}

// operand is what a SET puts; ok is false for a ValidationException.
func (a action) operand(m avs) (v av, ok bool) {
	from, had := a.from.find(m)
	switch a.form {
	case "value":
		return a.value, true
	case "path":
		return from, had
	case "default":
		if had {
			return from, true
		}
		return a.value, true
	case "append":
		if !had || from.L == nil || a.value.L == nil {
			return v, false
		}
		return av{L: slices.Concat(from.L, a.value.L)}, true
	}
	if !had || from.N == nil || a.value.N == nil {
		return v, false
	}
	sum := new(big.Rat).Add(rat(*from.N), rat(*a.value.N))
	if a.form == "minus" {
		sum = new(big.Rat).Sub(rat(*a.value.N), rat(*from.N))
	}
	return num(decimal(sum)), true
}

// updated carries an update out; ok is false for a ValidationException.
func updated(old avs, key avs, actions []action) (out avs, ok bool) {
	if old == nil {
		old = key
	}
	now := av{M: old}
	for _, clause := range []string{"SET", "ADD", "DELETE", "REMOVE"} {
		for _, a := range actions {
			if a.clause != clause {
				continue
			}
			wrong, bad := false, false
			now, bad = a.path.with(now, func(have av, had bool) (av, bool) {
				switch clause {
				case "SET":
					v, fine := a.operand(old)
					wrong = wrong || !fine
					return v, true
				case "REMOVE":
					return have, false
				}
				v, keep, fine := a.combine(have, had)
				wrong = wrong || !fine
				return v, keep
			})
			if wrong || bad {
				return nil, false
			}
		}
	}
	return now.M, true
}

// combine is what ADD and DELETE make of a value.
func (a action) combine(have av, had bool) (v av, keep, ok bool) {
	if !had {
		return a.value, a.clause == "ADD", true
	}
	if kindOf(have) != kindOf(a.value) {
		return have, true, false
	}
	if have.N != nil {
		return num(decimal(new(big.Rat).Add(rat(*have.N), rat(*a.value.N)))), true, true
	}
	if a.clause == "ADD" {
		return setUnion(have, a.value), true, true
	}
	v = setMinus(have, a.value)
	return v, len(v.SS)+len(v.NS)+len(v.BS) > 0, true
}

func setUnion(a, b av) av {
	rest := setMinus(b, a)
	return av{SS: slices.Concat(a.SS, rest.SS), NS: slices.Concat(a.NS, rest.NS), BS: slices.Concat(a.BS, rest.BS)}
}

func setMinus(a, b av) av {
	var out av
	for _, s := range a.SS {
		if !holdsPart(b, str(s)) {
			out.SS = append(out.SS, s)
		}
	}
	for _, n := range a.NS {
		if !holdsPart(b, num(n)) {
			out.NS = append(out.NS, n)
		}
	}
	for _, e := range a.BS {
		if !holdsPart(b, av{B: e}) {
			out.BS = append(out.BS, e)
		}
	}
	return out
}

// update makes up actions on different attributes.
func (d dice) update() []action {
	attributes := slices.Clone(plain)
	d.Shuffle(len(attributes), func(i, j int) { attributes[i], attributes[j] = attributes[j], attributes[i] })
	actions := make([]action, 1+d.IntN(3))
	for i := range actions {
		a := action{clause: pick(d, "SET", "SET", "REMOVE", "ADD", "DELETE"), path: d.path(), from: d.path()}
		a.path[0].name = attributes[i]
		switch a.clause {
		case "SET":
			a.form = pick(d, "value", "value", "value", "path", "plus", "minus", "default", "append")
			switch a.form {
			case "plus", "minus":
				a.value = d.scalarOf("N")
			case "append":
				a.value = av{L: []av{d.value(1)}}
			default:
				a.value = d.value(0)
			}
		case "ADD":
			a.value = pick(d, d.scalarOf("N"), d.set("SS"), d.set("NS"), d.set("BS"))
		case "DELETE":
			a.value = d.set(pick(d, "SS", "NS", "BS"))
		}
		actions[i] = a
	}
	return actions
}
