package store

import (
	"context"
	"encoding/json"
	"errors"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// attempt is what a named attempt to receive got.
type attempt struct {
	Until uint64    `json:"u"`
	Got   []gotOnce `json:"got"`
}

type gotOnce struct {
	Group string  `json:"g"`
	Place []byte  `json:"p"`
	Token [8]byte `json:"t"`
}

// remember stores what an attempt got.
func (c *fifoClaim) remember(tx *kv.Tx) error {
	a := attempt{Until: message.Nanos(c.now.Add(dedupTime))}
	for _, r := range c.got {
		st, _, err := stateOf(tx, c.k, r.Place)
		if err != nil {
			return err
		}
		a.Got = append(a.Got, gotOnce{st.Group, r.Place.Append(nil), r.Token})
	}
	if old, err := readAttempt(tx, c.k, c.want.Attempt); err != nil {
		return err
	} else if old != nil {
		if err := tx.Delete(c.k.triedBy(old.Until, c.want.Attempt)); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return put(tx, kv.Item{Key: c.k.attempt(c.want.Attempt), Value: raw}, kv.Item{Key: c.k.triedBy(a.Until, c.want.Attempt)})
}

func readAttempt(tx *kv.Tx, k keys, name string) (*attempt, error) {
	raw, err := tx.Get(k.attempt(name))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a := new(attempt)
	return a, json.Unmarshal(raw, a)
}

// repeat gives what an attempt of the same name got, hidden anew, if all of it is
// still in flight as that attempt left it.
func (s *Store) repeat(ctx context.Context, h *hall, q *queue.Queue, w Want) ([]Received, error) {
	k := keysOf(q)
	var got []Received
	var t tracks
	err := s.db.Update(ctx, func(tx *kv.Tx) error {
		got = nil
		now := s.clk.Now()
		a, err := readAttempt(tx, k, w.Attempt)
		if err != nil || a == nil || a.Until <= message.Nanos(now) {
			return err
		}
		due := message.Nanos(now.Add(w.Visibility))
		groups := map[string]*group{}
		var again []Received
		for _, one := range a.Got {
			r, ok, err := hideAgain(tx, k, groups, one, message.Nanos(now), due)
			if err != nil || !ok {
				return err
			}
			again = append(again, r)
		}
		for _, r := range again {
			st, _, err := stateOf(tx, k, r.Place)
			if err != nil {
				return err
			}
			st.Due = due
			if err := tx.Put(k.state(r.Place), encodeState(&st)); err != nil {
				return err
			}
		}
		for name, g := range groups {
			g.Turn++
			if err := g.write(tx, k, name, g.Rest, &t); err != nil {
				return err
			}
		}
		got = again
		return nil
	}, k.attempt(w.Attempt))
	t.tell(h)
	if err != nil || len(got) == 0 {
		return nil, err
	}
	return s.bodies(ctx, k, got)
}

// hideAgain prolongs the flight of a message in its group's state, which is read
// once.
func hideAgain(tx *kv.Tx, k keys, groups map[string]*group, one gotOnce, now, due uint64) (r Received, ok bool, err error) {
	p, err := message.ParsePlace(one.Place)
	if err != nil {
		return r, false, err
	}
	g := groups[one.Group]
	if g == nil {
		if g, err = readGroup(tx, k, one.Group); err != nil || g == nil {
			return r, false, err
		}
		groups[one.Group] = g
	}
	i := g.flies(message.Handle{Place: p, Token: one.Token}, now)
	st, there, err := stateOf(tx, k, p)
	if err != nil || i < 0 || !there {
		return r, false, err
	}
	g.In[i].Due = due
	return Received{Message: &Message{Place: p}, Token: one.Token, Count: st.Received, First: st.First}, true, nil
}
