package server

import (
	"strings"
	"testing"
)

// TestOnlyPristineMappingsAreGivenUp: what was written to would be lost.
func TestOnlyPristineMappingsAreGivenUp(t *testing.T) {
	tests := []struct {
		name, smaps string
		want        bool
	}{
		{"code", "00400000-01477000 r-xp 00000000 fe:00 105 /bin/moln\nShared_Dirty: 0 kB\nPrivate_Dirty: 0 kB\nAnonymous: 0 kB", true},
		{"relocated constants", "01477000-02c41000 r--p 01077000 fe:00 105 /bin/moln\nPrivate_Dirty: 8 kB\nAnonymous: 8 kB", false},
		{"variables", "02c41000-03025000 rw-p 02841000 fe:00 105 /bin/moln\nPrivate_Dirty: 0 kB\nAnonymous: 0 kB", false},
		{"unreadable", "00400000-01477000 r-xp 00000000 fe:00 105 /bin/moln\nAnonymous: many kB", false},
	}
	for _, tt := range tests {
		var m mapping
		for line := range strings.Lines(tt.smaps) {
			m.read(line)
		}
		if got := m.complete && m.file == "/bin/moln" && m.end > m.start && m.pristine(); got != tt.want {
			t.Errorf("%s: %v, want %v (%+v)", tt.name, got, tt.want, m)
		}
	}
	releaseProgram() // this test goes on in the pages that it gave up
}
