package template

import (
	"strings"
	"testing"
	"time"
)

// parseMax is far more than a refusal takes, and far less than the parser would
// take for what is refused.
const parseMax = 5 * time.Second

// TestBombsAreRefusedBeforeTheyAreParsed: the size of these is legal.
func TestBombsAreRefusedBeforeTheyAreParsed(t *testing.T) {
	const n = 400_000
	for name, body := range map[string]string{
		"brackets in JSON":               `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}",
		"brackets on one line":           "a: " + strings.Repeat("[", n) + strings.Repeat("]", n),
		"braces":                         "a: " + strings.Repeat("{a: ", n/8) + strings.Repeat("}", n/8),
		"closed first, then opened":      "a: '" + strings.Repeat("]", n) + "'\nb: " + strings.Repeat("[", n),
		"brackets on lines of their own": "a: " + strings.Repeat("[\n ", n) + strings.Repeat("]", n),
		"aliases":                        "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if _, err := parseValue(body); err == nil {
				t.Error("accepted")
			}
			if took := time.Since(began); took > parseMax {
				t.Errorf("took %v", took)
			}
		})
	}
}
