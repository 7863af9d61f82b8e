package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// line is the messages of a group that were found, in order.
type line struct {
	group  string
	turn   uint64
	places []message.Place
}

// receiveFifo takes messages of a FIFO queue: of each group the first ones, and
// none of a group of which some are in flight.
func (s *Store) receiveFifo(ctx context.Context, q *queue.Queue, w Want) (got []Received, next time.Time, err error) {
	h, leave := s.enter(q)
	defer leave()
	if w.Max == 0 {
		return nil, next, nil
	}
	if w.Attempt != "" {
		if got, err := s.repeat(ctx, h, q, w); err != nil || len(got) > 0 {
			return got, next, err
		}
	}
	letters, err := s.letters(ctx, q, w)
	if err != nil {
		return nil, next, err
	}
	for range fifoTries {
		if err := ctx.Err(); err != nil {
			return nil, next, err
		}
		var lines []line
		var names []string
		if names, lines, next, err = s.findLines(ctx, h, q, w.Max); err != nil || len(lines) == 0 {
			return nil, next, err
		}
		got, err = s.claimLines(ctx, h, q, letters, lines, w)
		h.releaseGroups(names)
		if err != nil || len(got) > 0 {
			break
		}
	}
	h.wake(1) // there may be more
	return got, next, err
}

// slack is how much sooner than its place a message is seen: places of one
// moment are counted on from it.
const slack = uint64(time.Millisecond)

// fifoTries is how often groups are looked for of which others were faster, or
// which had old messages only.
const fifoTries = 100

// linesMax bounds how many groups are looked at in one step.
const linesMax = 256

// findLines finds groups that may be received from, with n messages or more; they
// are the caller's until releaseGroups.
func (s *Store) findLines(ctx context.Context, h *hall, q *queue.Queue, n int) (names []string, lines []line, next time.Time, err error) {
	h.look.Lock()
	defer h.look.Unlock()
	k := keysOf(q)
	now := message.Nanos(s.clk.Now())
	candidates, err := s.candidates(ctx, h, k, now, uint64(q.Delay))
	if err != nil {
		return nil, nil, next, err
	}
	for _, name := range candidates {
		if n <= 0 {
			break
		}
		l, err := s.lineOf(ctx, k, name, n)
		if err != nil {
			return nil, nil, next, err
		}
		if len(l.places) == 0 {
			continue
		}
		n -= len(l.places)
		names, lines = append(names, name), append(lines, l)
	}
	for _, name := range names {
		h.groups[name] = struct{}{}
	}
	if len(lines) > 0 {
		return names, lines, next, nil
	}
	next, err = s.nextGroup(ctx, k, now, uint64(q.Delay))
	return nil, nil, next, err
}

func (h *hall) releaseGroups(names []string) {
	h.look.Lock()
	defer h.look.Unlock()
	for _, name := range names {
		delete(h.groups, name)
	}
}

