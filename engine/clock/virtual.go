package clock

import (
	"sync"
	"time"
)

// Virtual is a clock that runs as its base does, ahead by an offset which
// Advance enlarges. Timers set on it ring when their time comes on either way.
type Virtual struct {
	base Clock

	mu     sync.Mutex
	offset time.Duration
	timers map[*vtimer]struct{}
}

// vtimer is one timer of a Virtual. Its fields are guarded by Virtual.mu.
type vtimer struct {
	v        *Virtual
	deadline time.Time
	set      bool
	wake     *Timer // on the base clock; nil when not set
	// generation tells a wake-up of the base clock that was overtaken by
	// Stop, Reset or Advance from the one that counts.
	generation uint64
	ring       func(now time.Time) // called with mu held; must not block
	drain      func()
}

// NewVirtual returns a clock that agrees with base until it is advanced.
func NewVirtual(base Clock) *Virtual {
	return &Virtual{base: base, timers: make(map[*vtimer]struct{})}
}

// Now returns the base's time plus the offset.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now()
}

func (v *Virtual) now() time.Time { return v.base.Now().Add(v.offset) }

// Offset returns how far the clock is ahead of its base.
func (v *Virtual) Offset() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.offset
}

// Advance moves the clock forward by d and rings, in the order of their
// deadlines, the timers that thereby come due. A clock is never moved back:
// a negative d panics.
func (v *Virtual) Advance(d time.Duration) {
	if d < 0 {
		panic("clock: Advance by a negative duration")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// The base runs on meanwhile; one reading of it keeps the steps exact.
	base, end := v.base.Now(), v.offset+d
	for {
		next := v.earliest(base.Add(end))
		if next == nil {
			break
		}
		// Step to the deadline, so that what the timer sends is its own time.
		v.offset = max(v.offset, next.deadline.Sub(base))
		next.fire(base.Add(v.offset))
	}
	v.offset = end
	for t := range v.timers {
		t.arm()
	}
}

// earliest returns the set timer with the first deadline not after limit.
func (v *Virtual) earliest(limit time.Time) *vtimer {
	var first *vtimer
	for t := range v.timers {
		if t.deadline.After(limit) {
			continue
		}
		if first == nil || t.deadline.Before(first.deadline) {
			first = t
		}
	}
	return first
}

// After returns a channel that receives the time once d has passed.
func (v *Virtual) After(d time.Duration) <-chan time.Time { return v.NewTimer(d).C }

// NewTimer returns a timer that rings once, after d.
func (v *Virtual) NewTimer(d time.Duration) *Timer {
	c := make(chan time.Time, 1)
	t := &vtimer{v: v}
	t.ring = func(now time.Time) {
		select {
		case c <- now:
		default:
		}
	}
	t.drain = func() {
		select {
		case <-c:
		default:
		}
	}
	return v.start(t, d, c)
}

// AfterFunc calls f in a goroutine of its own after d.
func (v *Virtual) AfterFunc(d time.Duration, f func()) *Timer {
	t := &vtimer{v: v, drain: func() {}}
	t.ring = func(time.Time) { go f() }
	return v.start(t, d, nil)
}

func (v *Virtual) start(t *vtimer, d time.Duration, c <-chan time.Time) *Timer {
	t.resetTo(d)
	return &Timer{C: c, stop: t.stop, reset: t.resetTo}
}

func (t *vtimer) stop() bool {
	t.v.mu.Lock()
	defer t.v.mu.Unlock()
	was := t.set
	t.disarm()
	t.drain()
	return was
}

func (t *vtimer) resetTo(d time.Duration) bool {
	t.v.mu.Lock()
	defer t.v.mu.Unlock()
	was := t.set
	t.disarm()
	t.drain()
	now := t.v.now()
	t.deadline = now.Add(d)
	if d <= 0 {
		t.ring(now)
		return was
	}
	t.set = true
	t.v.timers[t] = struct{}{}
	t.arm()
	return was
}

// arm asks the base clock to wake the timer when its deadline comes.
func (t *vtimer) arm() {
	if t.wake != nil {
		t.wake.Stop()
	}
	t.generation++
	generation := t.generation
	t.wake = t.v.base.AfterFunc(t.deadline.Sub(t.v.now()), func() {
		t.v.mu.Lock()
		defer t.v.mu.Unlock()
		if !t.set || t.generation != generation {
			return
		}
		t.fire(t.v.now())
	})
}

func (t *vtimer) fire(now time.Time) {
	t.disarm()
	t.ring(now)
}

func (t *vtimer) disarm() {
	if t.wake != nil {
		t.wake.Stop()
		t.wake = nil
	}
	t.set = false
	t.generation++
	delete(t.v.timers, t)
}

// Fake is a clock for tests: it stands still until it is advanced.
type Fake struct{ *Virtual }

// NewFake returns a clock that stands at t.
func NewFake(t time.Time) *Fake { return &Fake{NewVirtual(still{t.Round(0)})} }

// Set moves the clock forward to t.
func (f *Fake) Set(t time.Time) { f.Advance(t.Sub(f.Now())) }

// Timers returns how many timers are set. A test uses it to wait until the
// code it tests is asleep before it advances the clock.
func (f *Fake) Timers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.timers)
}

// still is a clock whose time never passes.
type still struct{ at time.Time }

func (s still) Now() time.Time                       { return s.at }
func (still) After(time.Duration) <-chan time.Time   { return nil }
func (still) NewTimer(time.Duration) *Timer          { return neverRings() }
func (still) AfterFunc(time.Duration, func()) *Timer { return neverRings() }

func neverRings() *Timer {
	return &Timer{stop: func() bool { return true }, reset: func(time.Duration) bool { return true }}
}
