package pool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/pool/extension"
	"moln.dev/moln/engine/sandbox"
)

// Defaults of Config.
const (
	bootsPerCore        = 2
	environmentsDefault = 1000
	waitersDefault      = 10_000
	idleAfterDefault    = 10 * time.Minute
	spareAfterDefault   = 5 * time.Minute
	freezeAfterDefault  = 10 * time.Millisecond
	prewarmDefault      = 1
	sweepInterval       = 15 * time.Second
	memoryShareDefault  = 80 // percent of the host's memory
	memoryOvercommit    = 4  // limits are rarely reached; frozen guests use some 10 MB
	refillTimeout       = 30 * time.Second
	// refillPause keeps the boot of the next spare out of the way of the
	// invocation that took the last one.
	refillPause            = 20 * time.Millisecond
	memoryUnknownBytes     = 1 << 40
	memoryFallbackPerGuest = 128 << 20
)

// Errors of Acquire. ErrBusy wraps the context's error when the wait for a
// place was cut short.
var (
	ErrClosed = errors.New("pool: closed")
	ErrBusy   = errors.New("pool: no room for another environment")
)

// Config sets up a Pool. Driver, Clock and Logger are required.
type Config struct {
	Driver sandbox.Driver
	Clock  clock.Clock
	Logger *slog.Logger
	// MaxBoots bounds the sandboxes being started at one time.
	MaxBoots int
	// MaxEnvironments bounds all environments, generic ones included.
	MaxEnvironments int
	// MaxWaiters bounds the callers queued in Acquire.
	MaxWaiters int
	// MemoryBytes is what the guests' limits may sum up to; by default four
	// times 80 % of the host's memory.
	MemoryBytes int64
	// IdleAfter ends an assigned environment nobody used; SpareAfter stops
	// keeping generic ones of a class nobody asked for. By Clock.
	IdleAfter, SpareAfter time.Duration
	// FreezeAfter is how long a released environment runs on; negative: for
	// ever. In real time.
	FreezeAfter time.Duration
	// Prewarm is how many generic environments to keep ready per class in
	// use; negative: none.
	Prewarm int
}

func (c *Config) setDefaults() {
	def := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	defTime := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	def(&c.MaxBoots, runtime.NumCPU()*bootsPerCore)
	def(&c.MaxEnvironments, environmentsDefault)
	def(&c.MaxWaiters, waitersDefault)
	def(&c.Prewarm, prewarmDefault)
	defTime(&c.IdleAfter, idleAfterDefault)
	defTime(&c.SpareAfter, spareAfterDefault)
	defTime(&c.FreezeAfter, freezeAfterDefault)
	if c.MemoryBytes == 0 {
		c.MemoryBytes = hostMemory() / 100 * memoryShareDefault * memoryOvercommit
	}
}

// Pool hands out environments. It is safe for concurrent use.
type Pool struct {
	cfg   Config
	boots chan struct{}
	stop  context.CancelFunc
	ctx   context.Context
	work  sync.WaitGroup // background boots and kills
	ids   *ident.Source

	mu      sync.Mutex
	closed  bool
	count   int   // reservations, in number and in bytes (P5)
	memory  int64 // of them
	idle    map[string][]*Env
	lines   map[string]*line
	lanes   int // see line
	spares  map[string]*spareSet
	waiters []*waiter
	all     map[*Env]bool
}

// spareSet holds the generic environments of a class.
type spareSet struct {
	ready    []*Env
	booting  int
	lastUsed time.Time
}

// waiter is a caller in Acquire. It gets an environment of its key, or nil: the
// word to try again.
type waiter struct {
	key  string
	wake chan *Env // has room for one
}

// New returns a pool. Close it to kill all its environments.
func New(cfg Config) *Pool {
	cfg.setDefaults()
	p := &Pool{
		cfg: cfg, ids: ident.New(rand.Reader, cfg.Clock), boots: make(chan struct{}, cfg.MaxBoots),
		idle: map[string][]*Env{}, lines: map[string]*line{}, lanes: lanes(), spares: map[string]*spareSet{}, all: map[*Env]bool{},
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.work.Go(p.sweepForever)
	return p
}

// Close kills every environment and waits until they are gone.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	victims := make([]*Env, 0, len(p.all))
	for e := range p.all {
		victims = append(victims, e)
	}
	waiting := p.waiters
	p.waiters = nil
	p.mu.Unlock()
	p.stop()
	for _, w := range waiting {
		w.wake <- nil
	}
	for _, e := range victims {
		p.work.Go(func() { p.discard(e) })
	}
	p.work.Wait()
}