// candidates are groups that may have something to receive: those at rest, with
// the one first that waits longest, and those whose messages are visible again.
func (s *Store) candidates(ctx context.Context, h *hall, k keys, now, delay uint64) ([]string, error) {
	var out []string
	for _, from := range []struct {
		kind string
		to   uint64
	}{{kindFlight, now}, {kindRest, now + slack - delay}} {
		items, err := s.scanFrom(ctx, h.floors[from.kind], k, from.kind, from.to, linesMax+len(h.groups))
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			_, name, err := k.groupEntry(from.kind, it.Key)
			if err != nil {
				return nil, err
			}
			if _, taken := h.groups[name]; !taken {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// nextGroup is when there may be something to receive.
func (s *Store) nextGroup(ctx context.Context, k keys, now, delay uint64) (time.Time, error) {
	next, err := s.first(ctx, k, kindFlight, now+1)
	if err != nil {
		return next, err
	}
	rest, err := s.first(ctx, k, kindRest, now+slack-delay+1)
	if err != nil || rest.IsZero() {
		return next, err
	}
	if rest = rest.Add(time.Duration(delay)); next.IsZero() || rest.Before(next) {
		next = rest
	}
	return next, nil
}

// lineOf reads the first n messages of a group. The group's turn is read before:
// as long as it is the same, nothing of them has changed.
func (s *Store) lineOf(ctx context.Context, k keys, name string, n int) (line, error) {
	l := line{group: name}
	raw, err := s.db.Get(ctx, k.group(name))
	if errors.Is(err, kv.ErrNotFound) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	var g group
	if err := json.Unmarshal(raw, &g); err != nil {
		return l, err
	}
	l.turn = g.Turn
	all := k.of(kindOrder, name)
	items, err := s.db.Scan(ctx, kv.Range{Start: all, End: tuple.End(all), Limit: n})
	if err != nil {
		return l, err
	}
	for _, it := range items {
		p, err := placeOf(all, it.Key)
		if err != nil {
			return l, err
		}
		l.places = append(l.places, p)
	}
	return l, nil
}

// fifoClaim is a transaction that receives from groups.
type fifoClaim struct {
	*Store
	k       keys
	q       *queue.Queue
	letters *queue.Queue
	want    Want
	now     time.Time
	due     uint64
	got     []Received
	moved   int
	tracks
}

// claimLines receives what was found, as far as it is still so.
func (s *Store) claimLines(ctx context.Context, h *hall, q, letters *queue.Queue, lines []line, w Want) ([]Received, error) {
	c := &fifoClaim{Store: s, k: keysOf(q), q: q, letters: letters, want: w}
	var locks [][]byte
	for _, l := range lines {
		locks = append(locks, c.k.group(l.group))
	}
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		c.got, c.moved, c.now = nil, 0, s.clk.Now()
		c.due = message.Nanos(c.now.Add(w.Visibility))
		for _, l := range lines {
			if err := c.line(tx, l); err != nil {
				return err
			}
		}
		if w.Attempt == "" || len(c.got) == 0 {
			return nil
		}
		return c.remember(tx)
	}, locks...)
	c.tell(h)
	if err != nil {
		return nil, err
	}
	if c.moved > 0 {
		s.buried(letters, c.moved)
	}
	got, err := s.bodies(ctx, c.k, c.got)
	h.flew(len(got))
	return got, err
}

// line receives from one group.
func (c *fifoClaim) line(tx *kv.Tx, l line) error {
	g, err := readGroup(tx, c.k, l.group)
	if err != nil || g == nil || g.Turn != l.turn {
		return err
	}
	now := message.Nanos(c.now)
	if g.land(now); g.blocked() > 0 {
		return nil // it was not when it was found
	}
	rest := uint64(0)
	for _, p := range l.places {
		st, ok, err := stateOf(tx, c.k, p)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			err = tx.Delete(c.k.order(l.group, p))
		case expired(c.q, p, c.now):
			g.forget(p)
			err = c.k.dropFifo(tx, l.group, p)
		case p.Nanos+uint64(c.q.Delay) > now+slack || len(c.got) == c.want.Max:
			rest = p.Nanos
		case c.letters != nil && c.q.Redrive.Exhausted(st.Received):
			g.forget(p)
			c.moved++
			err = c.buryFifo(tx, c.k, c.letters, l.group, p, st, c.now)
		default:
			st.take(c.now, c.due, [8]byte(c.ids.Bytes(8)))
			g.In = append(g.In, flying{p.Append(nil), c.due, st.Token})
			c.got = append(c.got, Received{Message: &Message{Place: p}, Token: st.Token, Count: st.Received, First: st.First})
			err = tx.Put(c.k.state(p), encodeState(&st))
		}
		if err != nil {
			return err
		}
		if rest != 0 {
			break
		}
	}
	if rest == 0 { // the first that was not looked at, if there is one, is later
		rest = l.places[len(l.places)-1].Nanos
	}
	if g.blocked() <= now {
		g.In = nil // visible at once
	}
	g.Turn++
	return g.write(tx, c.k, l.group, rest, &c.tracks)
}

// buryFifo moves a message of a group to the FIFO queue of dead letters, where it
// is new.
func (s *Store) buryFifo(tx *kv.Tx, from keys, letters *queue.Queue, name string, p message.Place, st state, now time.Time) error {
	raw, err := tx.Get(from.body(p))
	if err != nil {
		return err
	}
	m, err := decodeMessage(p, raw)
	if err != nil {
		return err
	}
	if err := from.dropFifo(tx, name, p); err != nil {
		return err
	}
	m.Source = from.at.ARN()
	m.Place.Nanos = s.Place(now).Nanos
	st.Due, st.Last, st.Token = 0, 0, [8]byte(s.ids.Bytes(8))
	var t tracks
	return s.join(tx, keysOf(letters), m, st, &t)
}
