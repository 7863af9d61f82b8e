package sched

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// Dead is a dead letter: a job that failed for good.
type Dead struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	Key        string    `json:"key,omitempty"`
	Payload    []byte    `json:"payload,omitempty"`
	Attempts   int       `json:"attempts"`
	Cause      string    `json:"cause"`
	EnqueuedAt time.Time `json:"enqueuedAt"`
	DiedAt     time.Time `json:"diedAt"`
}

// bury lists a job as a dead letter and drops those past their retention.
func (s *Scheduler) bury(tx *kv.Tx, r Run, st state, now time.Time) error {
	value, err := json.Marshal(Dead{
		ID: r.ID, Kind: r.Kind, Key: r.Key, Payload: r.Payload, Attempts: st.Attempt, Cause: st.Cause,
		EnqueuedAt: r.EnqueuedAt, DiedAt: fromMicros(now.UnixMicro()),
	})
	if err != nil {
		return err
	}
	kept := tuple.Key("x", r.Kind, now.Add(-DeadLetterRetention).UnixMicro())
	return errors.Join(
		tx.DeleteRange(tuple.Key("x", r.Kind), kept),
		tx.Put(deadKey(r.Kind, now.UnixMicro(), r.ID), value),
	)
}

// DeadLetters returns up to limit dead letters of a kind, oldest first.
func (s *Scheduler) DeadLetters(ctx context.Context, kind string, limit int) ([]Dead, error) {
	r := kv.Prefix(tuple.Key("x", kind))
	r.Limit = limit
	var out []Dead
	err := s.db.Each(ctx, r, func(it kv.Item) (bool, error) {
		var d Dead
		if err := json.Unmarshal(it.Value, &d); err != nil {
			return false, fmt.Errorf("sched: dead letter of %s: %w", kind, err)
		}
		out = append(out, d)
		return true, nil
	})
	return out, err
}

// Redrive enqueues a dead letter again, as a new job, and takes it off the
// list. It fails with ErrNotFound when it is not on it, and with ErrExists when
// there is another job of its key.
func (s *Scheduler) Redrive(ctx context.Context, d Dead) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		if err := takeDead(tx, d); err != nil {
			return err
		}
		if d.Key != "" {
			if _, err := tx.Get(nameKey(d.Kind, d.Key)); !errors.Is(err, kv.ErrNotFound) {
				return cmp.Or(err, fmt.Errorf("%w: %s of key %q", ErrExists, d.Kind, d.Key))
			}
		}
		return s.EnqueueTx(tx, Job{Kind: d.Kind, Key: d.Key, Payload: d.Payload})
	})
}

// Discard takes a dead letter off the list, or fails with ErrNotFound.
func (s *Scheduler) Discard(ctx context.Context, d Dead) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error { return takeDead(tx, d) })
}

func takeDead(tx *kv.Tx, d Dead) error {
	key := deadKey(d.Kind, d.DiedAt.UnixMicro(), d.ID)
	if _, err := tx.Get(key); err != nil {
		if errors.Is(err, kv.ErrNotFound) {
			return fmt.Errorf("%w: dead letter %s", ErrNotFound, d.ID)
		}
		return err
	}
	return tx.Delete(key)
}

// Waiting is a job that is stored, as Jobs lists it.
type Waiting struct {
	ID string
	// Due is when it runs or, if Leased, when its lease expires.
	Due     time.Time
	Key     string
	Attempt int
	Leased  bool
	Cause   string
}

// Jobs returns up to limit jobs of a kind, the first due first.
func (s *Scheduler) Jobs(ctx context.Context, kind string, limit int) (out []Waiting, err error) {
	snap, err := s.db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	r := kv.Prefix(duePrefix(kind))
	r.Limit = limit
	err = snap.Each(ctx, r, func(it kv.Item) (bool, error) {
		_, id, err := dueOf(kind, it.Key)
		if err != nil {
			return false, err
		}
		value, err := snap.Get(ctx, stateKey(id))
		if err != nil {
			return false, fmt.Errorf("sched: state of job %s: %w", id, err)
		}
		var st state
		if err := json.Unmarshal(value, &st); err != nil {
			return false, fmt.Errorf("sched: state of job %s: %w", id, err)
		}
		out = append(out, Waiting{
			ID: id, Due: fromMicros(st.Due), Key: st.Key, Attempt: st.Attempt,
			Leased: st.Lease != "", Cause: st.Cause,
		})
		return true, nil
	})
	return out, err
}
