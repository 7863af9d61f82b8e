//go:build linux

package procsandbox

import (
	"errors"
	"testing"

	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/sandboxtest"
)

func TestDriver(t *testing.T) { sandboxtest.Run(t, sandboxtest.Options{Driver: Driver{}}) }

func TestRefusesARootOfItsOwn(t *testing.T) {
	sb, err := Driver{}.Start(t.Context(), sandbox.Spec{Command: []string{"/bin/true"}, Root: t.TempDir()})
	if !errors.Is(err, sandbox.ErrNoRoot) {
		t.Errorf("%v, %v", sb, err)
	}
}
