package pipeline

import (
	"net/url"
	"strings"
)

// resource is a node of the path tree.
type resource struct {
	static   map[string]*resource
	variable *resource
	greedy   *resource
	name     string // of the variable
	methods  map[string]*method
}

func newResource() *resource {
	return &resource{static: map[string]*resource{}, methods: map[string]*method{}}
}

// at finds or makes the node of a resource's path.
func (r *resource) at(path string) *resource {
	for _, part := range segments(path) {
		inner, isVar := strings.CutPrefix(part, "{")
		inner = strings.TrimSuffix(inner, "}")
		var slot **resource
		switch {
		case isVar && strings.HasSuffix(inner, "+"):
			slot, inner = &r.greedy, strings.TrimSuffix(inner, "+")
		case isVar:
			slot = &r.variable
		default:
			if r.static[part] == nil {
				r.static[part] = newResource()
			}
			r = r.static[part]
			continue
		}
		if *slot == nil {
			*slot = newResource()
			(*slot).name = inner
		}
		r = *slot
	}
	return r
}

func segments(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match finds the resource of a path, static before variable before greedy, and
// its method; nil where there is none. path is escaped, as it was sent.
func (a *API) match(verb, path string) (*method, map[string]string) {
	params := map[string]string{}
	r := a.root.find(segments(path), params)
	if r == nil {
		return nil, nil
	}
	if m := r.methods[verb]; m != nil {
		return m, params
	}
	return r.methods["ANY"], params
}

// find descends; a node without methods is no resource to a request.
func (r *resource) find(parts []string, params map[string]string) *resource {
	if len(parts) == 0 {
		if len(r.methods) == 0 {
			return nil
		}
		return r
	}
	part := decode(parts[0])
	if next := r.static[part]; next != nil {
		if found := next.find(parts[1:], params); found != nil {
			return found
		}
	}
	if next := r.variable; next != nil {
		if found := next.find(parts[1:], params); found != nil {
			params[next.name] = part
			return found
		}
	}
	if next := r.greedy; next != nil && len(next.methods) > 0 {
		params[next.name] = decode(strings.Join(parts, "/"))
		return next
	}
	return nil
}

func decode(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}
