//go:build !linux

package nssandbox

import (
	"errors"

	"moln.dev/moln/engine/sandbox"
)

// Driver exists on Linux only.
type Driver struct{ sandbox.Driver }

// New says so.
func New() (*Driver, error) {
	return nil, errors.New("nssandbox: namespaces are Linux's")
}

// Close does nothing.
func (*Driver) Close() error { return nil }

// Main does nothing where there are no namespaces.
func Main() {}
