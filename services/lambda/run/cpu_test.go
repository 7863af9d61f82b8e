package run

import "testing"

// TestShareOfCores: one core at 1,769 MB, and in proportion below and above.
func TestShareOfCores(t *testing.T) {
	for memory, want := range map[int32]int{128: 72, 1769: 1000, 3538: 2000, 10240: 5788} {
		if got := cpuMilli(memory); got != want {
			t.Errorf("%d MB: %d thousandths, want %d", memory, got, want)
		}
	}
}
