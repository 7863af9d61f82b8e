package store

import (
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// bury moves a message of a standard queue to its dead-letter queue, where it is
// as old as it was, and as often received.
func (s *Store) bury(tx *kv.Tx, from keys, letters *queue.Queue, p message.Place, st state, now time.Time) error {
	raw, err := tx.Get(from.body(p))
	if err != nil {
		return err
	}
	m, err := decodeMessage(p, raw)
	if err != nil {
		return err
	}
	if err := from.drop(tx, p, &st); err != nil {
		return err
	}
	m.Source = from.at.ARN()
	return s.arrive(tx, letters, m, st, now)
}

// arrive puts a message that comes from another queue into a standard one.
func (s *Store) arrive(tx *kv.Tx, to *queue.Queue, m *Message, st state, now time.Time) error {
	k := keysOf(to)
	st.Due = message.Nanos(now.Add(to.Delay))
	st.Token = [8]byte(s.ids.Bytes(8)) // old receipts are none of this queue
	st.Last = 0                        // it is in flight nowhere
	writes, err := k.message(m, &st)
	if err != nil {
		return err
	}
	return put(tx, append(writes, k.seen(m.Place, &st))...)
}

// buried wakes who waits for dead letters.
func (s *Store) buried(letters *queue.Queue, n int) {
	h, leave := s.enter(letters)
	defer leave()
	due := message.Nanos(s.clk.Now().Add(letters.Delay))
	for _, f := range h.floors {
		f.wrote(0) // whatever the moment was
	}
	dues := make([]uint64, n)
	for i := range dues {
		dues[i] = due
	}
	h.arrived(dues)
}
