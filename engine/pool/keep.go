package pool

import (
	"context"
	"errors"
	"sync"
)

// Provisioned environments are initialised before anybody needs them and stay
// until they are no longer wanted: neither idleness nor a want of room ends them.
// Otherwise they are environments of their key like all others.

// ErrInit: an environment that is to be kept failed in its init.
var ErrInit = errors.New("pool: the init of an environment failed")

// Keep makes n environments of a template's key provisioned: it creates those that
// are missing and lets go those that are too many. It returns how many there are
// when it ends, with ErrInit, ErrBusy (no room) or an error of ours where that is
// less than n. It must not be called for one key twice at a time.
func (p *Pool) Keep(ctx context.Context, t *Template, n int) (ready int, err error) {
	ready = p.kept(t.Key, n)
	var all sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, p.cfg.MaxBoots)
	for range n - ready {
		slots <- struct{}{}
		mu.Lock()
		failed := err != nil
		mu.Unlock()
		if failed {
			<-slots
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			one := p.keepOne(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if one != nil {
				err = one
				return
			}
			ready++
		})
	}
	all.Wait()
	return ready, err
}

// kept counts the provisioned environments of a key, of which it leaves n.
func (p *Pool) kept(key string, n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	have := 0
	for e := range p.all {
		if e.keptFor != key || !e.alive() {
			continue
		}
		if have == n {
			e.keptFor = ""
			continue
		}
		have++
	}
	return have
}

// keepOne creates one provisioned environment and waits for its init.
func (p *Pool) keepOne(ctx context.Context, t *Template) error {
	e, err := p.createFor(ctx, t)
	if err != nil {
		return err
	}
	if err := e.Init(ctx); err != nil {
		p.discard(e)
		return err
	}
	p.mu.Lock()
	e.keptFor = t.Key
	p.mu.Unlock()
	p.Release(e, true)
	return nil
}

// createFor is Acquire that takes no environment there is, and waits for no room.
func (p *Pool) createFor(ctx context.Context, t *Template) (*Env, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, ErrClosed
		}
		spare := p.popSpare(t)
		if spare != nil || p.reserve(t.MemoryBytes) {
			p.mu.Unlock()
			return p.create(ctx, t, spare)
		}
		victim := p.popOldest()
		p.mu.Unlock()
		if victim == nil {
			return nil, ErrBusy
		}
		p.discard(victim)
	}
}

// Init waits for the environment's init where no invocation is to do so. It fails
// with ErrInit where the function is to blame.
func (e *Env) Init(ctx context.Context) error {
	e.thaw()
	var r Result
	done, err := e.awaitInit(ctx, &r)
	if err != nil || done {
		e.broken = true
	}
	if err == nil && done {
		e.stop(r.Outcome)
		e.logs.finish()
		return ErrInit
	}
	return err
}
