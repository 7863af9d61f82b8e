// Package clock is the only source of time: engines and services ask a Clock
// for the time and for timers, so that an account's time can be moved forward
// (Virtual) and a test's time can stand still (NewFake).
//
// It is not a scheduler: durable timers, retries and leases belong to
// engine/sched. It is not for measuring either; durations of real work are
// measured with the time package.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and rings when time has passed. All implementations
// are safe for concurrent use.
type Clock interface {
	// Now returns the current time of this clock.
	Now() time.Time
	// After returns a channel that receives the time once d has passed.
	After(d time.Duration) <-chan time.Time
	// NewTimer returns a timer that rings once, after d.
	NewTimer(d time.Duration) *Timer
	// AfterFunc calls f, in a goroutine of its own, after d.
	// The C of the returned timer is nil.
	AfterFunc(d time.Duration, f func()) *Timer
}

// Timer is a time.Timer of any clock. C has room for one value, and as with
// time.Timer since Go 1.23 no stale value is received after Stop or Reset.
type Timer struct {
	C <-chan time.Time

	stop  func() bool
	reset func(time.Duration) bool
}

// Stop keeps the timer from ringing. It reports whether it was still set.
func (t *Timer) Stop() bool { return t.stop() }

// Reset sets the timer to ring after d from now. It reports whether it was
// still set.
func (t *Timer) Reset(d time.Duration) bool { return t.reset(d) }

// Sleep waits until d has passed on c or ctx is done, and returns ctx's error
// in the latter case.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// System returns the machine's clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time                         { return time.Now() }
func (system) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (system) NewTimer(d time.Duration) *Timer {
	t := time.NewTimer(d)
	return &Timer{C: t.C, stop: t.Stop, reset: t.Reset}
}

func (system) AfterFunc(d time.Duration, f func()) *Timer {
	t := time.AfterFunc(d, f)
	return &Timer{stop: t.Stop, reset: t.Reset}
}
