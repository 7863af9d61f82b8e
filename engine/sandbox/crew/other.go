//go:build !unix

package crew

// Main does nothing where there are no crews.
func Main() {}
