// Package route finds the operation of a REST service that a request means, by
// the URI patterns of the service's model.
//
// It matches method, path, query and headers only. Which service a request is
// for, and what a bucket in the host name means, the gateway has settled before.
package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"moln.dev/moln/aws/smithy"
)

// Router holds the compiled patterns of one service. It is immutable and safe
// for concurrent use.
type Router struct {
	byMethod map[string][]*pattern // most specific first
}

// segment is one part of a path between slashes.
type segment struct {
	kind segmentKind
	text string // the literal, or the label's name
}

// segmentKind orders segments: the more specific is the smaller.
type segmentKind uint8

const (
	literal segmentKind = iota
	label
	greedy // the rest of the path
)

// condition is a query parameter or header that must be there.
type condition struct {
	name  string
	value string
	any   bool // whatever its value
}

// pattern is what a request must look like to mean an operation.
type pattern struct {
	op       *smithy.Operation
	segments []segment
	query    []condition // literals of the URI
	needs    []condition // required query members of the input
	headers  []string    // required headers of the input
}

// New compiles the operations of a service.
func New(svc *smithy.Service) *Router {
	r := &Router{byMethod: map[string][]*pattern{}}
	for i := range svc.Operations {
		op := &svc.Operations[i]
		r.byMethod[op.Method] = append(r.byMethod[op.Method], compile(svc, op))
	}
	for _, ps := range r.byMethod {
		slices.SortStableFunc(ps, compare)
	}
	return r
}

func compile(svc *smithy.Service, op *smithy.Operation) *pattern {
	path, query, _ := strings.Cut(op.URI, "?")
	p := &pattern{op: op}
	for s := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case s == "":
		case strings.HasPrefix(s, "{") && strings.HasSuffix(s, "+}"):
			p.segments = append(p.segments, segment{greedy, s[1 : len(s)-2]})
		case strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}"):
			p.segments = append(p.segments, segment{label, s[1 : len(s)-1]})
		default:
			p.segments = append(p.segments, segment{literal, s})
		}
	}
	for q := range strings.SplitSeq(query, "&") {
		if q == "" {
			continue
		}
		name, value, _ := strings.Cut(q, "=")
		p.query = append(p.query, condition{name: unescape(name), value: unescape(value), any: value == ""})
	}
	p.require(svc.Shape(op.Input))
	return p
}

// require notes the members that tell operations of one path apart.
func (p *pattern) require(in *smithy.Shape) {
	for i := range in.Members {
		m := &in.Members[i]
		if !m.Has(smithy.Required) {
			continue
		}
		switch m.Location {
		case smithy.InQuery:
			p.needs = append(p.needs, condition{name: m.WireName, any: true})
		case smithy.InHeader:
			p.headers = append(p.headers, http.CanonicalHeaderKey(m.WireName))
		}
	}
}

// compare orders patterns from the most to the least specific: literals in the
// path before labels before the rest, then the one which asks for more.
func compare(a, b *pattern) int {
	for i := range min(len(a.segments), len(b.segments)) {
		if d := int(a.segments[i].kind) - int(b.segments[i].kind); d != 0 {
			return d
		}
	}
	if d := len(b.segments) - len(a.segments); d != 0 {
		return d
	}
	if d := len(b.query) - len(a.query); d != 0 {
		return d
	}
	if d := len(b.needs) + len(b.headers) - len(a.needs) - len(a.headers); d != 0 {
		return d
	}
	switch {
	case b.op.Deprecated && !a.op.Deprecated:
		return -1
	case a.op.Deprecated && !b.op.Deprecated:
		return 1
	}
	return 0
}

// idParam is a query parameter by which the SDKs name the operation they mean.
// It decides only between operations that nothing else tells apart.
const idParam = "x-id"

// Match finds the operation that a request means, and its labels, each
// percent-decoded once. The path is as it stands in the request line, still
// escaped, without the query.
//
// Where several operations fit, the most specific wins: literal path segments
// over labels, then literal query parameters, then required query and header
// members that are present. A request which lacks required members means the
// operation that asks for the fewest, so that the constraint check can name what
// is missing.
func (r *Router) Match(method, escapedPath string, query url.Values, header http.Header) (*smithy.Operation, map[string]string, bool) {
	var best, incomplete *pattern
	wanted := query.Get(idParam)
	for _, p := range r.byMethod[method] {
		if best != nil && (wanted == "" || compare(best, p) != 0) {
			break
		}
		if best != nil && p.op.Name != wanted {
			continue
		}
		if !p.matchQuery(query) || !p.matchPath(escapedPath, nil) {
			continue
		}
		if p.complete(query, header) {
			best = p
			continue
		}
		if incomplete == nil || p.asksLess(incomplete) {
			incomplete = p
		}
	}
	if best == nil {
		best = incomplete
	}
	if best == nil {
		return nil, nil, false
	}
	labels := make(map[string]string, len(best.segments))
	best.matchPath(escapedPath, labels)
	return best.op, labels, true
}

// asksLess reports whether p is as specific as q in path and literals but has
// fewer required members.
func (p *pattern) asksLess(q *pattern) bool {
	if len(p.query) != len(q.query) || len(p.segments) != len(q.segments) {
		return false
	}
	for i := range p.segments {
		if p.segments[i].kind != q.segments[i].kind {
			return false
		}
	}
	return len(p.needs)+len(p.headers) < len(q.needs)+len(q.headers)
}

func (p *pattern) matchQuery(query url.Values) bool {
	for _, c := range p.query {
		values, ok := query[c.name]
		if !ok || (!c.any && !slices.Contains(values, c.value)) {
			return false
		}
	}
	return true
}

func (p *pattern) complete(query url.Values, header http.Header) bool {
	for _, c := range p.needs {
		if _, ok := query[c.name]; !ok {
			return false
		}
	}
	for _, h := range p.headers {
		if _, ok := header[h]; !ok {
			return false
		}
	}
	return true
}

// matchPath compares the path to the pattern and, where labels is not nil, notes
// the labels' values. One slash at the end is ignored, except in a greedy label.
func (p *pattern) matchPath(path string, labels map[string]string) bool {
	rest, found := strings.CutPrefix(path, "/")
	if !found && path != "" {
		return false
	}
	more := rest != "" // a segment is still to come
	for i, s := range p.segments {
		if !more {
			return false
		}
		if s.kind == greedy {
			after := len(p.segments) - i - 1
			value, tail, ok := splitGreedy(rest, after)
			if !ok || value == "" {
				return false
			}
			if labels != nil {
				labels[s.text] = unescape(value)
			}
			rest, more = tail, after > 0
			continue
		}
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		if !s.match(seg, labels) {
			return false
		}
	}
	return !more || rest == ""
}

func (s segment) match(text string, labels map[string]string) bool {
	if s.kind == literal {
		return text == s.text || unescape(text) == s.text
	}
	if text == "" {
		return false
	}
	if labels != nil {
		labels[s.text] = unescape(text)
	}
	return true
}

// splitGreedy leaves the last n segments of a path to the pattern's segments
// after a greedy label.
func splitGreedy(path string, n int) (value, tail string, ok bool) {
	end := len(path)
	for range n {
		if end = strings.LastIndexByte(path[:end], '/'); end < 0 {
			return "", "", false
		}
	}
	if n == 0 {
		return path, "", true
	}
	return path[:end], path[end+1:], true
}

// unescape decodes percent escapes once. Text that is not well escaped stands
// for itself.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return out
}
