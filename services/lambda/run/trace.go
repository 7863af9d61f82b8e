package run

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A trace header tells which functions a request has come through, and how
// often: Lineage=<all>:<id>:<count>|<id>:<count>. SDKs inside of functions pass
// it on, and so loops are seen that no service of moln sees as a whole.
const (
	// loopMax is how often a function may be in one chain of requests:
	// docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html.
	loopMax     = 16
	lineageMax  = 16 // functions that one header tells of
	lineageText = "Lineage="
)

// TraceHeader is the HTTP header that carries a trace.
const TraceHeader = "X-Amzn-Trace-Id"

// hop is how often a function is in a chain.
type hop struct {
	id    string
	count int
}

// trace is a request's trace header.
type trace struct {
	root    string // "" where there was none that can be kept
	parent  string
	sampled bool
	hops    []hop
}

var (
	rootForm   = regexp.MustCompile(`^1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}$`)
	parentForm = regexp.MustCompile(`^[0-9a-fA-F]{16}$`)
	hopForm    = regexp.MustCompile(`^[0-9a-f]{8}:[0-9]{1,5}$`)
)

// parseTrace reads a header from outside. What it does not understand it leaves
// out: the header is not the caller's to be refused for.
func parseTrace(header string) trace {
	var t trace
	for part := range strings.SplitSeq(header, ";") {
		part = strings.TrimSpace(part)
		if root, ok := strings.CutPrefix(part, "Root="); ok && rootForm.MatchString(root) {
			t.root = root
		}
		if parent, ok := strings.CutPrefix(part, "Parent="); ok && parentForm.MatchString(parent) {
			t.parent = parent
		}
		t.sampled = t.sampled || part == "Sampled=1"
		if lineage, ok := strings.CutPrefix(part, lineageText); ok {
			t.hops = parseHops(lineage)
		}
	}
	if t.root == "" { // then the rest is of no trace
		t.parent, t.sampled = "", false
	}
	return t
}

func parseHops(text string) []hop {
	_, list, ok := strings.Cut(text, ":")
	if !ok {
		return nil
	}
	var out []hop
	for one := range strings.SplitSeq(list, "|") {
		if len(out) == lineageMax || !hopForm.MatchString(one) {
			return out
		}
		id, count, _ := strings.Cut(one, ":")
		n, _ := strconv.Atoi(count)
		out = append(out, hop{id, n})
	}
	return out
}

// lineageID is a function's in lineages.
func lineageID(functionARN string) string {
	sum := sha256.Sum256([]byte(functionARN))
	return hex.EncodeToString(sum[:4])
}

// enter counts a function in, and says how often it is in the chain now. The
// oldest goes where there is no room.
func (t *trace) enter(functionARN string) int {
	id := lineageID(functionARN)
	for i := range t.hops {
		if t.hops[i].id == id {
			t.hops[i].count++
			return t.hops[i].count
		}
	}
	if len(t.hops) >= lineageMax {
		t.hops = t.hops[1:]
	}
	t.hops = append(t.hops, hop{id, 1})
	return 1
}

// header is the trace as it goes on.
func (t trace) header() string {
	sampled, all := 0, 0
	if t.sampled {
		sampled = 1
	}
	list := make([]string, len(t.hops))
	for i, h := range t.hops {
		list[i] = h.id + ":" + strconv.Itoa(h.count)
		all += h.count
	}
	return fmt.Sprintf("Root=%s;Parent=%s;Sampled=%d;%s%d:%s", t.root, t.parent, sampled, lineageText, all, strings.Join(list, "|"))
}
