package vtl

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of one run.
const (
	roundsMax = 1000      // of one #foreach, AWS's limit
	stepsMax  = 1_000_000 // nodes evaluated
	outputMax = 10 << 20  // bytes
	callsMax  = 20        // macros and defines inside each other
	itemsMax  = 100_000   // of a list that grows

	textPerStep = 256 // bytes of text that count as one step
)

var (
	errBreak = errors.New("vtl: #break")
	errStop  = errors.New("vtl: #stop")
)

// run is the state of one execution.
type run struct {
	vars   map[string]any
	macros map[string]*macro
	steps  int
	calls  int
	bytes  int
}

// block is the value of #define: it is evaluated where it is printed.
type block struct{ body []node }

// Execute runs the template. vars may be changed by it.
func (t *Template) Execute(vars map[string]any) (string, error) {
	if vars == nil {
		vars = map[string]any{}
	}
	r := &run{vars: vars, macros: t.macros}
	var out strings.Builder
	err := r.nodes(&out, t.body)
	if err == errStop || err == errBreak {
		err = nil
	}
	return out.String(), err
}

func (r *run) step() error {
	if r.steps++; r.steps > stepsMax {
		return fmt.Errorf("vtl: more than %d steps", stepsMax)
	}
	return nil
}

func (r *run) write(out *strings.Builder, s string) error {
	if r.bytes += len(s); r.bytes > outputMax {
		return fmt.Errorf("vtl: more than %d bytes of output", outputMax)
	}
	out.WriteString(s)
	return nil
}

