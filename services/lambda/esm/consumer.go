package esm

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
)

const (
	// readMax is how many records are asked for at once.
	readMax = 1000
	// pendingBytesMax is how much of a shard is held: two full batches, and
	// what one more read brings (E5).
	pendingBytesMax = 2 * eventBytesMax
	// pollIdle is how often an idle shard is read, as AWS does; pollBusy is how
	// often one that had records within the last busyFor is; pollAlone is how
	// often where every writer is in this process, and so wakes the reader.
	pollIdle  = 250 * time.Millisecond
	pollBusy  = 50 * time.Millisecond
	pollAlone = 2 * time.Second
	busyFor   = 5 * time.Second
	// pollLeast is the least time between a read that found nothing and the next.
	pollLeast = 5 * time.Millisecond
	// troubleFirst and troubleMost bound the pause after a failed read.
	troubleFirst = time.Second
	troubleMost  = 30 * time.Second
	// flushTime is how long the last checkpoint may take when a poller stops.
	flushTime = 5 * time.Second
)

// consumer reads one shard and gives its records to the function.
type consumer struct {
	*poller
	shard string
	lanes []*lane
	room  chan struct{} // rings when records were done
	dirty chan struct{} // rings when the checkpoint has moved

	mu sync.Mutex
	// order has the records that were read and are not all done, in order.
	order   []*entry
	pending int
	bytes   int
	at      checkpoint
	ended   bool
	// caughtUp is when a read began that found nothing more.
	caughtUp time.Time
}

// entry is a record in a consumer's order.
type entry struct {
	Record
	seen time.Time
	done bool
}

