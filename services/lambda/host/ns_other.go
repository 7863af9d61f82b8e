//go:build !linux

package host

import "moln.dev/moln/engine/sandbox"

// namespaceDriver says that there is none.
func namespaceDriver() (sandbox.Driver, string) {
	return nil, "namespaces are a feature of Linux"
}
