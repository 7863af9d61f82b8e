package template

import (
	"maps"
	"slices"
	"strings"
)

// Graph is what each active resource waits for.
type Graph map[string][]string

// Graph gives the active resources and their dependencies, by reference and by
// DependsOn. A circle fails and is named.
func (e *Evaluator) Graph() (Graph, error) {
	active := map[string]bool{}
	for _, id := range e.t.IDs() {
		on, err := e.Active(e.t.Resources[id].Condition)
		if err != nil {
			return nil, err
		}
		active[id] = on
	}
	g := Graph{}
	for _, id := range e.t.IDs() {
		if !active[id] {
			continue
		}
		deps := map[string]bool{}
		w := walker{taken: e.Active, visit: func(r reference) error {
			if r.kind != refName && r.kind != refAttribute || e.t.Resources[r.name] == nil {
				return nil
			}
			if !active[r.name] {
				return errUnresolved([]string{r.name}, "Resources")
			}
			deps[r.name] = true
			return nil
		}}
		if err := w.value(e.t.Resources[id].Properties); err != nil {
			return nil, err
		}
		for _, d := range e.t.Resources[id].DependsOn {
			if active[d] {
				deps[d] = true
			}
		}
		g[id] = slices.Sorted(maps.Keys(deps))
	}
	return g, g.check()
}

// Order gives the resources so that each comes after what it waits for.
func (g Graph) Order() []string {
	order, _ := g.sort()
	return order
}

func (g Graph) check() error {
	order, left := g.sort()
	if len(order) == len(g) {
		return nil
	}
	return errorf("Circular dependency between resources: [%s]", strings.Join(left, ", "))
}

// sort peels off what waits for nothing; left are the resources in circles and
// those that wait for them.
func (g Graph) sort() (order, left []string) {
	waiting := map[string]int{}
	dependents := g.Reverse()
	var ready []string
	for _, id := range slices.Sorted(maps.Keys(g)) {
		n := 0
		for _, d := range g[id] {
			if _, in := g[d]; in {
				n++
			}
		}
		waiting[id] = n
		if n == 0 {
			ready = append(ready, id)
		}
	}
	for len(ready) > 0 {
		id := ready[0]
		ready = ready[1:]
		order = append(order, id)
		delete(waiting, id)
		for _, d := range dependents[id] {
			if waiting[d]--; waiting[d] == 0 {
				ready = append(ready, d)
			}
		}
	}
	return order, slices.Sorted(maps.Keys(waiting))
}

// Reverse gives, for each resource, those that wait for it: the order of
// deletion.
func (g Graph) Reverse() Graph {
	out := make(Graph, len(g))
	for id := range g {
		out[id] = nil
	}
	for id, deps := range g {
		for _, d := range deps {
			if _, in := g[d]; in {
				out[d] = append(out[d], id)
			}
		}
	}
	for id := range out {
		slices.Sort(out[id])
	}
	return out
}
