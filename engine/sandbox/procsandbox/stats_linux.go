package procsandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"moln.dev/moln/engine/sandbox"
)

// readStats reads the guest's first process only; where that watches over others,
// those instead.
func readStats(pid int) (sandbox.Stats, error) {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return sandbox.Stats{}, fmt.Errorf("procsandbox: %w", err)
	}
	pids := []string{strconv.Itoa(pid)}
	if strings.TrimSpace(string(name)) == sandbox.SupervisorName {
		pids = children(pid)
	}
	var s sandbox.Stats
	for _, pid := range pids {
		data, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			continue // it has just ended
		}
		s.MemoryBytes += kib(string(data), "VmRSS:")
		s.MemoryPeakBytes += kib(string(data), "VmHWM:")
		s.Processes++
	}
	return s, nil
}

// children are the processes that the threads of pid started.
func children(pid int) []string {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	var list []string
	for _, task := range tasks {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		list = append(list, strings.Fields(string(data))...)
	}
	return list
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
