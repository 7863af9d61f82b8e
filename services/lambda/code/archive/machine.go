package archive

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// Machines says for which processors a package holds programs or libraries.
type Machines struct{ X86, ARM bool }

// headerBytes is how much of a file tells what machine it is for.
const headerBytes = 20

// add looks at the beginning of a file.
func (m *Machines) add(first []byte) {
	if len(first) < headerBytes || string(first[:4]) != elf.ELFMAG {
		return
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if elf.Data(first[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	switch elf.Machine(order.Uint16(first[18:])) {
	case elf.EM_X86_64:
		m.X86 = true
	case elf.EM_AARCH64:
		m.ARM = true
	}
}

// header passes on what is written, and keeps its beginning.
type header struct {
	to   io.Writer
	kept [headerBytes]byte
	n    int
}

func (h *header) Write(p []byte) (int, error) {
	h.n += copy(h.kept[h.n:], p)
	return h.to.Write(p)
}

func (h *header) first() []byte { return h.kept[:h.n] }
