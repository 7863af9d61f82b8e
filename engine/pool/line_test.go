package pool

import (
	"context"
	"testing"
	"time"
)

// inUse makes a line of environments that were taken so long ago, oldest first.
func inUse(p *Pool, now time.Time, brief time.Duration, ago ...time.Duration) (*line, []*Env) {
	var all []*Env
	for _, d := range ago {
		e := &Env{template: &Template{Key: "k"}}
		p.taken("k", e, now.Add(-d))
		all = append(all, e)
	}
	l := p.lines["k"]
	if l != nil {
		l.brief = brief
	}
	return l, all
}

func TestJoin(t *testing.T) {
	const us = time.Microsecond
	for _, tc := range []struct {
		name    string
		brief   time.Duration
		ago     []time.Duration
		waiting int
		want    bool
	}{
		{"nobody is at work", 100 * us, nil, 0, false},
		{"a lane is free", 100 * us, []time.Duration{50 * us}, 0, false},
		{"all lanes are busy", 100 * us, []time.Duration{90 * us, 50 * us}, 0, true},
		{"not known yet how long it takes", 0, []time.Duration{90 * us, 50 * us}, 0, false},
		{"it takes long", briefMax + us, []time.Duration{90 * us, 50 * us}, 0, false},
		{"one has been at work for long", 100 * us, []time.Duration{lineWait + us, 50 * us}, 0, false},
		{"others have", 100 * us, []time.Duration{time.Hour, time.Minute, 90 * us, 50 * us}, 0, true},
		{"the line is long", 100 * us, []time.Duration{90 * us, 50 * us}, 40, false},
		{"the line is not that long", 100 * us, []time.Duration{90 * us, 50 * us}, 39, true},
	} {
		p := &Pool{lines: map[string]*line{}}
		now := time.Now()
		l, _ := inUse(p, now, tc.brief, tc.ago...)
		for range tc.waiting {
			l.waiting = append(l.waiting, &waiter{})
		}
		if got := l.join(2, now) != nil; got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestLeave(t *testing.T) {
	p := &Pool{lines: map[string]*line{}}
	l, all := inUse(p, time.Now(), 0, 4, 3, 2, 1)
	for _, i := range []int{1, 3, 0, 2} { // the middle, the newest, the oldest, the last
		all[i].leave(time.Duration(10+i) * time.Microsecond)
		all[i].leave(time.Nanosecond) // it is gone, and leaves nothing
	}
	if l.newest != nil || l.brief < 10*time.Microsecond || l.brief > 11*time.Microsecond {
		t.Errorf("%+v", l)
	}
	if p.tidy(); len(p.lines) != 0 {
		t.Errorf("%d lines", len(p.lines))
	}
}

// Who waits in vain is served all the same, and at once when the caller goes.
func TestInLine(t *testing.T) {
	p := &Pool{lines: map[string]*line{}, idle: map[string][]*Env{}, lanes: 2}
	now := time.Now()
	l, _ := inUse(p, now, time.Microsecond, 0, 0)
	w := l.join(2, now)
	if e := p.inLine(context.Background(), "k", l, w, now); e != nil || len(l.waiting) != 0 {
		t.Errorf("%v, %d waiting", e, len(l.waiting))
	}
	if took := time.Since(now); took < lineWait {
		t.Errorf("gave up after %v", took)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	l.moved = time.Now().Add(time.Hour)
	w = l.join(2, now)
	if e := p.inLine(gone, "k", l, w, now); e != nil || len(l.waiting) != 0 {
		t.Errorf("%v, %d waiting", e, len(l.waiting))
	}
	w, want := l.join(2, now), &Env{}
	l.first().wake <- want
	if e := p.inLine(gone, "k", l, w, now); e != want {
		t.Errorf("lost what it was given: %v", e)
	}
}
