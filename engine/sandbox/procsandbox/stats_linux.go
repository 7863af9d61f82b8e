package procsandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"moln.dev/moln/engine/sandbox"
)

// readStats reads the guest's first process only.
func readStats(pid int) (sandbox.Stats, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return sandbox.Stats{}, fmt.Errorf("procsandbox: %w", err)
	}
	return sandbox.Stats{
		MemoryBytes: kib(string(data), "VmRSS:"), MemoryPeakBytes: kib(string(data), "VmHWM:"), Processes: 1,
	}, nil
}

func kib(text, key string) int64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
