package nssandbox

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/engine/sandbox"
)

// Field positions in /proc/<pid>/statm and the unit of times in /proc/<pid>/stat.
const (
	statmResident = 1
	statmShared   = 2
	ticksPerSec   = 100
)

// watch ends a guest that outgrows its memory. The kernel's own limit stands
// further out, because it counts /tmp too.
func (sb *box) watch() {
	if sb.spec.MemoryBytes == 0 {
		return
	}
	fence := memoryFence(sb.spec.MemoryBytes)
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-sb.done:
			return
		case <-ticker.C:
		}
		if sb.frozen.Load() || sb.privateMemory(fence) <= fence {
			continue
		}
		sb.starved.Store(true)
		_ = sb.process.Kill()
		return
	}
}

// privateMemory is the guest's own memory. While the group's total is below the
// fence that total is answer enough, and the cheapest.
func (sb *box) privateMemory(fence int64) int64 {
	if sb.guarded {
		return sb.guardedMemory()
	}
	if sb.group != nil {
		used, ok := sb.group.Memory()
		if ok && used <= fence {
			return used
		}
		if anonymous, has := sb.group.Anonymous(); ok && has {
			return anonymous
		}
	}
	var total int64
	for _, pid := range descendants(sb.process.Pid) {
		resident, shared := statm(pid)
		total += resident - shared
	}
	return total
}

// Stats reads the guest's processes; neither the helper nor a crew's supervisor is
// counted.
func (sb *box) Stats() (sandbox.Stats, error) {
	var s sandbox.Stats
	select {
	case <-sb.done:
		s.MemoryPeakBytes = sb.peak.Load()
		return s, nil
	default:
	}
	var peak int64
	for _, pid := range sb.processes() {
		name, resident, most := memoryOf(pid)
		if name == sandbox.SupervisorName {
			continue
		}
		s.MemoryBytes += resident
		peak += most
		s.CPUTime += cpuTime(pid)
		s.Processes++
	}
	if sb.guarded && sb.group != nil {
		// Its kernel's processes share the guest's memory, which would count
		// once for each.
		if used, ok := sb.group.Memory(); ok {
			s.MemoryBytes = used
			peak = max(used, sb.group.MemoryPeak())
		}
	}
	for old := sb.peak.Load(); peak > old && !sb.peak.CompareAndSwap(old, peak); old = sb.peak.Load() {
	}
	s.MemoryPeakBytes = sb.peak.Load()
	if sb.group != nil {
		s.OOMKills = sb.group.OOMKills()
	}
	return s, nil
}

// processes are the host's pids of the guest's processes. To ask the group takes one
// file, to walk the tree some for each thread.
func (sb *box) processes() []int {
	if sb.group != nil {
		if all, ok := sb.group.Processes(); ok {
			return slices.DeleteFunc(all, func(pid int) bool { return pid == sb.process.Pid })
		}
	}
	return descendants(sb.process.Pid)
}

// descendants are the host's pids of what pid started, directly or not.
func descendants(pid int) []int {
	var all []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, word := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				continue
			}
			all = append(all, child)
			all = append(all, descendants(child)...)
		}
	}
	return all
}

func statm(pid int) (resident, shared int64) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(data))
	if len(fields) <= statmShared {
		return 0, 0
	}
	page := int64(os.Getpagesize())
	resident, _ = strconv.ParseInt(fields[statmResident], 10, 64)
	shared, _ = strconv.ParseInt(fields[statmShared], 10, 64)
	return resident * page, shared * page
}

// memoryOf is a process's name, what it has resident, and the most it ever had.
func memoryOf(pid int) (name string, resident, most int64) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			name = value
		case "VmHWM":
			most = kibibytes(value)
		case "VmRSS":
			return name, kibibytes(value), most
		}
	}
	return name, resident, most
}

func kibibytes(value string) int64 {
	kib, _ := strconv.ParseInt(strings.TrimSuffix(value, " kB"), 10, 64)
	return kib << 10
}

func cpuTime(pid int) time.Duration {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	const user, system = 11, 12 // counted from the state, which follows the name
	if !ok || len(fields) <= system {
		return 0
	}
	u, _ := strconv.ParseInt(fields[user], 10, 64)
	s, _ := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * time.Second / ticksPerSec
}
