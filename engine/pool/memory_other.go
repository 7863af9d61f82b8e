//go:build !linux

package pool

// hostMemory is not known here; MaxEnvironments bounds the pool instead.
func hostMemory() int64 { return memoryUnknownBytes }
