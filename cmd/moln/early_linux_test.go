package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The helper of sandboxes must have taken over before the packages are
// initialised that take long, all of which come after this one.
func TestHelperComesEarly(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var order []string
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "init "); ok {
			name, _, _ := strings.Cut(rest, " ")
			order = append(order, name)
		}
	}
	helper := slices.Index(order, "moln.dev/moln/engine/sandbox/nssandbox/inside")
	slow := slices.Index(order, "encoding/json")
	if helper < 0 || slow < 0 || helper > slow {
		t.Errorf("the helper is initialised as number %d of %d, encoding/json as %d: has it a new import?", helper, len(order), slow)
	}
}
