package pgkv

import (
	"math/bits"
	"slices"
	"sync"

	"moln.dev/moln/engine/kv/driver"
)

const (
	// maxCommits and maxCommitBytes bound what travels together.
	maxCommits     = 256
	maxCommitBytes = driver.MaxBatchBytes

	// enoughCommits is from how many commits on a group takes no more lanes, so
	// that others can be under way beside it.
	enoughCommits = 64
	// maxGroups is how many groups are under way at a time. Each holds a
	// connection.
	maxGroups = 4
)

// laneSet is the lanes of a commit or of several: bit i is lane i.
type laneSet struct{ read, written uint32 }

func (s laneSet) with(o laneSet) laneSet { return laneSet{s.read | o.read, s.written | o.written} }

// excludes reports whether the two cannot be under way at a time.
func (s laneSet) excludes(o laneSet) bool {
	return s.written&(o.read|o.written) != 0 || o.written&s.read != 0
}

// has reports whether s has all lanes of o.
func (s laneSet) has(o laneSet) bool {
	return o.written&^s.written == 0 && o.read&^(s.read|s.written) == 0
}

// locks returns the numbers of the lanes in their order, and which of them are
// written.
func (s laneSet) locks() (numbers []int32, alone []bool) {
	for all := s.read | s.written; all != 0; all &= all - 1 {
		i := bits.TrailingZeros32(all)
		numbers, alone = append(numbers, int32(i)), append(alone, s.written&(1<<i) != 0)
	}
	return numbers, alone
}

// commitQueue is the commits that wait, and what is under way. While groups are
// under way the next ones collect.
type commitQueue struct {
	mu      sync.Mutex
	changed sync.Cond     // for workers: there may be something to do
	waiting []*commitCall // in the order in which they came
	busy    [maxGroups]commitGroup
	closed  bool
}

// commitGroup is commits that travel together.
type commitGroup struct {
	calls []*commitCall
	lanes laneSet
}

// add puts a commit at the end. It fails when the queue is closed.
func (q *commitQueue) add(c *commitCall) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return driver.ErrClosed
	}
	q.waiting = append(q.waiting, c)
	if q.worthIt(len(q.waiting)) && !q.lanes().excludes(c.lanes) {
		q.changed.Signal()
	}
	return nil
}

// worthIt reports whether n commits are to be sent beside what is under way. If
// they are fewer than that, more are on their way to travel with them.
func (q *commitQueue) worthIt(n int) bool {
	under := 0
	for _, g := range q.busy {
		under += len(g.calls)
	}
	return n >= min(under, enoughCommits)
}

// lanes returns those of what is under way.
func (q *commitQueue) lanes() (all laneSet) {
	for _, g := range q.busy {
		all = all.with(g.lanes)
	}
	return all
}

// next ends what a worker had under way, waits for what it can send next, and
// makes that under way. It returns nil when the queue is closed and empty.
func (q *commitQueue) next(worker int) *commitGroup {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy[worker] = commitGroup{}
	for {
		g, left := q.choose()
		if len(g.calls) > 0 && q.worthIt(len(g.calls)) {
			q.waiting, q.busy[worker] = left, g
			if q.closed || len(left) > 0 && q.worthIt(len(left)) {
				q.changed.Broadcast()
			}
			return &g
		}
		if q.closed && len(q.waiting) == 0 {
			return nil
		}
		q.changed.Wait()
	}
}

// close makes the workers end when nothing waits any more.
func (q *commitQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// choose returns the commits that can be one transaction now, and those that
// are left. Each is validated against what is stored before the transaction, so
// none may touch what one before it writes.
func (q *commitQueue) choose() (g commitGroup, left []*commitCall) {
	busy := q.lanes()
	written := make(map[string]bool)
	bytes := 0
	for _, c := range q.waiting {
		bytes += c.bytes
		fits := len(g.calls) == 0 || len(g.calls) < maxCommits && bytes <= maxCommitBytes &&
			(len(g.calls) < enoughCommits || g.lanes.has(c.lanes))
		switch {
		case busy.excludes(c.lanes):
			// What comes later and needs one of its lanes must not pass it.
			busy = busy.with(c.lanes)
			left = append(left, c)
		case fits && !c.touches(written):
			g.calls, g.lanes = append(g.calls, c), g.lanes.with(c.lanes)
		default:
			left = append(left, c)
		}
		// What is left behind keeps its place before those that follow.
		for _, w := range c.batch.Points {
			written[string(w.Key)] = true
		}
	}
	return g, left
}

func (c *commitCall) touches(written map[string]bool) bool {
	return slices.ContainsFunc(c.reads, func(r readPoint) bool { return written[string(r.key)] }) ||
		slices.ContainsFunc(c.batch.Points, func(w driver.Write) bool { return written[string(w.Key)] })
}
