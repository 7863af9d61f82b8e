package run

import "moln.dev/moln/services/lambda/fn"

// Loops says that an event with this trace header has come through a function as
// often as it may, and so would not be admitted again.
func Loops(header string, r fn.Ref) bool {
	t := parseTrace(header)
	return t.enter(r.Unqualified().ARN()) > loopMax
}

// JoinTraces is the trace header for a batch of events that came with these: that
// of the first which has one, with each function counted as often as in any of
// them.
func JoinTraces(headers []string) string {
	var out trace
	for _, h := range headers {
		if h == "" {
			continue
		}
		t := parseTrace(h)
		if out.root == "" {
			out.root, out.parent, out.sampled = t.root, t.parent, t.sampled
		}
		for _, one := range t.hops {
			out.count(one)
		}
	}
	if out.root == "" && len(out.hops) == 0 {
		return ""
	}
	return out.header()
}

// count makes a function's count at least that of a hop.
func (t *trace) count(h hop) {
	for i := range t.hops {
		if t.hops[i].id == h.id {
			t.hops[i].count = max(t.hops[i].count, h.count)
			return
		}
	}
	if len(t.hops) < lineageMax {
		t.hops = append(t.hops, h)
	}
}

// PassedOn is the trace header of what Lambda itself sends on for a function that
// has had an event.
func (e *Engine) PassedOn(inv Invocation) string { return e.traceOf(inv) }
