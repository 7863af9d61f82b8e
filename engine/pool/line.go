package pool

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// Invocations of a function that takes microseconds queue for a moment behind each
// other, where each would have an environment of its own else: more processes at
// work than there are processors to run them only push each other out of the
// processors' caches, and all get slower by it. See docs/adr/0013.
const (
	// lineWait is how long an invocation waits for an environment in use before it
	// takes another, unless the line moves on meanwhile, and how long it waits at
	// most. Who has been at work for longer than lineWait is not waited for.
	lineWait    = 2 * time.Millisecond
	lineWaitMax = 10 * time.Millisecond
	// briefMax is the duration below which invocations are worth waiting for.
	briefMax = time.Millisecond
	// lanesMin is how many environments work at once at least, whatever the host.
	lanesMin = 2
	// agingShift lets the shortest duration that was seen be forgotten slowly, by
	// 1/1024 with each longer one: where others want the processors too, most are
	// longer than the function is.
	agingShift = 10
)

// line is the traffic of one key. Guarded by Pool.mu.
type line struct {
	newest  *Env // of those in use; each knows the one taken before it
	brief   time.Duration
	waiting []*waiter
	moved   time.Time // when one of them got what it waits for
}

// taken enters e, which an invocation gets.
func (p *Pool) taken(key string, e *Env, now time.Time) {
	l := p.lines[key]
	if l == nil {
		l = &line{}
		p.lines[key] = l
	}
	e.line, e.since, e.older, e.newer = l, now, l.newest, nil
	if l.newest != nil {
		l.newest.newer = e
	}
	l.newest = e
}

// leave takes e off its line, with what its last invocation took.
func (e *Env) leave(took time.Duration) {
	l := e.line
	if l == nil {
		return
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	}
	e.line, e.older, e.newer = nil, nil, nil
	switch {
	case took <= 0:
	case l.brief == 0 || took < l.brief:
		l.brief = took
	default:
		l.brief += min(took-l.brief, l.brief>>agingShift+1)
	}
}

// join lets an invocation wait in line where an environment will be free before
// long, and nil is better served by another one.
func (l *line) join(lanes int, now time.Time) *waiter {
	if l == nil || l.brief == 0 || l.brief > briefMax {
		return nil
	}
	if time.Duration(len(l.waiting)+1)*l.brief > lineWait*time.Duration(lanes) {
		return nil
	}
	e := l.newest
	for n := 0; n < lanes; n++ {
		if e == nil || now.Sub(e.since) > lineWait {
			return nil
		}
		e = e.older
	}
	w := &waiter{wake: make(chan *Env, 1)}
	l.waiting = append(l.waiting, w)
	return w
}

// first takes the invocation that has waited longest.
func (l *line) first() *waiter {
	if l == nil || len(l.waiting) == 0 {
		return nil
	}
	w := l.waiting[0]
	l.waiting[0] = nil
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	return w
}

// Warm returns an environment of the template's key that has run before: one that
// is idle, or one that is free in a moment. Nil: there is none; Acquire makes one.
func (p *Pool) Warm(ctx context.Context, t *Template) *Env {
	now := time.Now()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	var w *waiter
	l := p.lines[t.Key]
	if t.CPUMilli == 0 { // processors are shared out otherwise
		w = l.join(p.lanes, now)
	}
	if w == nil {
		e := p.popIdle(t.Key)
		if e != nil {
			p.taken(t.Key, e, now)
		}
		p.mu.Unlock()
		return e
	}
	p.mu.Unlock()
	return p.inLine(ctx, t.Key, l, w, now)
}

// inLine waits for w's turn, or for the end of its patience.
func (p *Pool) inLine(ctx context.Context, key string, l *line, w *waiter, since time.Time) *Env {
	patience := time.NewTimer(lineWait)
	defer patience.Stop()
	for {
		select {
		case e := <-w.wake:
			return e
		case <-patience.C:
		case <-ctx.Done():
		}
		now := time.Now()
		p.mu.Lock()
		at := slices.Index(l.waiting, w)
		if at < 0 {
			p.mu.Unlock()
			return <-w.wake // at the same moment
		}
		if now.Sub(l.moved) > lineWait || now.Sub(since) > lineWaitMax || ctx.Err() != nil {
			l.waiting = slices.Delete(l.waiting, at, at+1)
			e := p.popIdle(key)
			if e != nil {
				p.taken(key, e, now)
			}
			p.mu.Unlock()
			return e
		}
		p.mu.Unlock()
		patience.Reset(lineWait)
	}
}

// tidy forgets lines that nobody uses. Called with mu held.
func (p *Pool) tidy() {
	for key, l := range p.lines {
		if l.newest == nil && len(l.waiting) == 0 && p.idle[key] == nil {
			delete(p.lines, key)
		}
	}
}

func lanes() int { return max(runtime.NumCPU(), lanesMin) }
