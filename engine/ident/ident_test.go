package ident

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"moln.dev/moln/engine/clock"
)

func TestForms(t *testing.T) {
	s := New(nil, clock.System())
	for name, c := range map[string]struct{ got, want string }{
		"uuid":     {s.UUID(), `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		"request":  {s.RequestID(), `^[0-9a-f-]{36}$`},
		"hex":      {s.Hex(20), `^[0-9a-f]{40}$`},
		"alnum":    {s.Alnum(1000), `^[0-9A-Za-z]{1000}$`},
		"lower":    {s.Lower(1000), `^[0-9a-z]{1000}$`},
		"upper32":  {s.Upper32(1000), `^[A-Z2-7]{1000}$`},
		"digits":   {s.Digits(1000), `^[0-9]{1000}$`},
		"sortable": {s.Sortable(), `^[0-9A-HJKMNP-TV-Z]{26}$`},
		"empty":    {s.Alnum(0), `^$`},
	} {
		if !regexp.MustCompile(c.want).MatchString(c.got) {
			t.Errorf("%s: %q does not match %s", name, c.got, c.want)
		}
	}
	if n := len(s.Bytes(10_000)); n != 10_000 {
		t.Errorf("Bytes gave %d", n)
	}
}

func TestSeededRepeats(t *testing.T) {
	draw := func(seed uint64) string {
		s := NewSeeded(seed, clock.NewFake(time.Unix(1e9, 0)))
		return s.UUID() + s.Alnum(600) + s.Sortable() + s.Hex(700)
	}
	if draw(7) != draw(7) {
		t.Error("the same seed gave different ids")
	}
	if draw(7) == draw(8) {
		t.Error("different seeds gave the same ids")
	}
}

func TestUnbiased(t *testing.T) {
	const n = 200_000
	s := NewSeeded(1, clock.System())
	for _, alphabet := range []string{AlphabetDigits, AlphabetAlnum, AlphabetLower, AlphabetUpper32} {
		text := s.Of(alphabet, n)
		mean := float64(n) / float64(len(alphabet))
		for _, c := range alphabet {
			if got := float64(strings.Count(text, string(c))); got < 0.9*mean || got > 1.1*mean {
				t.Errorf("%q: %c came %v times, want about %v", alphabet, c, got, mean)
			}
		}
	}
	var counts [3]int
	for range 30_000 {
		counts[s.IntN(3)]++
	}
	for i, c := range counts {
		if c < 9_500 || c > 10_500 {
			t.Errorf("IntN(3): %d came %d times of 30000", i, c)
		}
	}
}

func TestSortableAscends(t *testing.T) {
	f := clock.NewFake(time.Unix(1e9, 0))
	s := New(nil, f)
	last := ""
	for i := range 5000 {
		id := s.Sortable()
		if id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
		if i%1000 == 0 {
			f.Advance(time.Millisecond)
		}
	}
	s.lastRandom = [10]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	last = encodeSortable(s.lastMillis, s.lastRandom)
	if id := s.Sortable(); id <= last {
		t.Errorf("%q after %q", id, last)
	}
}

func TestConcurrentUnique(t *testing.T) {
	s := New(nil, clock.System())
	var mu sync.Mutex
	seen := make(map[string]bool)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				for _, id := range []string{s.UUID(), s.Sortable()} {
					mu.Lock()
					if seen[id] {
						t.Errorf("%s twice", id)
					}
					seen[id] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

func TestFailingReaderPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(iotest.ErrReader(errors.New("broken")), clock.System()).UUID()
}

func BenchmarkUUID(b *testing.B) {
	s := New(nil, clock.System())
	for b.Loop() {
		s.UUID()
	}
}
