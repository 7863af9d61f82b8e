package space

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestLevels(t *testing.T) {
	const total = 2 << 30 // of which 102 MiB are kept free
	for _, tt := range []struct {
		freeMiB uint64
		roomFor Level // the least level that has room
	}{{2000, Bulk}, {103, Bulk}, {100, Record}, {70, Record}, {60, Small}, {40, Small}, {30, Vital}, {0, Vital}} {
		for l := Bulk; l <= Vital; l++ {
			g := New("/")
			g.ask = func(string) (uint64, uint64, error) { return tt.freeMiB << 20, total, nil }
			if err := g.Room(l); errors.Is(err, ErrFull) != (l < tt.roomFor) {
				t.Errorf("%d MiB left, level %d: %v", tt.freeMiB, l, err)
			}
		}
	}
}

func TestReserve(t *testing.T) {
	for total, want := range map[uint64]uint64{1 << 40: reserveBytesMax, 4 << 30: 4 << 30 / reserveShare, 1 << 30: reserveBytesMin, 100 << 20: 25 << 20, 0: 0} {
		if got := reserveOf(total); got != want {
			t.Errorf("of %d: %d, want %d", total, got, want)
		}
	}
}

func TestNobodyToAsk(t *testing.T) {
	g := New("/")
	g.ask = func(string) (uint64, uint64, error) { return 0, 0, errors.New("not today") }
	if err := g.Room(Bulk); err != nil {
		t.Error(err)
	}
	if err := New(t.TempDir()).Room(Vital); err != nil {
		t.Error(err)
	}
}

func TestOf(t *testing.T) {
	if err := Of(fmt.Errorf("write: %w", syscall.ENOSPC)); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := Of(syscall.EIO); errors.Is(err, ErrFull) {
		t.Error(err)
	}
}