// Acquire returns an environment of the template's key: one that is idle, else a
// new one. cold says that it is new. It waits for room until ctx is done.
func (p *Pool) Acquire(ctx context.Context, t *Template) (env *Env, cold bool, err error) {
	if e := p.Warm(ctx, t); e != nil {
		return e, false, nil
	}
	if env, cold, err = p.acquire(ctx, t); err == nil {
		p.mu.Lock()
		p.taken(t.Key, env, time.Now())
		p.mu.Unlock()
	}
	return env, cold, err
}

func (p *Pool) acquire(ctx context.Context, t *Template) (env *Env, cold bool, err error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, false, ErrClosed
		}
		if e := p.popIdle(t.Key); e != nil {
			p.mu.Unlock()
			return e, false, nil
		}
		spare := p.popSpare(t)
		if spare != nil || p.reserve(t.MemoryBytes) {
			p.mu.Unlock()
			e, err := p.create(ctx, t, spare)
			return e, true, err
		}
		victim := p.popOldest()
		if victim != nil && !victim.extended() {
			p.mu.Unlock()
			p.discard(victim)
			continue
		}
		w, err := p.enqueue(t.Key)
		p.mu.Unlock()
		if victim != nil { // it takes its time to go, and then wakes a waiter
			p.work.Go(func() { p.discard(victim) })
		}
		if err != nil {
			return nil, false, err
		}
		e, err := p.await(ctx, w)
		if e != nil || err != nil {
			return e, false, err
		}
	}
}

// popIdle takes the environment used last: it keeps the hot set small. Called
// with mu held, as all pop functions.
func (p *Pool) popIdle(key string) *Env {
	for {
		stack := p.idle[key]
		n := len(stack)
		if n == 0 {
			return nil
		}
		e := stack[n-1]
		if n == 1 {
			delete(p.idle, key)
		} else {
			p.idle[key] = stack[:n-1]
		}
		if e.alive() {
			return e
		}
		p.work.Go(func() { p.discard(e) })
	}
}

func (e *Env) alive() bool {
	select {
	case <-e.exited:
		return false
	default:
	}
	_, failure, _ := e.exts.Check(extension.AllDone)
	return failure == nil
}

func (p *Pool) popSpare(t *Template) *Env {
	if !t.assignable() {
		return nil
	}
	set := p.spares[t.class()]
	if set == nil {
		return nil
	}
	for n := len(set.ready); n > 0; n = len(set.ready) {
		e := set.ready[n-1]
		set.ready = set.ready[:n-1]
		if e.alive() {
			return e
		}
		p.work.Go(func() { p.discard(e) })
	}
	return nil
}

// popOldest takes the environment that was idle longest, or a spare; none that
// is provisioned.
func (p *Pool) popOldest() *Env {
	var oldest string
	at := 0
	for key, stack := range p.idle {
		i := slices.IndexFunc(stack, func(e *Env) bool { return e.keptFor == "" })
		if i >= 0 && (oldest == "" || stack[i].idleSince.Before(p.idle[oldest][at].idleSince)) {
			oldest, at = key, i
		}
	}
	if oldest != "" {
		e := p.idle[oldest][at]
		if p.idle[oldest] = slices.Delete(p.idle[oldest], at, at+1); len(p.idle[oldest]) == 0 {
			delete(p.idle, oldest)
		}
		return e
	}
	for _, set := range p.spares {
		if n := len(set.ready); n > 0 {
			e := set.ready[n-1]
			set.ready = set.ready[:n-1]
			return e
		}
	}
	return nil
}

