package store

import (
	"encoding/json"
	"errors"
	"slices"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
)

// group is the state of a FIFO queue's group that has messages.
type group struct {
	Count int    `json:"n"`    // of its messages
	Last  uint64 `json:"last"` // the place of the last one
	// Turn changes with everything but a message that comes: what was read of the
	// group's order then stands no more.
	Turn uint64 `json:"turn"`
	// Rest is the group's moment among those that may be received from, Flight
	// among those with messages in flight; one of both is zero.
	Rest   uint64   `json:"rest,omitempty"`
	Flight uint64   `json:"flight,omitempty"`
	In     []flying `json:"in,omitempty"` // received, and not visible again
}

// flying is a message of a group that is in flight until due.
type flying struct {
	Place []byte  `json:"p"`
	Due   uint64  `json:"d"`
	Token [8]byte `json:"t"`
}

// flies finds the message that a receipt is for, if it is in flight now.
func (g *group) flies(r message.Handle, now uint64) int {
	place := r.Place.Append(nil)
	return slices.IndexFunc(g.In, func(f flying) bool {
		return string(f.Place) == string(place) && f.Token == r.Token && f.Due > now
	})
}

// land forgets messages that are visible again.
func (g *group) land(now uint64) {
	g.In = slices.DeleteFunc(g.In, func(f flying) bool { return f.Due <= now })
}

// blocked says until when nothing of the group is received; zero: it may be.
func (g *group) blocked() (until uint64) {
	for _, f := range g.In {
		until = max(until, f.Due)
	}
	return until
}

// forget takes a message out that is deleted.
func (g *group) forget(p message.Place) {
	place := string(p.Append(nil))
	g.Count--
	g.In = slices.DeleteFunc(g.In, func(f flying) bool { return string(f.Place) == place })
}

// readGroup reads a group's state; nil: it has no messages.
func readGroup(tx *kv.Tx, k keys, name string) (*group, error) {
	raw, err := tx.Get(k.group(name))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	g := new(group)
	return g, json.Unmarshal(raw, g)
}

// tracks are the entries of indexes that a transaction may have written.
type tracks struct{ rest, flight []uint64 }

func (t *tracks) tell(h *hall) {
	for _, at := range t.rest {
		h.floors[kindRest].wrote(at)
	}
	for _, at := range t.flight {
		h.floors[kindFlight].wrote(at)
	}
}

// write stores a group after it has changed, with its entry by time: rest is the
// moment of the first message that it may still have. A group without messages
// is deleted.
func (g *group) write(tx *kv.Tx, k keys, name string, rest uint64, t *tracks) error {
	flight := g.blocked()
	if flight > 0 || g.Count == 0 {
		rest = 0
	}
	if g.Rest != 0 && g.Rest != rest {
		if err := tx.Delete(k.rest(g.Rest, name)); err != nil {
			return err
		}
	}
	if g.Flight != 0 && (g.Flight != flight || g.Count == 0) {
		if err := tx.Delete(k.flight(g.Flight, name)); err != nil {
			return err
		}
	}
	if g.Count == 0 {
		return tx.Delete(k.group(name))
	}
	g.Rest, g.Flight = rest, flight
	if rest != 0 {
		t.rest = append(t.rest, rest)
		if err := tx.Put(k.rest(rest, name), nil); err != nil {
			return err
		}
	}
	if flight != 0 {
		t.flight = append(t.flight, flight)
		if err := tx.Put(k.flight(flight, name), nil); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return tx.Put(k.group(name), raw)
}

// dropFifo deletes a message of a group.
func (k keys) dropFifo(tx *kv.Tx, name string, p message.Place) error {
	return remove(tx, k.body(p), k.state(p), k.order(name, p))
}

// stateOf reads the state of a message, if it is there.
func stateOf(tx *kv.Tx, k keys, p message.Place) (st state, ok bool, err error) {
	raw, err := tx.Get(k.state(p))
	if errors.Is(err, kv.ErrNotFound) {
		return st, false, nil
	}
	if err != nil {
		return st, false, err
	}
	st, err = decodeState(raw)
	return st, err == nil, err
}
