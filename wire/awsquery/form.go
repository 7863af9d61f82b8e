package awsquery

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxParams bounds the parameters of a form: CloudWatch's PutMetricData, the
// widest, has about thirty for each of 1,000 metrics.
const maxParams = 100_000

// maxFields bounds the parts of all names together, and maxParts those of one:
// the tree that they make takes many times the room of the form.
const (
	maxFields = 1 << 20
	maxParts  = 64
)

var (
	errParams = errors.New("the request has too many parameters")
	errDepth  = errors.New("a parameter's name has too many parts")
)

// field is a part of a form: the parameters whose names begin alike.
type field struct {
	value    string
	present  bool // the name itself is a parameter
	children map[string]*field
}

// parse makes a tree of parameters named with dots: Tags.member.1.Key.
func parse(forms ...url.Values) (*field, error) {
	root := &field{}
	n, fields := 0, 0
	for _, form := range forms {
		for name, values := range form {
			if n++; n > maxParams {
				return nil, errParams
			}
			if len(values) == 0 {
				continue
			}
			if strings.Count(name, ".") >= maxParts {
				return nil, errDepth
			}
			at := root
			for part := range strings.SplitSeq(name, ".") {
				if fields++; fields > maxFields {
					return nil, errParams
				}
				at = at.make(part)
			}
			if !at.present {
				at.value, at.present = values[0], true
			}
		}
	}
	return root, nil
}

func (f *field) make(name string) *field {
	c := f.children[name]
	if c == nil {
		c = &field{}
		if f.children == nil {
			f.children = map[string]*field{}
		}
		f.children[name] = c
	}
	return c
}

// child returns the part with the given name, which may itself have dots.
func (f *field) child(name string) *field {
	if c := f.children[name]; c != nil || !strings.Contains(name, ".") {
		return c
	}
	for part := range strings.SplitSeq(name, ".") {
		if f = f.children[part]; f == nil {
			return nil
		}
	}
	return f
}

// items returns the numbered parts in the order of their numbers. Gaps close.
func (f *field) items() []*field {
	if f == nil {
		return nil
	}
	type numbered struct {
		n int
		f *field
	}
	var found []numbered
	for name, c := range f.children {
		if n, err := strconv.Atoi(name); err == nil && n >= 0 {
			found = append(found, numbered{n, c})
		}
	}
	slices.SortFunc(found, func(a, b numbered) int { return a.n - b.n })
	out := make([]*field, len(found))
	for i := range found {
		out[i] = found[i].f
	}
	return out
}