// reserve counts one environment in, if there is room. Called with mu held.
func (p *Pool) reserve(memory int64) bool {
	if memory == 0 {
		memory = memoryFallbackPerGuest
	}
	if p.count >= p.cfg.MaxEnvironments || (p.count > 0 && p.memory+memory > p.cfg.MemoryBytes) {
		return false
	}
	p.count++
	p.memory += memory
	return true
}

// release gives a reservation back and lets a waiter try.
func (p *Pool) release(memory int64) {
	if memory == 0 {
		memory = memoryFallbackPerGuest
	}
	p.mu.Lock()
	p.count--
	p.memory -= memory
	var w *waiter
	if len(p.waiters) > 0 {
		w = p.waiters[0]
		p.waiters = p.waiters[1:]
	}
	p.mu.Unlock()
	if w != nil {
		w.wake <- nil
	}
}

func (p *Pool) enqueue(key string) (*waiter, error) {
	if len(p.waiters) >= p.cfg.MaxWaiters {
		return nil, ErrBusy
	}
	w := &waiter{key: key, wake: make(chan *Env, 1)}
	p.waiters = append(p.waiters, w)
	return w, nil
}

func (p *Pool) await(ctx context.Context, w *waiter) (*Env, error) {
	select {
	case e := <-w.wake:
		return e, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	for i, other := range p.waiters {
		if other == w {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			p.mu.Unlock()
			return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
	}
	p.mu.Unlock()
	// It was woken at the same moment: what it was given must go on to others.
	if e := <-w.wake; e != nil {
		return e, nil
	}
	p.wakeOne()
	return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
}

func (p *Pool) wakeOne() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiters) > 0 {
		p.waiters[0].wake <- nil
		p.waiters = p.waiters[1:]
	}
}

// create makes the environment out of a spare, or from nothing. The reservation
// is made already; it goes with the environment or back.
func (p *Pool) create(ctx context.Context, t *Template, spare *Env) (*Env, error) {
	e := spare
	t = t.own()
	generic := t.assignable()
	if e == nil {
		var err error
		if e, err = p.start(ctx, t, generic); err != nil {
			p.release(t.MemoryBytes)
			return nil, err
		}
	}
	if generic {
		if err := e.assign(t); err != nil {
			p.discard(e)
			return nil, err
		}
		p.refill(t, e.class, refillPause)
	}
	return e, nil
}

