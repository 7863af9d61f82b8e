package runtimes

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The first bootstrap that is there is the one, also where it cannot be executed.
func TestCustomTakesTheFirstBootstrap(t *testing.T) {
	const absent = 0
	for name, c := range map[string]struct {
		code, layers os.FileMode
		status       int
	}{
		"code's":               {0o755, absent, 7},
		"layers'":              {absent, 0o755, 8},
		"both":                 {0o755, 0o755, 7},
		"none":                 {absent, absent, ExitNoBootstrap},
		"code's is denied":     {0o644, absent, ExitDeniedInCode},
		"no second choice":     {0o644, 0o755, ExitDeniedInCode},
		"layers' is denied":    {absent, 0o644, ExitDeniedInLayers},
		"layers' is not asked": {0o755, 0o644, 7},
	} {
		t.Run(name, func(t *testing.T) {
			code, layers := filepath.Join(t.TempDir(), "bootstrap"), filepath.Join(t.TempDir(), "bootstrap")
			for path, mode := range map[string]os.FileMode{code: c.code, layers: c.layers} {
				exit := "exit 7"
				if path == layers {
					exit = "exit 8"
				}
				if mode == absent {
					continue
				}
				if err := os.WriteFile(path, []byte("#!/bin/sh\n"+exit+"\n"), mode); err != nil {
					t.Fatal(err)
				}
			}
			command := Custom().Command
			command = append(command[:len(command)-2:len(command)-2], code, layers)
			run := exec.Command(command[0], command[1:]...)
			out, _ := run.CombinedOutput()
			if got := run.ProcessState.ExitCode(); got != c.status {
				t.Errorf("exit %d, want %d: %s", got, c.status, out)
			}
		})
	}
}
