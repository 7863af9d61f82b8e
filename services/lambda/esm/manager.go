package esm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
)

// stopGrace is how long, in real time, functions that run when the server stops
// are waited for.
const stopGrace = 3 * time.Second

// minder does for one mapping what its stored state asks for.
type minder struct {
	kick   chan struct{}
	cancel context.CancelFunc
	seen   atomic.Int64 // the generation it has read
}

// Worker polls for the mappings of this node.
func (s *Service) Worker() service.Worker {
	return service.Worker{Name: "event source mappings", Run: s.run}
}

func (s *Service) run(ctx context.Context) error {
	changed, stop := s.store.db.Watch(workPrefix())
	defer stop()
	abandon := make(chan struct{})
	minding, quit := context.WithCancel(context.WithoutCancel(ctx))
	defer quit()
	var all sync.WaitGroup
	alone := s.store.private()
	for ctx.Err() == nil {
		if err := s.sweep(ctx, alone, func(id workID, m *minder, mctx context.Context) {
			all.Go(func() { s.mind(mctx, id, m, abandon) })
		}, minding); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("look after event source mappings", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-s.deps.Clock.After(nodeBeat):
		}
	}
	quit()
	timer := time.AfterFunc(stopGrace, func() { close(abandon) })
	defer timer.Stop()
	all.Wait()
	return nil
}

// wait waits for a change of the mapping, for a time at most.
func (m *minder) wait(ctx context.Context, c clock.Clock, most time.Duration) {
	t := c.NewTimer(most)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-m.kick:
	case <-t.C:
	}
}

// sweep takes the mappings that nobody polls for, and wakes minders whose mapping
// has changed.
func (s *Service) sweep(ctx context.Context, alone bool, start func(workID, *minder, context.Context), minding context.Context) error {
	works, err := s.store.works(ctx)
	if err != nil || len(works) == 0 {
		return err
	}
	now := s.deps.Clock.Now()
	if !alone {
		if err := s.store.beat(ctx, s.holder, now); err != nil {
			return err
		}
	}
	for _, w := range works {
		s.mu.Lock()
		m := s.minders[w.id]
		s.mu.Unlock()
		switch {
		case m != nil && w.Holder != s.holder:
			m.cancel()
		case m != nil && m.seen.Load() != w.Generation:
			ring(m.kick)
		case m == nil:
			taken, err := s.store.take(ctx, w.id, s.holder, now, alone)
			if err != nil {
				return err
			}
			if taken {
				mctx, cancel := context.WithCancel(minding)
				m := &minder{kick: make(chan struct{}, 1), cancel: cancel}
				m.seen.Store(w.Generation)
				s.mu.Lock()
				s.minders[w.id] = m
				s.mu.Unlock()
				start(w.id, m, mctx)
			}
		}
	}
	return nil
}

// mind looks after one mapping until ctx ends or the mapping is gone.
func (s *Service) mind(ctx context.Context, id workID, m *minder, abandon <-chan struct{}) {
	defer func() {
		m.cancel()
		s.mu.Lock()
		delete(s.minders, id)
		s.mu.Unlock()
		over, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		if err := s.store.release(over, id, s.holder); err != nil {
			s.deps.Log.Warn("give up an event source mapping", "mapping", id.uuid, "error", err)
		}
	}()
	for ctx.Err() == nil {
		again, err := s.mindOnce(ctx, id, m, abandon)
		if err != nil && ctx.Err() == nil {
			s.deps.Log.Error("look after an event source mapping", "mapping", id.uuid, "error", err)
			_ = clock.Sleep(ctx, s.deps.Clock, troubleFirst)
		}
		if !again {
			return
		}
	}
}

// mindOnce does what the mapping's state asks for until it has changed.
func (s *Service) mindOnce(ctx context.Context, id workID, m *minder, abandon <-chan struct{}) (again bool, err error) {
	now, err := s.store.mapping(ctx, id.Place, id.uuid)
	if err != nil {
		return true, err
	}
	if now == nil {
		return false, nil
	}
	m.seen.Store(now.Generation)
	if now.State == deleting {
		return false, s.store.remove(ctx, now)
	}
	if !now.Enabled {
		if err := s.store.settle(ctx, now, disabled); err != nil {
			return true, err
		}
		select {
		case <-ctx.Done():
		case <-m.kick:
		}
		return true, nil
	}
	return s.poll(ctx, now, m, abandon)
}

// poll runs a poller until the mapping has changed.
func (s *Service) poll(ctx context.Context, now *Mapping, m *minder, abandon <-chan struct{}) (again bool, err error) {
	p, err := s.newPoller(ctx, now, abandon)
	if f := fault.As(err); f != nil { // KMS does not show the filters
		err = errors.Join(s.store.settle(ctx, now, enabled),
			s.store.putResult(ctx, now, problem+"Lambda was unable to decrypt your filter criteria. KMS Exception: "+f.Code+" KMS Message: "+f.Message))
		m.wait(ctx, s.deps.Clock, troubleMost)
		return true, err
	}
	if err != nil {
		return true, err
	}
	polling, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- p.run(polling) }()
	if err := s.store.settle(ctx, now, enabled); err != nil {
		stop()
		<-done
		return true, err
	}
	select {
	case <-ctx.Done():
	case <-m.kick:
	case <-done: // another node has the mapping
		return false, nil
	}
	stop()
	<-done
	return true, nil
}