func (r *run) nodes(out *strings.Builder, body []node) error {
	for _, n := range body {
		if err := r.step(); err != nil {
			return err
		}
		if err := r.node(out, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) node(out *strings.Builder, n node) error {
	switch n := n.(type) {
	case textNode:
		return r.write(out, n.text)
	case refNode:
		return r.print(out, n.ref)
	case setNode:
		return r.set(n)
	case ifNode:
		return r.branch(out, n)
	case foreachNode:
		return r.loop(out, n)
	case defineNode:
		r.vars[n.name] = block{n.body}
	case macroCall:
		return r.call(out, n)
	case breakNode:
		return errBreak
	case stopNode:
		return errStop
	}
	return nil
}

func (r *run) print(out *strings.Builder, ref *reference) error {
	v, err := r.resolve(ref)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		if ref.quiet {
			return nil
		}
		return r.write(out, ref.raw)
	case block:
		return r.nested(func() error { return r.nodes(out, v.body) })
	default:
		return r.write(out, Text(v))
	}
}

func (r *run) nested(f func() error) error {
	if r.calls++; r.calls > callsMax {
		return fmt.Errorf("vtl: more than %d macros inside each other", callsMax)
	}
	defer func() { r.calls-- }()
	return f()
}

func (r *run) branch(out *strings.Builder, n ifNode) error {
	for i, cond := range n.conds {
		v, err := r.eval(cond)
		if err != nil {
			return err
		}
		if truth(v) {
			return r.nodes(out, n.bodies[i])
		}
	}
	if len(n.bodies) > len(n.conds) {
		return r.nodes(out, n.bodies[len(n.conds)])
	}
	return nil
}

// truth: Velocity 1 takes everything for true but null and false.
func truth(v any) bool {
	b, isBool := v.(bool)
	return v != nil && (!isBool || b)
}

func (r *run) loop(out *strings.Builder, n foreachNode) error {
	v, err := r.eval(n.list)
	if err != nil {
		return err
	}
	var items []any
	switch v := v.(type) {
	case *List:
		items = v.Items
	case *Map:
		for _, k := range v.keys {
			items = append(items, v.values[k])
		}
	}
	if len(items) > roundsMax {
		return fmt.Errorf("vtl: #foreach over %d items is longer than %d", len(items), roundsMax)
	}
	saved := map[string]any{}
	for _, name := range []string{n.name, "foreach", "velocityCount"} {
		saved[name] = r.vars[name]
	}
	defer func() {
		for name, v := range saved {
			r.vars[name] = v
		}
	}()
	for i, item := range items {
		r.vars[n.name] = item
		r.vars["velocityCount"] = int64(i + 1)
		r.vars["foreach"] = NewMap().Put("index", int64(i)).Put("count", int64(i+1)).
			Put("hasNext", i+1 < len(items)).Put("first", i == 0).Put("last", i+1 == len(items))
		if err := r.nodes(out, n.body); err == errBreak {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) call(out *strings.Builder, n macroCall) error {
	m := r.macros[n.name]
	saved := map[string]any{}
	for i, name := range m.params {
		saved[name] = r.vars[name]
		if i >= len(n.args) {
			continue
		}
		v, err := r.eval(n.args[i])
		if err != nil {
			return err
		}
		defer func() { r.vars[name] = saved[name] }()
		saved[name], r.vars[name] = r.vars[name], v
	}
	return r.nested(func() error { return r.nodes(out, m.body) })
}

// set assigns a variable, a map's member or a list's element.
func (r *run) set(n setNode) error {
	v, err := r.eval(n.value)
	if err != nil {
		return err
	}
	if len(n.target.path) == 0 {
		r.vars[n.target.name] = v
		return nil
	}
	owner := *n.target
	last := owner.path[len(owner.path)-1]
	owner.path = owner.path[:len(owner.path)-1]
	holder, err := r.resolve(&owner)
	if err != nil {
		return err
	}
	var key any = last.name
	if last.index != nil {
		if key, err = r.eval(last.index); err != nil {
			return err
		}
	}
	switch h := holder.(type) {
	case *Map:
		h.Put(Text(key), v)
		return nil
	case *List:
		if i, ok := key.(int64); ok && i >= 0 && i < int64(len(h.Items)) {
			h.Items[i] = v
			return nil
		}
	}
	return fmt.Errorf("vtl: cannot set %s", n.target.raw)
}

func (r *run) resolve(ref *reference) (any, error) {
	v := r.vars[ref.name]
	for _, a := range ref.path {
		if err := r.step(); err != nil {
			return nil, err
		}
		if v == nil {
			return nil, nil
		}
		if b, ok := v.(block); ok {
			var out strings.Builder
			if err := r.nested(func() error { return r.nodes(&out, b.body) }); err != nil {
				return nil, err
			}
			v = out.String()
		}
		var err error
		if v, err = r.access(v, a); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (r *run) access(v any, a accessor) (any, error) {
	if a.index != nil {
		i, err := r.eval(a.index)
		if err != nil {
			return nil, err
		}
		return element(v, i), nil
	}
	if !a.call {
		return member(v, a.name), nil
	}
	args := make([]any, len(a.args))
	for i, e := range a.args {
		var err error
		if args[i], err = r.eval(e); err != nil {
			return nil, err
		}
	}
	v, err := method(v, a.name, args)
	if err != nil {
		return nil, err
	}
	return v, r.weigh(v)
}

// weigh counts long texts as the work that they are, and refuses those that
// outgrow the output.
func (r *run) weigh(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	if len(s) > outputMax {
		return fmt.Errorf("vtl: text of more than %d bytes", outputMax)
	}
	r.steps += len(s) / textPerStep
	return r.step()
}

func element(v, i any) any {
	switch v := v.(type) {
	case *List:
		n, ok := i.(int64)
		if ok && n < 0 {
			n += int64(len(v.Items))
		}
		if ok && n >= 0 && n < int64(len(v.Items)) {
			return v.Items[n]
		}
	case *Map:
		return v.Get(Text(i))
	case Object:
		return v.Member(Text(i))
	}
	return nil
}

func member(v any, name string) any {
	switch v := v.(type) {
	case *Map:
		return v.Get(name)
	case Object:
		return v.Member(name)
	}
	return nil
}

func (r *run) eval(e expr) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case literal:
		return e.value, nil
	case *reference:
		v, err := r.resolve(e)
		if b, ok := v.(block); ok {
			var out strings.Builder
			err = r.nested(func() error { return r.nodes(&out, b.body) })
			v = out.String()
		}
		return v, err
	case quoted:
		var out strings.Builder
		err := r.nodes(&out, e.body.body)
		return out.String(), err
	case listExp:
		out := &List{}
		for _, item := range e.items {
			v, err := r.eval(item)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, v)
		}
		return out, nil
	case mapExp:
		out := NewMap()
		for i := range e.keys {
			k, err := r.eval(e.keys[i])
			if err != nil {
				return nil, err
			}
			v, err := r.eval(e.values[i])
			if err != nil {
				return nil, err
			}
			out.Put(Text(k), v)
		}
		return out, nil
	case rangeOf:
		return r.span(e)
	case unary:
		return r.unary(e)
	case binary:
		return r.binary(e)
	}
	return nil, nil
}

func (r *run) span(e rangeOf) (any, error) {
	a, err := r.eval(e.from)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(e.to)
	if err != nil {
		return nil, err
	}
	from, ok1 := a.(int64)
	to, ok2 := b.(int64)
	if !ok1 || !ok2 {
		return nil, nil
	}
	step := int64(1)
	if to < from {
		step = -1
	}
	out := &List{}
	for i := from; ; i += step {
		if len(out.Items) > roundsMax {
			return nil, fmt.Errorf("vtl: range of more than %d items", roundsMax)
		}
		out.Items = append(out.Items, i)
		if i == to {
			return out, nil
		}
	}
}

func (r *run) unary(e unary) (any, error) {
	v, err := r.eval(e.of)
	if err != nil {
		return nil, err
	}
	if e.op == "!" {
		return !truth(v), nil
	}
	switch n := v.(type) {
	case int64:
		return -n, nil
	case float64:
		return -n, nil
	}
	return nil, nil
}

func (r *run) binary(e binary) (any, error) {
	left, err := r.eval(e.left)
	if err != nil {
		return nil, err
	}
	switch {
	case e.op == "&&" && !truth(left):
		return false, nil
	case e.op == "||" && truth(left):
		return true, nil
	}
	right, err := r.eval(e.right)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "&&", "||":
		return truth(right), nil
	case "==":
		return equal(left, right), nil
	case "!=":
		return !equal(left, right), nil
	case "<", "<=", ">", ">=":
		return compare(e.op, left, right), nil
	}
	v := arithmetic(e.op, left, right)
	return v, r.weigh(v)
}
