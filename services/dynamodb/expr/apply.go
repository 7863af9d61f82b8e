package expr

import (
	"slices"

	"moln.dev/moln/services/dynamodb/item"
)

const (
	errMissing = "The provided expression refers to an attribute that does not exist in the item"
	errOperand = "An operand in the update expression has an incorrect data type"
	errBadPath = "The document path provided in the update expression is invalid for update"
)

// Apply returns the item that the update makes of m, which stays as it is. All
// operands are read from m, before any change.
func (u *Update) Apply(m item.Map) (item.Map, error) {
	out := m.Clone()
	values := make([]item.Value, len(u.Sets))
	for i, a := range u.Sets {
		v, err := a.Term.eval(m)
		if err != nil {
			return nil, err
		}
		if v.Kind == 0 {
			return nil, invalid("%s", errMissing)
		}
		values[i] = v.Clone()
	}
	// Elements of one list that are set beyond its end are appended in the
	// order of their indexes.
	order := make([]int, len(u.Sets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return lastIndex(u.Sets[i].Path) - lastIndex(u.Sets[j].Path) })
	var err error
	for _, i := range order {
		if out, err = set(out, u.Sets[i].Path, values[i]); err != nil {
			return nil, err
		}
	}
	for _, a := range u.Adds {
		if out, err = add(out, a); err != nil {
			return nil, err
		}
	}
	for _, a := range u.Deletes {
		if out, err = deleteElements(out, a); err != nil {
			return nil, err
		}
	}
	return removeAll(out, u.Removes)
}

func lastIndex(p Path) int {
	if s := p[len(p)-1]; s.Name == "" {
		return s.Index
	}
	return -1
}

// eval gives the term's value for the item; Kind zero is no value.
func (t *Term) eval(m item.Map) (item.Value, error) {
	switch t.Op {
	case "":
		if v := t.get(m); v != nil {
			return *v, nil
		}
		return item.Value{}, nil
	case "if_not_exists":
		if v := t.Args[0].get(m); v != nil {
			return *v, nil
		}
		return t.Args[1].eval(m)
	}
	a, err := t.Args[0].eval(m)
	if err != nil {
		return a, err
	}
	b, err := t.Args[1].eval(m)
	if err != nil {
		return b, err
	}
	switch {
	case a.Kind == 0 || b.Kind == 0:
		return a, invalid("%s", errMissing)
	case t.Op == "list_append":
		if a.Kind != item.List || b.Kind != item.List {
			return a, invalid("%s", errOperand)
		}
		return item.Value{Kind: item.List, List: slices.Concat(a.List, b.List)}, nil
	case a.Kind != item.Number || b.Kind != item.Number:
		return a, invalid("%s", errOperand)
	}
	n, err := item.Add(a.Text, b.Text, t.Op == "-")
	return item.Value{Kind: item.Number, Text: n}, err
}

// set puts v at path; what it lies in must be there.
func set(m item.Map, path Path, v item.Value) (item.Map, error) {
	if len(path) == 1 {
		return m.Set(path[0].Name, v), nil
	}
	parent := path[:len(path)-1].Get(m)
	last := path[len(path)-1]
	switch {
	case parent == nil:
		return nil, invalid("%s", errBadPath)
	case last.Name != "" && parent.Kind == item.MapKind:
		parent.Map = parent.Map.Set(last.Name, v)
	case last.Name == "" && parent.Kind == item.List:
		if last.Index < len(parent.List) {
			parent.List[last.Index] = v
		} else {
			parent.List = append(parent.List, v)
		}
	default:
		return nil, invalid("%s", errBadPath)
	}
	return m, nil
}

func add(m item.Map, a ValueAction) (item.Map, error) {
	have := a.Path.Get(m)
	switch {
	case have == nil:
		return set(m, a.Path, a.Value.Clone())
	case have.Kind != a.Value.Kind:
		return nil, invalid("%s", errOperand)
	case have.Kind == item.Number:
		n, err := item.Add(have.Text, a.Value.Text, false)
		if err != nil {
			return nil, err
		}
		have.Text = n
	case have.Kind == item.List: // only AttributeUpdates can say that
		have.List = append(have.List, a.Value.List...)
	default:
		*have = item.NewSet(have.Kind, slices.Concat(have.Set, a.Value.Set))
	}
	return m, nil
}

func deleteElements(m item.Map, a ValueAction) (item.Map, error) {
	have := a.Path.Get(m)
	if have == nil {
		if !reaches(m, a.Path) {
			return nil, invalid("%s", errBadPath)
		}
		return m, nil
	}
	if have.Kind != a.Value.Kind {
		return nil, invalid("%s", errOperand)
	}
	left := slices.DeleteFunc(slices.Clone(have.Set), func(e string) bool { return slices.Contains(a.Value.Set, e) })
	if len(left) == 0 {
		return removeAll(m, []Path{a.Path})
	}
	have.Set = left
	return m, nil
}

// reaches reports whether what a path's last step lies in is there, and of the
// right kind.
func reaches(m item.Map, p Path) bool {
	if len(p) == 1 {
		return true
	}
	parent := p[:len(p)-1].Get(m)
	if p[len(p)-1].Name != "" {
		return parent != nil && parent.Kind == item.MapKind
	}
	return parent != nil && parent.Kind == item.List
}

// removeAll removes paths, later list elements first so that the indexes of
// all are those of the item as it was.
func removeAll(m item.Map, paths []Path) (item.Map, error) {
	paths = slices.Clone(paths)
	slices.SortStableFunc(paths, func(a, b Path) int { return lastIndex(b) - lastIndex(a) })
	for _, p := range paths {
		if len(p) == 1 {
			m = m.Delete(p[0].Name)
			continue
		}
		parent := p[:len(p)-1].Get(m)
		last := p[len(p)-1]
		switch {
		case parent == nil:
			return nil, invalid("%s", errBadPath)
		case last.Name != "" && parent.Kind == item.MapKind:
			parent.Map = parent.Map.Delete(last.Name)
		case last.Name == "" && parent.Kind == item.List:
			if last.Index < len(parent.List) {
				parent.List = slices.Delete(parent.List, last.Index, last.Index+1)
			}
		default:
			return nil, invalid("%s", errBadPath)
		}
	}
	return m, nil
}
