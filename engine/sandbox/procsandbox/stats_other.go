//go:build unix && !linux

package procsandbox

import (
	"errors"

	"moln.dev/moln/engine/sandbox"
)

func readStats(int) (sandbox.Stats, error) {
	return sandbox.Stats{}, errors.New("procsandbox: usage is not read on this system")
}
