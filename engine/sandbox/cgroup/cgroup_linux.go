package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits are what New enforces; 0 means no limit.
type Limits struct {
	MemoryBytes int64
	CPUMilli    int
	Processes   int
	// CPUWeight is the share of contended cores beside other groups, in the
	// unit of CPUMilli.
	CPUWeight int
}

const (
	// cpuPeriod is short so that a small quota does not freeze a guest for
	// most of a tenth of a second at a time.
	cpuPeriod = 20 * time.Millisecond
	// Weights by cgroup v2 and shares by v1, from the kernel's documentation.
	weightDefault, weightMin, weightMax = 100, 1, 10_000
	sharesDefault, sharesMin, sharesMax = 1024, 2, 262_144
	// quotaMin is the least the kernel takes.
	quotaMin = time.Millisecond
	// removeTries bounds the wait for the kernel to let go of an emptied group.
	removeTries = 500
	removePause = 2 * time.Millisecond
)

// Manager owns one directory per hierarchy, in which its groups live.
type Manager struct {
	unified string            // v2 directory of ours, "" if none
	v2      map[string]bool   // controllers v2 gives our groups
	v1      map[string]string // controller to directory of ours
	missing map[string]string // feature to reason
	next    atomic.Int64
}

// Open finds and tries the hierarchies. It never fails: what is not to be had is
// in Missing.
func Open() *Manager {
	m := &Manager{v2: map[string]bool{}, v1: map[string]string{}, missing: map[string]string{}}
	mounts := readMounts("/proc/self/mounts")
	own := readOwn("/proc/self/cgroup")
	name := fmt.Sprintf("moln-%d", os.Getpid())
	if mounts.unified != "" {
		m.openUnified(mounts.unified, own[""], name)
	}
	for _, controller := range []string{"memory", "cpu", "pids", "freezer"} {
		if m.v2[controller] {
			continue
		}
		mountPoint, ok := mounts.v1[controller]
		if !ok {
			m.missing[controller] = "no cgroup hierarchy offers this controller to moln (systemd: Delegate=cpu memory pids)"
			continue
		}
		dir, err := makeBase(mountPoint, own[controller], name)
		if err != nil {
			m.missing[controller] = fmt.Sprintf("cgroup v1 %s: %v", controller, err)
			continue
		}
		m.v1[controller] = dir
	}
	if m.unified != "" {
		delete(m.missing, "freezer")
	}
	return m
}

func (m *Manager) openUnified(mountPoint, own, name string) {
	dir, err := makeBase(mountPoint, own, name)
	if err != nil {
		m.missing["unified"] = fmt.Sprintf("cgroup v2: %v", err)
		return
	}
	m.unified = dir
	available, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, controller := range strings.Fields(string(available)) {
		enable := []byte("+" + controller)
		if os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), enable, 0) == nil {
			m.v2[controller] = true
		}
	}
}

// makeBase makes our directory below the daemon's own group, else below the
// root of the hierarchy, and clears what dead daemons left there.
func makeBase(mountPoint, own, name string) (string, error) {
	var first error
	for _, parent := range []string{filepath.Join(mountPoint, own), mountPoint} {
		sweep(parent)
		dir := filepath.Join(parent, name)
		err := os.Mkdir(dir, 0o755)
		if err == nil || errors.Is(err, os.ErrExist) {
			return dir, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

// sweep removes the empty groups of daemons that are no more. A group with
// processes cannot be removed, so a wrong guess does no harm.
func sweep(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, "moln-[0-9]*"))
	for _, dir := range old {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "moln-"))
		if err != nil || syscall.Kill(pid, 0) != syscall.ESRCH {
			continue
		}
		leaves, _ := filepath.Glob(filepath.Join(dir, "[0-9]*"))
		for _, leaf := range leaves {
			// Guests were killed with their daemon, but the frozen die only
			// when they are thawed, by version 1.
			_ = write(leaf, "freezer.state", "THAWED")
			if err := syscall.Rmdir(leaf); err == syscall.EBUSY {
				_ = remove(leaf)
			}
		}
		_ = syscall.Rmdir(dir)
	}
}

// Has says how a feature (memory, cpu, pids, freezer) is enforced, or why not.
func (m *Manager) Has(feature string) (how string, ok bool) {
	if feature == "freezer" && m.unified != "" {
		return "cgroup v2", true
	}
	if m.v2[feature] {
		return "cgroup v2", true
	}
	if _, found := m.v1[feature]; found {
		return "cgroup v1", true
	}
	if reason := m.missing[feature]; reason != "" {
		return reason, false
	}
	return "not offered by this host", false
}

