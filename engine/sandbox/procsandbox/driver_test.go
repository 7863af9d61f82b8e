//go:build linux

package procsandbox

import (
	"testing"

	"moln.dev/moln/engine/sandbox/sandboxtest"
)

func TestDriver(t *testing.T) { sandboxtest.Run(t, sandboxtest.Options{Driver: Driver{}}) }
