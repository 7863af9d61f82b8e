package esm

import (
	"context"
	"errors"
	"sync"
	"time"

	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
)

const (
	// shardsMax is how many shards of a mapping are read at once (E5).
	shardsMax = 64
	// discoverEvery is how often a stream is asked for its shards, besides when
	// one has ended.
	discoverEvery = 10 * time.Second
	// reportPause is the least time between two stored results.
	reportPause = 500 * time.Millisecond
	startLatest = "LATEST"
)

// poller polls for one generation of a mapping.
type poller struct {
	*Service
	m       *Mapping
	stream  Stream
	filters []*eventpattern.Pattern
	// woken: every write to the stream rings the bell.
	woken bool
	// abandon is closed when the server stops, some time after the poller's
	// context.
	abandon <-chan struct{}

	mu      sync.Mutex
	said    string
	saying  chan struct{}
	reading map[string]bool
}

func (s *Service) newPoller(ctx context.Context, m *Mapping, abandon <-chan struct{}) (*poller, error) {
	p := &poller{Service: s, m: m, abandon: abandon, saying: make(chan struct{}, 1), reading: map[string]bool{}}
	p.woken = s.deps.Bell != nil && s.store.private()
	if k, _ := kindOf(m.Source); !k.isQueue() {
		p.stream = s.open(p)
	}
	filters, err := s.filtersToPoll(ctx, m)
	if err != nil {
		return nil, err
	}
	for _, text := range filters {
		f, err := eventpattern.Parse([]byte(text), eventpattern.Filter)
		if err != nil {
			return nil, err
		}
		p.filters = append(p.filters, f)
	}
	return p, nil
}

func (p *poller) now() time.Time { return p.deps.Clock.Now() }

// wants says that a record passes one of the filters, or that there are none.
func (p *poller) wants(record []byte) bool {
	if len(p.filters) == 0 {
		return true
	}
	v, err := eventpattern.DecodeEvent(record)
	if err != nil {
		return true // it is ours, and never happens
	}
	for _, f := range p.filters {
		if f.MatchValue(v) {
			return true
		}
	}
	return false
}

// run polls until ctx ends or another node has taken the mapping.
func (p *poller) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { p.keepResult(ctx) })
	if k, _ := kindOf(p.m.Source); k.isQueue() {
		return p.pollQueue(ctx)
	}
	ended, pause := make(chan struct{}, 1), troubleFirst
	for {
		err := p.discover(ctx, func(c *consumer) {
			all.Go(func() {
				err := c.run(ctx)
				p.leave(c.shard)
				switch {
				case errors.Is(err, errLost):
					cancel(err)
				case err != nil && ctx.Err() == nil:
					p.trouble(err) // found again by the next discovery
				case err == nil:
					ring(ended)
				}
			})
		})
		wait := discoverEvery
		if err != nil && ctx.Err() == nil {
			p.trouble(err)
			wait, pause = pause, min(2*pause, troubleMost)
		} else {
			pause = troubleFirst
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ended:
		case <-p.deps.Clock.After(wait):
		}
	}
}

// discover starts consumers of the shards whose turn it is (E3).
func (p *poller) discover(ctx context.Context, start func(*consumer)) error {
	shards, err := p.stream.Shards(ctx)
	if err != nil {
		return err
	}
	done, err := p.store.checkpoints(ctx, p.m)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(shards))
	for _, s := range shards {
		there[s.ID] = true
	}
	for _, s := range shards {
		if parent := there[s.Parent] && !done[s.Parent].Done; parent || done[s.ID].Done || !p.enter(s.ID) {
			continue
		}
		start(newConsumer(p, s.ID, done[s.ID]))
	}
	var gone []string
	for id := range done {
		if !there[id] && !p.isReading(id) {
			gone = append(gone, id)
		}
	}
	return p.store.forget(ctx, p.m, gone)
}

// enter counts a shard in; false where it is read already or there are too many.
func (p *poller) enter(shard string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reading[shard] || len(p.reading) >= shardsMax {
		return false
	}
	p.reading[shard] = true
	return true
}

func (p *poller) leave(shard string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.reading, shard)
}

func (p *poller) isReading(shard string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reading[shard]
}

// trouble tells that the stream could not be read.
func (p *poller) trouble(err error) {
	f := fault.As(err)
	switch {
	case f == nil:
		p.deps.Log.Error("poll for an event source mapping", "mapping", p.m.UUID, "error", err)
		p.report(problem + "Lambda internal error. Please contact Lambda customer support.")
	case fault.Is(err, "AccessDeniedException"):
		p.report(problem + fault.As(noAccess(p.m.Source)).Message)
	default:
		p.report(problem + f.Message)
	}
}

// report says what came of the last batch.
func (p *poller) report(result string) {
	p.mu.Lock()
	changed := p.said != result
	p.said = result
	p.mu.Unlock()
	if changed {
		ring(p.saying)
	}
}

// keepResult stores what was reported last.
func (p *poller) keepResult(ctx context.Context) {
	stored := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.saying:
		}
		p.mu.Lock()
		said := p.said
		p.mu.Unlock()
		if said != stored {
			if err := p.store.putResult(ctx, p.m, said); err != nil && ctx.Err() == nil {
				p.deps.Log.Error("store the result of an event source mapping", "mapping", p.m.UUID, "error", err)
			}
			stored = said
		}
		if clock.Sleep(ctx, p.deps.Clock, reportPause) != nil {
			return
		}
	}
}
