package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/dynamodb/changelog"
	"moln.dev/moln/services/dynamodb/table"
)

const (
	// Retention is how long a stream keeps records, and how long it can be read
	// after it has ended, AWS says.
	Retention = 24 * time.Hour
	// shardAge is after how long a shard is closed and followed by another, as
	// AWS does about.
	shardAge = 4 * time.Hour
	// shardKeep is how long closed shards are known: longer than their last
	// records are kept, by which the clocks of nodes may differ.
	shardKeep = Retention + 10*time.Minute
	// trimPage is how many records are deleted at once.
	trimPage = 500
)

// labelForm is the time in a stream's ARN.
const labelForm = "2006-01-02T15:04:05.000"

// numbersPerMilli spaces the sequence numbers at which the streams of a table
// begin, so that a later stream's are higher.
const numbersPerMilli = 1_000_000

// Stream is a stream as it is stored. It outlives its table.
type Stream struct {
	Place           `json:"-"`
	Table, ARN      string
	ID, Label, View string
	Keys            table.Keys
	Shards          int
	Created         time.Time
	Ended           time.Time `json:",omitzero"`
}

// Log is where the stream's records are.
func (st *Stream) Log() changelog.Log { return streamLog(st.Place, st.ID, st.Shards) }

func streamLog(p Place, id string, shards int) changelog.Log {
	return changelog.Log{Prefix: tuple.Key(p.Account, p.Region, "c", id), Lanes: shards}
}

func (p Place) streamKey(table, label string) []byte {
	return tuple.Key(p.Account, p.Region, "s", table, label)
}

// startStream makes the stream that a table asks for, in the transaction that
// changes the table.
func (s *Store) startStream(tx *kv.Tx, p Place, m *table.Table) error {
	at := s.clock.Now().UTC().Truncate(time.Millisecond)
	for ; ; at = at.Add(time.Millisecond) { // a label is used once
		_, err := tx.Get(p.streamKey(m.Name, at.Format(labelForm)))
		if errors.Is(err, kv.ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
	}
	st := m.Stream
	st.Label = at.Format(labelForm)
	st.ID, m.LastStream = m.ID+"/"+st.Label, st.Label
	if err := streamLog(p, st.ID, st.Shards).Open(tx, uint64(at.UnixMilli())*numbersPerMilli, at); err != nil {
		return err
	}
	return p.putStream(tx, &Stream{
		Table: m.Name, ARN: m.StreamARN(st.Label), ID: st.ID, Label: st.Label, View: st.View,
		Keys: m.Keys, Shards: st.Shards, Created: at,
	})
}

func (p Place) putStream(tx *kv.Tx, st *Stream) error {
	raw, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return tx.Put(p.streamKey(st.Table, st.Label), raw)
}

// endStream ends a table's stream, in the transaction that changes the table.
func (s *Store) endStream(tx *kv.Tx, p Place, name string, was *table.Stream) error {
	now := s.clock.Now()
	if err := streamLog(p, was.ID, was.Shards).Close(tx, now); err != nil {
		return err
	}
	st, err := decodeStream(tx.Get(p.streamKey(name, was.Label)))
	if err != nil {
		return err
	}
	st.Ended = now
	return p.putStream(tx, st)
}

func decodeStream(raw []byte, err error) (*Stream, error) {
	if err != nil {
		return nil, err
	}
	st := new(Stream)
	return st, json.Unmarshal(raw, st)
}

// ending runs a transaction that may end logs of a table; no write of this
// process is under way. It locks what that needs.
func (s *Store) ending(ctx context.Context, t *Table, fn func(*kv.Tx) error, locks ...[]byte) error {
	for _, c := range t.captures {
		locks = append(locks, c.log.HeadKeys()...)
	}
	for {
		for _, c := range t.captures {
			for lane := range c.log.Lanes {
				if err := s.logs.Sweep(ctx, c.log, lane); err != nil {
					return err
				}
			}
		}
		if err := s.db.Update(ctx, fn, locks...); !errors.Is(err, changelog.ErrBacklog) {
			return err
		}
	}
}

// Stream finds a stream; missing is the fault where there is none.
func (s *Store) Stream(ctx context.Context, p Place, table, label string, missing error) (*Stream, error) {
	st, err := decodeStream(s.db.Get(ctx, p.streamKey(table, label)))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	st.Place = p
	return st, nil
}

// Streams lists up to limit streams by table and label, of one table if it is
// not "", after the given one if that is not nil.
func (s *Store) Streams(ctx context.Context, p Place, table string, after *Stream, limit int) ([]*Stream, error) {
	base := tuple.Key(p.Account, p.Region, "s")
	if table != "" {
		base = tuple.AppendString(base, table)
	}
	r := kv.Prefix(base)
	r.Limit = limit
	if after != nil {
		r.Start = append(p.streamKey(after.Table, after.Label), 0)
		if string(r.Start) < string(base) {
			r.Start = base
		}
	}
	items, err := s.db.Scan(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make([]*Stream, len(items))
	for i, it := range items {
		if out[i], err = decodeStream(it.Value, nil); err != nil {
			return nil, err
		}
		out[i].Place = p
	}
	return out, nil
}

// Logs are the logs that streams are made of.
func (s *Store) Logs() *changelog.Logs { return s.logs }

// TendStreams does what time asks for: it trims records, closes shards, finds
// records that a process has left behind, and removes streams that have ended
// long ago.
func (s *Store) TendStreams(ctx context.Context) error {
	now := s.clock.Now()
	return s.everyPlace(ctx, func(p Place) error {
		return s.db.Each(ctx, kv.Prefix(tuple.Key(p.Account, p.Region, "s")), func(it kv.Item) (bool, error) {
			st, err := decodeStream(it.Value, nil)
			if err != nil {
				return false, err
			}
			st.Place = p
			return true, s.tend(ctx, st, now)
		})
	})
}

func (s *Store) tend(ctx context.Context, st *Stream, now time.Time) error {
	l := st.Log()
	for lane := range l.Lanes {
		if st.Ended.IsZero() {
			if err := s.logs.Sweep(ctx, l, lane); err != nil {
				return err
			}
		}
		for more := true; more; {
			var err error
			if more, err = s.logs.Trim(ctx, l, lane, now.Add(-Retention), trimPage); err != nil {
				return err
			}
		}
		if err := s.logs.Roll(ctx, l, lane, now, shardAge, now.Add(-shardKeep)); err != nil {
			return err
		}
	}
	if st.Ended.IsZero() || now.Sub(st.Ended) < Retention {
		return nil
	}
	if err := s.logs.Remove(ctx, l); err != nil {
		return err
	}
	return s.db.Delete(ctx, st.streamKey(st.Table, st.Label))
}
