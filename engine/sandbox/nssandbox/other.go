//go:build !linux

package nssandbox

// Main does nothing where there are no namespaces.
func Main() {}
