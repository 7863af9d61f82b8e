package clock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func rang(c <-chan time.Time) (time.Time, bool) {
	select {
	case at := <-c:
		return at, true
	default:
		return time.Time{}, false
	}
}

func TestFakeRingsInOrderAtDeadlines(t *testing.T) {
	f := NewFake(start)
	late, early, later := f.After(2*time.Second), f.After(time.Second), f.After(time.Hour)
	if f.Timers() != 3 {
		t.Fatalf("Timers() = %d, want 3", f.Timers())
	}
	f.Advance(3 * time.Second)
	if at, ok := rang(early); !ok || !at.Equal(start.Add(time.Second)) {
		t.Errorf("early rang %v at %v", ok, at)
	}
	if at, ok := rang(late); !ok || !at.Equal(start.Add(2*time.Second)) {
		t.Errorf("late rang %v at %v", ok, at)
	}
	if _, ok := rang(later); ok {
		t.Error("a timer an hour away rang after three seconds")
	}
	if want := start.Add(3 * time.Second); !f.Now().Equal(want) {
		t.Errorf("Now() = %v, want %v", f.Now(), want)
	}
	f.Set(start.Add(time.Hour))
	if _, ok := rang(later); !ok {
		t.Error("timer did not ring when the clock was set to its deadline")
	}
}

func TestTimerStopAndReset(t *testing.T) {
	f := NewFake(start)
	timer := f.NewTimer(time.Second)
	if !timer.Stop() {
		t.Error("Stop of a set timer = false")
	}
	f.Advance(time.Minute)
	if _, ok := rang(timer.C); ok {
		t.Error("a stopped timer rang")
	}
	if timer.Reset(time.Second) {
		t.Error("Reset of a stopped timer = true")
	}
	f.Advance(time.Second)
	if timer.Stop() {
		t.Error("Stop of a timer that rang = true")
	}
	if _, ok := rang(timer.C); ok {
		t.Error("stale value received after Stop")
	}
	timer.Reset(0)
	if _, ok := rang(timer.C); !ok {
		t.Error("a timer of no duration did not ring at once")
	}
}

func TestVirtualRunsAndAdvances(t *testing.T) {
	v := NewVirtual(System())
	select {
	case <-v.After(time.Millisecond):
	case <-time.After(5 * time.Second):
		t.Fatal("timer does not ring by itself")
	}
	hour := v.NewTimer(time.Hour)
	called := make(chan struct{})
	v.AfterFunc(30*time.Minute, func() { close(called) })
	before := v.Now()
	v.Advance(time.Hour)
	if _, ok := rang(hour.C); !ok {
		t.Error("timer did not ring on Advance")
	}
	select {
	case <-called:
	case <-time.After(5 * time.Second):
		t.Error("AfterFunc not called on Advance")
	}
	if gone := v.Now().Sub(before); gone < time.Hour || gone > time.Hour+time.Minute {
		t.Errorf("an hour's advance moved the clock by %v", gone)
	}
	if v.Offset() < 59*time.Minute {
		t.Errorf("Offset() = %v", v.Offset())
	}
	// A timer set before an advance that does not reach it keeps its deadline.
	soon := v.NewTimer(time.Hour + 20*time.Millisecond)
	v.Advance(time.Hour)
	select {
	case <-soon.C:
	case <-time.After(5 * time.Second):
		t.Error("timer did not ring after the rest of its time")
	}
}

func TestConcurrentUse(t *testing.T) {
	v := NewVirtual(System())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				timer := v.NewTimer(time.Hour)
				v.Advance(time.Second)
				timer.Reset(time.Minute)
				timer.Stop()
				v.Now()
			}
		})
	}
	wg.Wait()
	if got, want := v.Offset(), 1600*time.Second; got != want {
		t.Errorf("Offset() = %v, want %v", got, want)
	}
}

func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := NewFake(start)
	cancel()
	if err := Sleep(ctx, f, time.Second); !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep with a cancelled context = %v", err)
	}
	if err := Sleep(context.Background(), System(), time.Microsecond); err != nil {
		t.Error(err)
	}
}
