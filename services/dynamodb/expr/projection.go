package expr

import (
	"slices"

	"moln.dev/moln/services/dynamodb/item"
)

// Projection is the paths that an answer is to hold.
type Projection struct {
	Paths []Path
	root  node
}

// node is one step of several paths at once.
type node struct {
	leaf  bool
	names []namedNode
	index []indexNode
}

type namedNode struct {
	name string
	node *node
}

type indexNode struct {
	index int
	node  *node
}

// Projection parses a projection expression.
func (s *Scope) Projection(src string) (*Projection, error) {
	paths, err := parse(s, "ProjectionExpression", src, func(p *parser) ([]Path, error) {
		var out []Path
		for {
			path, err := p.path()
			if err != nil {
				return nil, err
			}
			out = append(out, path)
			if !p.op(",") {
				return out, overlaps(out)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return NewProjection(paths), nil
}

// NewProjection makes a projection of paths that do not overlap.
func NewProjection(paths []Path) *Projection {
	p := &Projection{Paths: paths}
	for _, path := range paths {
		n := &p.root
		for _, s := range path {
			n = n.child(s)
		}
		n.leaf = true
	}
	return p
}

func (n *node) child(s Step) *node {
	if s.Name != "" {
		for _, c := range n.names {
			if c.name == s.Name {
				return c.node
			}
		}
		c := namedNode{s.Name, new(node)}
		n.names = append(n.names, c)
		return c.node
	}
	for _, c := range n.index {
		if c.index == s.Index {
			return c.node
		}
	}
	c := indexNode{s.Index, new(node)}
	n.index = append(n.index, c)
	slices.SortFunc(n.index, func(a, b indexNode) int { return a.index - b.index })
	return c.node
}

// Apply returns the part of an item that the projection names. Values are
// shared with m.
func (p *Projection) Apply(m item.Map) item.Map {
	if p == nil {
		return m
	}
	return p.root.attributes(m)
}

func (n *node) attributes(m item.Map) item.Map {
	out := make(item.Map, 0, len(n.names))
	for _, c := range n.names {
		v := m.Get(c.name)
		if v == nil {
			continue
		}
		if part, ok := c.node.part(v); ok {
			out = out.Set(c.name, part)
		}
	}
	return out
}

// part is what of v lies below the node.
func (n *node) part(v *item.Value) (item.Value, bool) {
	switch {
	case n.leaf:
		return *v, true
	case v.Kind == item.MapKind && len(n.names) > 0:
		m := n.attributes(v.Map)
		return item.Value{Kind: item.MapKind, Map: m}, len(m) > 0
	case v.Kind == item.List && len(n.index) > 0:
		out := item.Value{Kind: item.List}
		for _, c := range n.index {
			if c.index >= len(v.List) {
				break
			}
			if part, ok := c.node.part(&v.List[c.index]); ok {
				out.List = append(out.List, part)
			}
		}
		return out, len(out.List) > 0
	}
	return item.Value{}, false
}

// overlaps complains of paths of which one lies in another, or which take one
// value for both a map and a list.
func overlaps(paths []Path) error {
	for i, a := range paths {
		for _, b := range paths[i+1:] {
			if err := overlap(a, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func overlap(a, b Path) error {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if (a[i].Name == "") != (b[i].Name == "") {
			return invalid("Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", a, b)
		}
		return nil
	}
	return invalid("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", a, b)
}