func newConsumer(p *poller, shard string, at checkpoint) *consumer {
	c := &consumer{poller: p, shard: shard, at: at, room: make(chan struct{}, 1), dirty: make(chan struct{}, 1)}
	if p.m.TumblingS == 0 {
		c.at.Window = nil
	}
	for range p.m.Parallel {
		c.lanes = append(c.lanes, &lane{consumer: c, kick: make(chan struct{}, 1), window: c.at.Window})
	}
	return c
}

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run consumes the shard to its end. Its error is ctx's cause, errLost, or that
// the shard is gone.
func (c *consumer) run(ctx context.Context) error {
	c.meters.shards.With().Add(1)
	defer c.meters.shards.With().Add(-1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var lanes, writer sync.WaitGroup
	for _, l := range c.lanes {
		lanes.Go(func() {
			if err := l.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	stop := make(chan struct{})
	writer.Go(func() {
		if err := c.keepCheckpoint(ctx, stop); err != nil {
			cancel(err)
		}
	})
	err := c.read(ctx)
	if err != nil {
		cancel(err)
	}
	lanes.Wait()
	close(stop)
	writer.Wait()
	if cause := context.Cause(ctx); cause != nil {
		c.flush(ctx)
		return cause
	}
	c.mu.Lock()
	c.at.Done, c.at.Window = true, nil
	at := c.at
	c.mu.Unlock()
	return c.store.save(ctx, c.m, c.holder, c.shard, at)
}

// read reads the shard until it ends.
func (c *consumer) read(ctx context.Context) error {
	rung, stop := c.deps.Bell.Listen(c.m.Source)
	defer stop()
	from := c.begin()
	cursor, pause, active := "", troubleFirst, c.now()
	for {
		if err := c.awaitRoom(ctx); err != nil {
			return err
		}
		began := c.now()
		records, next, err := c.page(ctx, &from, cursor)
		switch {
		case errors.Is(err, errTrimmed):
			from, cursor = Position{}, "" // what is lost is lost
			continue
		case errors.Is(err, errExpired):
			cursor = ""
			continue
		case fault.Is(err, "ResourceNotFoundException"):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.trouble(err)
			if err := clock.Sleep(ctx, c.deps.Clock, pause); err != nil {
				return err
			}
			cursor, pause = "", min(2*pause, troubleMost)
			continue
		}
		pause, cursor = troubleFirst, next
		c.add(records, began, next == "")
		if next == "" {
			return nil
		}
		if len(records) > 0 {
			active = began
			continue
		}
		if err := c.rest(ctx, rung, began.Sub(active) < busyFor); err != nil {
			return err
		}
	}
}

// rest waits before the next read of a shard that has nothing more.
func (c *consumer) rest(ctx context.Context, rung <-chan struct{}, busy bool) error {
	wait := pollIdle
	switch {
	case c.woken:
		wait = pollAlone
	case busy:
		wait = pollBusy
	}
	if err := clock.Sleep(ctx, c.deps.Clock, pollLeast); err != nil {
		return err
	}
	t := c.deps.Clock.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-rung:
	case <-t.C:
	}
	return nil
}

// begin is where the shard is to be read from.
func (c *consumer) begin() Position {
	switch {
	case c.at.After != "":
		return Position{After: c.at.After}
	case c.m.Start == startLatest:
		return Position{At: c.m.At}
	}
	return Position{}
}

// page reads on, from where from says if there is no cursor, and moves from.
func (c *consumer) page(ctx context.Context, from *Position, cursor string) ([]Record, string, error) {
	if cursor == "" {
		var err error
		if cursor, err = c.stream.Cursor(ctx, c.shard, *from); err != nil {
			return nil, "", err
		}
	}
	records, next, err := c.stream.Read(ctx, cursor, readMax)
	if n := len(records); err == nil && n > 0 {
		*from = Position{After: records[n-1].Sequence}
	}
	return records, next, err
}

// awaitRoom waits until there is room for what a read brings.
func (c *consumer) awaitRoom(ctx context.Context) error {
	most := 2 * int(c.m.BatchSize) * len(c.lanes)
	for {
		c.mu.Lock()
		full := c.pending >= max(most, readMax) || c.bytes >= pendingBytesMax
		c.mu.Unlock()
		if !full {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.room:
		}
	}
}

// add gives records that were read to the lanes of their keys; those that the
// filter does not let through are done.
func (c *consumer) add(records []Record, began time.Time, ended bool) {
	now, passed := c.now(), 0
	c.mu.Lock()
	for i := range records {
		e := &entry{Record: records[i], seen: now}
		c.order = append(c.order, e)
		if !c.wants(e.JSON) {
			e.done, passed = true, passed+1
			continue
		}
		c.pending++
		c.bytes += len(e.JSON)
		l := c.laneOf(e.Key)
		l.queue = append(l.queue, e)
	}
	c.ended = c.ended || ended
	if len(records) == 0 {
		c.caughtUp = began
	}
	c.advance()
	c.mu.Unlock()
	c.meters.fate(fateFiltered, passed)
	c.count(countPolled, len(records))
	c.count(countFiltered, passed)
	for _, l := range c.lanes {
		ring(l.kick)
	}
}

func (c *consumer) laneOf(key string) *lane {
	if len(c.lanes) == 1 {
		return c.lanes[0]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return c.lanes[h.Sum32()%uint32(len(c.lanes))]
}

// finish says that entries are done, and what the window is after them (E4).
func (c *consumer) finish(entries []*entry, w *window) {
	c.mu.Lock()
	for _, e := range entries {
		e.done = true
		c.pending--
		c.bytes -= len(e.JSON)
		e.JSON = nil
	}
	c.at.Window = w
	c.advance()
	c.mu.Unlock()
	ring(c.dirty)
	ring(c.room)
}

// advance moves the checkpoint over what is done (E2).
func (c *consumer) advance() {
	n := 0
	for n < len(c.order) && c.order[n].done {
		n++
	}
	if n == 0 {
		return
	}
	c.at.After = c.order[n-1].Sequence
	clear(c.order[:n]) // nothing is kept by the array below
	c.order = c.order[n:]
	ring(c.dirty)
}

// keepCheckpoint stores the checkpoint whenever it has moved, until stop.
func (c *consumer) keepCheckpoint(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stop:
			return nil
		case <-c.dirty:
		}
		c.mu.Lock()
		at := c.at
		c.mu.Unlock()
		err := c.store.save(ctx, c.m, c.holder, c.shard, at)
		switch {
		case errors.Is(err, errLost):
			return err
		case err != nil && ctx.Err() == nil:
			c.deps.Log.Error("store the checkpoint of an event source mapping", "mapping", c.m.UUID, "shard", c.shard, "error", err)
			ring(c.dirty)
			_ = clock.Sleep(ctx, c.deps.Clock, troubleFirst)
		}
	}
}

// flush stores the checkpoint of a consumer that stops.
func (c *consumer) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	c.mu.Lock()
	at := c.at
	c.mu.Unlock()
	if at.After == "" && at.Window == nil {
		return
	}
	if err := c.store.save(ctx, c.m, c.holder, c.shard, at); err != nil && !errors.Is(err, errLost) {
		c.deps.Log.Warn("store the last checkpoint of an event source mapping", "mapping", c.m.UUID, "shard", c.shard, "error", err)
	}
}
