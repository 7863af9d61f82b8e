package pool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A wrapper gets the runtime's command as its arguments, and may change how it
// starts.
func TestWrapper(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		mode         os.FileMode
		outcome      Outcome
		status       int
		log          string
	}{
		{"runs", "#!/bin/sh\nexport ADDED=yes\necho wrapped \"$#\" >&2\nexec \"$@\"\n", 0o755, Succeeded, 0, "wrapped 2"},
		{"is none", "", 0, InitExited, 127, "/opt/wrapper: does not exist"},
		{"is no program", "x", 0o644, InitExited, 126, "/opt/wrapper: is not an executable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t, nil)
			tmpl := h.template(t, "nodejs20.x", `exports.handler = async () => process.env.ADDED;`)
			tmpl.LayerDir = t.TempDir()
			if tc.mode != 0 {
				if err := os.WriteFile(filepath.Join(tmpl.LayerDir, "wrapper"), []byte(tc.script), tc.mode); err != nil {
					t.Fatal(err)
				}
			}
			tmpl.Env["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/wrapper"
			r := h.call(t, tmpl, "{}", 5*time.Second)
			if r.Outcome != tc.outcome || r.Exit.Status != tc.status || !strings.Contains(h.logged(), tc.log) {
				t.Errorf("%v %v\n%s", r.Outcome, r.Exit, h.logged())
			}
			if tc.outcome == Succeeded && string(r.Payload) != `"yes"` {
				t.Errorf("%s", r.Payload)
			}
		})
	}
}
