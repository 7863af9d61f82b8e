package server

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram unmaps the pages of the program that start-up touched: most
// of its code and types, which the system maps in large steps, and of which an
// idle server needs a tenth. They stay in the page cache, and come back by
// themselves when they are used. Only pages that are the file's own are given
// up: a mapping that was ever written to is left alone. Failure changes nothing.
func releaseProgram() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var m mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m.read(lines.Text())
		if m.complete && m.file == exe && m.pristine() {
			unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
		}
	}
}

// mapping is one mapping of /proc/self/smaps, read line by line.
type mapping struct {
	start, end uintptr
	mode, file string
	dirtyKB    int  // not the file's own
	complete   bool // after the last line that matters, until the next
}

// read takes the next line.
func (m *mapping) read(line string) {
	m.complete = false
	f := strings.Fields(line)
	if len(f) == 0 {
		return
	}
	from, to, isRange := strings.Cut(f[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	switch {
	case isRange && err1 == nil && err2 == nil && len(f) >= 5:
		*m = mapping{start: uintptr(start), end: uintptr(end), mode: f[1]}
		if len(f) == 6 {
			m.file = f[5]
		}
	case f[0] == "Private_Dirty:" || f[0] == "Shared_Dirty:" || f[0] == "Anonymous:":
		kb, err := strconv.Atoi(f[1])
		if err != nil {
			kb = 1
		}
		m.dirtyKB += kb
		m.complete = f[0] == "Anonymous:" // comes after the others
	}
}

// pristine says that dropping the mapping's pages loses nothing.
func (m *mapping) pristine() bool {
	return !strings.Contains(m.mode, "w") && m.mode != "" && m.dirtyKB == 0
}
