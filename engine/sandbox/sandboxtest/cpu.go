package sandboxtest

import (
	"bufio"
	"testing"
	"time"

	"moln.dev/moln/engine/sandbox"
)

// cpuQuota lets a guest spin and looks at what it gets, first without a quota, as
// while it starts, then with one.
func cpuQuota(t *testing.T, d sandbox.Driver) {
	sb := start(t, d, sandbox.Spec{CPUWeight: 72, Command: []string{"/usr/bin/python3", "-S", "-c", `
import time
while True:
    began = time.monotonic()
    while time.monotonic() < began + 0.5: pass
    print("round", flush=True)`}})
	l, ok := sb.(sandbox.CPULimiter)
	if !ok {
		t.Fatal("the driver cannot change a quota")
	}
	lines := bufio.NewReader(sb.Pipes()[0])
	// share is the part of a core that the guest gets in two rounds.
	share := func() float64 {
		began := time.Now()
		before, err := sb.Stats()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		after, err := sb.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return float64(after.CPUTime-before.CPUTime) / float64(time.Since(began))
	}
	const milli, tolerated = 72, 0.15 // a function of 128 MB
	free := share()
	if err := l.SetCPU(milli); err != nil {
		t.Fatal(err)
	}
	if got := share(); got > tolerated {
		t.Errorf("%.3f of a core, of %d thousandths; %.3f before", got, milli, free)
	}
}
