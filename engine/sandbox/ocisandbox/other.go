//go:build !linux

package ocisandbox

import (
	"errors"

	"moln.dev/moln/engine/sandbox"
)

// Driver exists on Linux only.
type Driver struct{ sandbox.Driver }

// New says so.
func New(string) (*Driver, error) {
	return nil, errors.New("ocisandbox: OCI runtimes are programs of Linux")
}

// Close does nothing.
func (*Driver) Close() error { return nil }
