package eventpattern

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vector is a pattern, an event, and what AWS's own matcher makes of them.
type vector struct {
	Pattern, Event string
	Match          *bool
	Error          *string
}

const vectorLineMax = 4 << 20

// isKnown tells the vectors that differ: what an alternative of $or asks of a field
// takes the place there of what the pattern asks of it besides, here both must
// hold; and "ß" is the other case of "SS" there.
func isKnown(pattern string) bool {
	return strings.Contains(pattern, `"name": ["a", "b"],`) || strings.Contains(pattern, "ß")
}

// TestVectors compares with verdicts of AWS's matcher (github.com/aws/event-ruler),
// one JSON object a line in the files *.jsonl of the directory that
// MOLN_EVENT_VECTORS names: {"pattern", "event", "match" or "error"}.
func TestVectors(t *testing.T) {
	dir := os.Getenv("MOLN_EVENT_VECTORS")
	if dir == "" {
		t.Skip("SKIPPED: no vectors: MOLN_EVENT_VECTORS names no directory")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", dir, err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, vectorLineMax)
		var all, matches, errs, wrong, worded int
		for lines.Scan() {
			var v vector
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			if v.Match == nil && v.Error == nil {
				continue // the matcher itself failed
			}
			all++
			p, err := Parse([]byte(v.Pattern), EventBridge)
			got := err == nil && p.Match([]byte(v.Event))
			switch {
			case v.Error != nil:
				errs++
			case *v.Match:
				matches++
			}
			if (err != nil) == (v.Error != nil) && (err != nil || got == *v.Match) {
				if reason := new(Error); errors.As(err, &reason) && reason.Reason != firstLine(*v.Error) {
					worded++
					t.Logf("worded otherwise: %q, want %q", reason.Reason, firstLine(*v.Error))
				}
				continue
			}
			if isKnown(v.Pattern) {
				continue
			}
			if wrong++; wrong <= 40 {
				t.Errorf("%.300s\n on %.300s: %v, %v; want %s", v.Pattern, v.Event, got, err, verdict(v))
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d vectors (%d match, %d are refused), %d differ, %d refusals are worded otherwise", filepath.Base(name), all, matches, errs, wrong, worded)
	}
}

func verdict(v vector) string {
	if v.Error != nil {
		return *v.Error
	}
	if *v.Match {
		return "a match"
	}
	return "no match"
}

// firstLine is a reason without where it is.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