// start boots within the limit of boots and enters the environment in the books.
func (p *Pool) start(ctx context.Context, t *Template, generic bool) (*Env, error) {
	select {
	case p.boots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	defer func() { <-p.boots }()
	e, err := p.boot(ctx, t, generic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.all[e] = true
	closed := p.closed
	p.mu.Unlock()
	if !closed {
		return e, nil
	}
	p.mu.Lock()
	delete(p.all, e)
	p.mu.Unlock()
	e.kill()
	return nil, ErrClosed
}

// refill boots generic environments of the template's class, as named, in the background,
// up to the number to keep.
func (p *Pool) refill(t *Template, class string, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.cfg.Prewarm < 0 {
		return
	}
	set := p.spares[class]
	if set == nil {
		set = &spareSet{}
		p.spares[class] = set
	}
	set.lastUsed = p.cfg.Clock.Now()
	for len(set.ready)+set.booting < p.cfg.Prewarm && p.reserve(t.MemoryBytes) {
		set.booting++
		p.work.Go(func() { p.addSpare(t, set, pause) })
	}
}

// Prewarm boots generic environments for the template's class now.
func (p *Pool) Prewarm(t *Template) {
	if t.assignable() {
		p.refill(t, t.class(), 0)
	}
}

func (p *Pool) addSpare(t *Template, set *spareSet, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-p.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(p.ctx, refillTimeout)
	defer cancel()
	e, err := p.start(ctx, t, true)
	p.mu.Lock()
	set.booting--
	if err != nil {
		p.mu.Unlock()
		p.release(t.MemoryBytes)
		if !errors.Is(err, ErrClosed) && p.ctx.Err() == nil {
			p.cfg.Logger.Warn("boot a spare environment", "runtime", t.Launch.ID, "error", err)
		}
		return
	}
	if p.closed {
		p.mu.Unlock()
		p.discard(e)
		return
	}
	// It is not frozen: it waits in a read and runs nothing of anybody's, and to thaw
	// it takes a lock of the kernel's that others hold for 10 ms, whenever a process
	// moves into a control group.
	set.ready = append(set.ready, e)
	p.mu.Unlock()
	p.wakeOne()
}

// Release ends the caller's hold. An environment that is healthy and unbroken
// waits for its next use, another is killed (P2).
func (p *Pool) Release(e *Env, healthy bool) {
	healthy = healthy && !e.broken && e.alive()
	p.mu.Lock()
	l := e.line
	e.leave(e.took)
	e.took = 0
	switch {
	case !healthy:
		p.mu.Unlock()
		p.work.Go(func() { p.discard(e) })
		return
	case p.closed:
		p.mu.Unlock()
		p.discard(e)
		return
	}
	for i, w := range p.waiters {
		if w.key == e.template.Key {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			p.mu.Unlock()
			w.wake <- e
			return
		}
	}
	if w := l.first(); w != nil {
		l.moved = time.Now()
		p.taken(e.template.Key, e, l.moved)
		p.mu.Unlock()
		w.wake <- e
		return
	}
	var w *waiter
	if len(p.waiters) > 0 { // it may evict this one
		w = p.waiters[0]
		p.waiters = p.waiters[1:]
	}
	e.idleSince = p.cfg.Clock.Now()
	p.idle[e.template.Key] = append(p.idle[e.template.Key], e)
	// Before the lock is gone: whoever takes it next must find it settled.
	e.freezeLater(p.cfg.FreezeAfter)
	p.mu.Unlock()
	if w != nil {
		w.wake <- nil
	}
}

// Drop kills the idle environments of a key and of those below it, which begin
// with it and a slash, as when the function changes. Those in use are the
// caller's to release as unhealthy.
func (p *Pool) Drop(key string) {
	p.mu.Lock()
	var victims []*Env
	of := func(k string) bool { return k == key || strings.HasPrefix(k, key+"/") }
	for k, list := range p.idle {
		if of(k) {
			victims = append(victims, list...)
			delete(p.idle, k)
		}
	}
	for e := range p.all {
		if of(e.keptFor) {
			e.keptFor = ""
		}
	}
	p.mu.Unlock()
	for _, e := range victims {
		p.work.Go(func() { p.discard(e) })
	}
}

// discard kills an environment and gives its reservation back, once.
func (p *Pool) discard(e *Env) {
	p.mu.Lock()
	again := e.released
	e.released = true
	delete(p.all, e)
	p.mu.Unlock()
	if again {
		return
	}
	e.shutdown()
	e.kill()
	p.release(e.memory)
}

func (p *Pool) sweepForever() {
	for clock.Sleep(p.ctx, p.cfg.Clock, sweepInterval) == nil {
		p.sweep(p.cfg.Clock.Now())
	}
}

// sweep ends what nobody has used for long.
func (p *Pool) sweep(now time.Time) {
	var victims []*Env
	p.mu.Lock()
	for key, stack := range p.idle {
		left := stack[:0]
		for _, e := range stack {
			if e.keptFor == "" && now.Sub(e.idleSince) >= p.cfg.IdleAfter {
				victims = append(victims, e)
				continue
			}
			left = append(left, e)
		}
		clear(stack[len(left):])
		if p.idle[key] = left; len(left) == 0 {
			delete(p.idle, key)
		}
	}
	for class, set := range p.spares {
		if now.Sub(set.lastUsed) < p.cfg.SpareAfter || set.booting > 0 {
			continue
		}
		victims = append(victims, set.ready...)
		delete(p.spares, class)
	}
	p.tidy()
	p.mu.Unlock()
	for _, e := range victims {
		p.work.Go(func() { p.discard(e) })
	}
}

// Stats counts what the pool holds.
type Stats struct {
	Environments int
	Idle         int
	Spares       int
	Waiting      int
	MemoryBytes  int64
}

// Stats returns the present counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Environments: p.count, Waiting: len(p.waiters), MemoryBytes: p.memory}
	for _, stack := range p.idle {
		s.Idle += len(stack)
	}
	for _, set := range p.spares {
		s.Spares += len(set.ready)
	}
	return s
}