// Close removes the manager's directories; groups must be closed before.
func (m *Manager) Close() error {
	var first error
	for _, dir := range m.dirs() {
		// What a group could not remove in its time goes now.
		leaves, _ := filepath.Glob(filepath.Join(dir, "[0-9]*"))
		for _, leaf := range leaves {
			_ = remove(leaf)
		}
		if err := remove(dir); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (m *Manager) dirs() []string {
	var all []string
	if m.unified != "" {
		all = append(all, m.unified)
	}
	for _, dir := range m.v1 {
		all = append(all, dir)
	}
	return all
}

// New makes a group with limits. It returns nil and no error where the host
// offers nothing at all.
func (m *Manager) New(limits Limits) (*Group, error) {
	if len(m.dirs()) == 0 {
		return nil, nil
	}
	g := &Group{m: m, name: strconv.FormatInt(m.next.Add(1), 10)}
	for _, base := range m.dirs() {
		if err := os.Mkdir(filepath.Join(base, g.name), 0o755); err != nil {
			_ = g.Close()
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	if err := g.Set(limits); err != nil {
		_ = g.Close()
		return nil, err
	}
	return g, nil
}

// Group is one control group in every hierarchy of its manager. It is safe for
// concurrent use.
type Group struct {
	m    *Manager
	name string

	mu     sync.Mutex
	closed bool
}

// dir is the group's directory for a controller, and whether that is v2.
func (g *Group) dir(controller string) (dir string, isV2, ok bool) {
	if g.m.v2[controller] {
		return filepath.Join(g.m.unified, g.name), true, true
	}
	if base, found := g.m.v1[controller]; found {
		return filepath.Join(base, g.name), false, true
	}
	return "", false, false
}

// Set enforces limits in a group that has none yet.
func (g *Group) Set(limits Limits) error {
	if limits.MemoryBytes > 0 {
		if err := g.setMemory(limits.MemoryBytes); err != nil {
			return err
		}
	}
	if limits.Processes > 0 {
		if dir, _, ok := g.dir("pids"); ok {
			if err := write(dir, "pids.max", strconv.Itoa(limits.Processes)); err != nil {
				return err
			}
		}
	}
	if limits.CPUWeight > 0 {
		if err := g.setWeight(limits.CPUWeight); err != nil {
			return err
		}
	}
	if limits.CPUMilli == 0 {
		return nil
	}
	return g.SetCPU(limits.CPUMilli)
}

func (g *Group) setMemory(limit int64) error {
	dir, isV2, ok := g.dir("memory")
	if !ok {
		return nil
	}
	value := strconv.FormatInt(limit, 10)
	if !isV2 {
		if err := write(dir, "memory.limit_in_bytes", value); err != nil {
			return err
		}
		// Swap accounting may be off; the limit above holds without it.
		_ = write(dir, "memory.memsw.limit_in_bytes", value)
		return nil
	}
	if err := write(dir, "memory.max", value); err != nil {
		return err
	}
	_ = write(dir, "memory.swap.max", "0")
	return nil
}

// setWeight gives one core's worth the weight that the kernel gives a group by
// default.
func (g *Group) setWeight(milli int) error {
	dir, isV2, ok := g.dir("cpu")
	if !ok {
		return nil
	}
	if isV2 {
		return write(dir, "cpu.weight", strconv.Itoa(min(max(weightDefault*milli/1000, weightMin), weightMax)))
	}
	return write(dir, "cpu.shares", strconv.Itoa(min(max(sharesDefault*milli/1000, sharesMin), sharesMax)))
}

// SetCPU sets the quota in thousandths of a core; 0 lifts it.
func (g *Group) SetCPU(milli int) error {
	dir, isV2, ok := g.dir("cpu")
	if !ok {
		return nil
	}
	quota := max(cpuPeriod*time.Duration(milli)/1000, quotaMin).Microseconds()
	period := cpuPeriod.Microseconds()
	if isV2 {
		value := fmt.Sprintf("%d %d", quota, period)
		if milli == 0 {
			value = "max"
		}
		return write(dir, "cpu.max", value)
	}
	if milli == 0 {
		return write(dir, "cpu.cfs_quota_us", "-1")
	}
	if err := write(dir, "cpu.cfs_period_us", strconv.FormatInt(period, 10)); err != nil {
		return err
	}
	return write(dir, "cpu.cfs_quota_us", strconv.FormatInt(quota, 10))
}

// Add moves a process, and so all it will start, into the group.
func (g *Group) Add(pid int) error {
	for _, base := range g.m.dirs() {
		if err := write(filepath.Join(base, g.name), "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// Processes are those in the group now. ok is false where that is not known at once:
// version 1 keeps its answer for a while.
func (g *Group) Processes() (pids []int, ok bool) {
	if g.m.unified == "" {
		return nil, false
	}
	list, err := os.ReadFile(filepath.Join(g.m.unified, g.name, "cgroup.procs"))
	if err != nil {
		return nil, false
	}
	for _, word := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

// CanFreeze says whether Freeze works.
func (g *Group) CanFreeze() bool {
	_, ok := g.m.Has("freezer")
	return ok
}

// Freeze stops or resumes all processes of the group. It does not wait until
// the last of them has stopped.
func (g *Group) Freeze(on bool) error {
	if g.m.unified != "" {
		value := "0"
		if on {
			value = "1"
		}
		return write(filepath.Join(g.m.unified, g.name), "cgroup.freeze", value)
	}
	value := "THAWED"
	if on {
		value = "FROZEN"
	}
	return write(filepath.Join(g.m.v1["freezer"], g.name), "freezer.state", value)
}

// Memory is what the group uses, file cache and tmpfs included, and Anonymous
// the part of it no cache can give back; ok is false without a controller.
func (g *Group) Memory() (used int64, ok bool) {
	dir, isV2, found := g.dir("memory")
	if !found {
		return 0, false
	}
	file := "memory.usage_in_bytes"
	if isV2 {
		file = "memory.current"
	}
	used, err := readInt(filepath.Join(dir, file))
	return used, err == nil
}

// MemoryPeak is the most the group has used, 0 where the kernel does not say.
func (g *Group) MemoryPeak() int64 {
	dir, isV2, found := g.dir("memory")
	if !found {
		return 0
	}
	file := "memory.max_usage_in_bytes"
	if isV2 {
		file = "memory.peak"
	}
	peak, _ := readInt(filepath.Join(dir, file))
	return peak
}

// Anonymous is the memory of the group that is neither cache nor tmpfs.
func (g *Group) Anonymous() (int64, bool) {
	dir, isV2, found := g.dir("memory")
	if !found {
		return 0, false
	}
	key := "rss"
	if isV2 {
		key = "anon"
	}
	return readField(filepath.Join(dir, "memory.stat"), key)
}

// Held is what no cache can give back: anonymous memory, and that of files in
// memory.
func (g *Group) Held() (int64, bool) {
	dir, _, found := g.dir("memory")
	anonymous, has := g.Anonymous()
	if !found || !has {
		return 0, false
	}
	files, ok := readField(filepath.Join(dir, "memory.stat"), "shmem")
	return anonymous + files, ok
}

// OOMKills counts the processes the kernel killed for the memory limit.
func (g *Group) OOMKills() int64 {
	dir, isV2, found := g.dir("memory")
	if !found {
		return 0
	}
	file := "memory.oom_control"
	if isV2 {
		file = "memory.events"
	}
	n, _ := readField(filepath.Join(dir, file), "oom_kill")
	return n
}

// Close removes the group, which must hold no process any more.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	var first error
	for _, base := range g.m.dirs() {
		if err := remove(filepath.Join(base, g.name)); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func remove(dir string) error {
	for try := 0; ; try++ {
		err := syscall.Rmdir(dir)
		if err == nil || err == syscall.ENOENT {
			return nil
		}
		if err != syscall.EBUSY || try == removeTries {
			return fmt.Errorf("cgroup: remove %s: %w", dir, err)
		}
		time.Sleep(removePause)
	}
}

func write(dir, file, value string) error {
	fd, err := syscall.Open(filepath.Join(dir, file), syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cgroup: %s: %w", filepath.Join(dir, file), err)
	}
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte(value)); err != nil {
		return fmt.Errorf("cgroup: %s = %s: %w", filepath.Join(dir, file), value, err)
	}
	return nil
}

func readInt(name string) (int64, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

func readField(name, key string) (int64, bool) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	return field(string(data), key)
}

// field finds "key number" in the lines of text.
func field(text, key string) (int64, bool) {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || name != key {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		return n, err == nil
	}
	return 0, false
}

type mountPoints struct {
	unified string
	v1      map[string]string
}

func readMounts(name string) mountPoints {
	found := mountPoints{v1: map[string]string{}}
	f, err := os.Open(name)
	if err != nil {
		return found
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		parts := strings.Fields(lines.Text())
		if len(parts) < 4 {
			continue
		}
		switch parts[2] {
		case "cgroup2":
			found.unified = parts[1]
		case "cgroup":
			for _, option := range strings.Split(parts[3], ",") {
				found.v1[option] = parts[1]
			}
		}
	}
	return found
}

// readOwn maps each v1 controller, and "" for v2, to the group of this process.
func readOwn(name string) map[string]string {
	own := map[string]string{}
	data, _ := os.ReadFile(name)
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	return own
}
