package run

import (
	"regexp"
	"strings"
)

var (
	rootPattern   = regexp.MustCompile(`^1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}$`)
	parentPattern = regexp.MustCompile(`^[0-9a-fA-F]{16}$`)
)

// traceHeader is what of an X-Ray header a function gets: its trace, its parent
// and its decision. "" where there is no trace in it.
func traceHeader(given string) string {
	var root, parent, lineage string
	sampled := "0"
	for part := range strings.SplitSeq(given, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "Root" && rootPattern.MatchString(value):
			root = value
		case name == "Parent" && parentPattern.MatchString(value):
			parent = value
		case name == "Sampled" && value == "1":
			sampled = value
		case name == "Lineage" && len(value) <= lineageMax && !strings.ContainsAny(value, "\r\n"):
			lineage = value
		}
	}
	if root == "" {
		return ""
	}
	out := "Root=" + root
	if parent != "" {
		out += ";Parent=" + parent
	}
	out += ";Sampled=" + sampled
	if lineage != "" {
		out += ";Lineage=" + lineage
	}
	return out
}

// lineageMax bounds what is passed on of the functions a trace went through.
const lineageMax = 256

// TraceHeader is the HTTP header that carries a trace.
const TraceHeader = "X-Amzn-Trace-Id"
