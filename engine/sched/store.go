package sched

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

func dueKey(kind string, due int64, id string) []byte { return tuple.Key("d", kind, due, id) }
func duePrefix(kind string) []byte                    { return tuple.Key("d", kind) }
func stateKey(id string) []byte                       { return tuple.Key("s", id) }
func payloadKey(id string) []byte                     { return tuple.Key("p", id) }
func followKey(id string) []byte                      { return tuple.Key("f", id) }
func nameKey(kind, key string) []byte                 { return tuple.Key("k", kind, key) }
func deadKey(kind string, died int64, id string) []byte {
	return tuple.Key("x", kind, died, id)
}

// dueOf reads the time and id of an index entry.
func dueOf(kind string, key []byte) (due int64, id string, err error) {
	due, rest, err := tuple.DecodeInt(key[len(duePrefix(kind)):])
	if err != nil {
		return 0, "", fmt.Errorf("sched: index of %s: %w", kind, err)
	}
	id, _, err = tuple.DecodeString(rest)
	if err != nil {
		return 0, "", fmt.Errorf("sched: index of %s: %w", kind, err)
	}
	return due, id, nil
}

func load(tx *kv.Tx, id string) (state, error) {
	value, err := tx.Get(stateKey(id))
	if err != nil {
		return state{}, err
	}
	var st state
	if err := json.Unmarshal(value, &st); err != nil {
		return state{}, fmt.Errorf("sched: state of job %s: %w", id, err)
	}
	return st, nil
}

// store writes a job's state and moves its index entry, which was at oldDue.
func store(tx *kv.Tx, id string, oldDue int64, st state) error {
	value, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if oldDue != st.Due {
		err = tx.Delete(dueKey(st.Kind, oldDue, id))
	}
	return errors.Join(err, tx.Put(dueKey(st.Kind, st.Due, id), nil), tx.Put(stateKey(id), value))
}

func (s *Scheduler) enqueue(tx *kv.Tx, j Job) error {
	now := s.clk.Now()
	at := dueAfter(now, j.RunAt.Sub(now))
	st := state{Kind: j.Kind, Key: j.Key, Due: at, RunAt: at, Enqueued: now.UnixMicro()}
	if j.Key != "" {
		id, err := tx.Get(nameKey(j.Kind, j.Key))
		if err == nil {
			return s.enqueueNamed(tx, string(id), st, j)
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
	}
	id := s.ids.Sortable()
	if j.Key != "" {
		if err := tx.Put(nameKey(j.Kind, j.Key), []byte(id)); err != nil {
			return err
		}
	}
	return errors.Join(tx.Put(payloadKey(id), j.Payload), store(tx, id, st.Due, st))
}

// enqueueNamed enqueues under the key of the job id, which exists.
func (s *Scheduler) enqueueNamed(tx *kv.Tx, id string, fresh state, j Job) error {
	old, err := load(tx, id)
	if err != nil {
		return fmt.Errorf("sched: job %s of key %q: %w", id, j.Key, err)
	}
	switch {
	case old.Lease != "":
		// It runs, or its node died: either way what is enqueued now comes after.
		old.Follow = &follow{RunAt: fresh.RunAt, Enqueued: fresh.Enqueued}
		return errors.Join(tx.Put(followKey(id), j.Payload), store(tx, id, old.Due, old))
	case j.Replace:
		fresh.Follow = nil
		return errors.Join(tx.Put(payloadKey(id), j.Payload), store(tx, id, old.Due, fresh))
	}
	return nil
}

func (s *Scheduler) cancel(tx *kv.Tx, kind, key string) error {
	id, err := tx.Get(nameKey(kind, key))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := load(tx, string(id))
	if err != nil {
		return err
	}
	return remove(tx, string(id), st)
}

// remove deletes all keys of a job.
func remove(tx *kv.Tx, id string, st state) error {
	errs := []error{tx.Delete(dueKey(st.Kind, st.Due, id)), tx.Delete(stateKey(id)), tx.Delete(payloadKey(id))}
	if st.Follow != nil {
		errs = append(errs, tx.Delete(followKey(id)))
	}
	if st.Key != "" {
		errs = append(errs, tx.Delete(nameKey(st.Kind, st.Key)))
	}
	return errors.Join(errs...)
}

// end removes a job, or turns it into the one that was enqueued while it ran.
func end(tx *kv.Tx, id string, st state) error {
	if st.Follow == nil {
		return remove(tx, id, st)
	}
	payload, err := tx.Get(followKey(id))
	if err != nil {
		return err
	}
	next := state{Kind: st.Kind, Key: st.Key, Due: st.Follow.RunAt, RunAt: st.Follow.RunAt, Enqueued: st.Follow.Enqueued}
	return errors.Join(tx.Delete(followKey(id)), tx.Put(payloadKey(id), payload), store(tx, id, st.Due, next))
}

// held loads a job of which lease must be the holder.
func held(tx *kv.Tx, id, lease string) (state, error) {
	st, err := load(tx, id)
	if errors.Is(err, kv.ErrNotFound) {
		return state{}, ErrLeaseLost
	}
	if err != nil {
		return state{}, err
	}
	if st.Lease != lease {
		return state{}, ErrLeaseLost
	}
	return st, nil
}

func (s *Scheduler) finishTx(tx *kv.Tx, id, lease string) error {
	st, err := held(tx, id, lease)
	if err != nil {
		return err
	}
	return end(tx, id, st)
}

// renew moves the expiry of a lease.
func (s *Scheduler) renew(ctx context.Context, id, lease string, d time.Duration) error {
	return s.db.Update(ctx, func(tx *kv.Tx) error {
		st, err := held(tx, id, lease)
		if err != nil {
			return err
		}
		old := st.Due
		st.Due = dueAfter(s.clk.Now(), d)
		return store(tx, id, old, st)
	}, stateKey(id))
}

// settle does what judge says of a run that ended with runErr.
func (s *Scheduler) settle(ctx context.Context, r Run, runErr error, o Options) (v verdict, err error) {
	err = s.db.Update(ctx, func(tx *kv.Tx) error {
		st, err := held(tx, r.ID, r.lease)
		if err != nil {
			return err
		}
		now := s.clk.Now()
		if errors.Is(runErr, ErrStopping) {
			v = released(st, now)
		} else {
			v = judge(st, runErr, o, now)
		}
		switch v.fate {
		case fateDone:
			return end(tx, r.ID, st)
		case fateDead:
			return errors.Join(s.bury(tx, r, v.state, now), end(tx, r.ID, st))
		}
		return store(tx, r.ID, st.Due, v.state)
	}, stateKey(r.ID))
	return v, err
}

// released is the state of a job whose run does not count.
func released(st state, now time.Time) verdict {
	st.Lease, st.Due = "", dueAfter(now, 0)
	if st.Dying {
		st.DeadAttempt--
	} else {
		st.Attempt--
	}
	return verdict{fateRelease, st}
}

// claimed is a job that this node has leased.
type claimed struct {
	run   Run
	dying bool
	cause string
}

// claim leases up to limit due jobs. When it finds none, next is when
// the first one comes due, or zero.
func (w *worker) claim(ctx context.Context, limit int) (jobs []claimed, next time.Time, err error) {
	entries, next, err := w.due(ctx, limit)
	if err != nil || len(entries) == 0 {
		return nil, next, err
	}
	lease := w.ids.Sortable()
	locks := make([][]byte, 0, len(entries))
	for _, e := range entries {
		locks = append(locks, stateKey(e.id))
	}
	err = w.db.Update(ctx, func(tx *kv.Tx) error {
		jobs = jobs[:0]
		for _, e := range entries {
			c, ok, err := w.lease(tx, e, lease)
			if err != nil {
				return err
			}
			if ok {
				jobs = append(jobs, c)
			}
		}
		return nil
	}, locks...)
	// What another node took meanwhile shows at the next look, which is now.
	return jobs, w.clk.Now(), err
}

type entry struct {
	due int64
	id  string
}

// due returns up to limit jobs that are due and not run by this worker.
func (w *worker) due(ctx context.Context, limit int) (found []entry, next time.Time, err error) {
	now := w.clk.Now().UnixMicro()
	running := w.runningNow()
	r := kv.Prefix(duePrefix(w.kind))
	r.Limit = limit + len(running) + 1
	items, err := w.db.Scan(ctx, r)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, it := range items {
		due, id, err := dueOf(w.kind, it.Key)
		if err != nil {
			return nil, time.Time{}, err
		}
		if _, mine := running[id]; mine {
			continue
		}
		if due > now {
			return found, fromMicros(due), nil
		}
		if found = append(found, entry{due, id}); len(found) == limit {
			break
		}
	}
	return found, time.Time{}, nil
}

// lease takes a job, unless it is not what the index said any more.
func (w *worker) lease(tx *kv.Tx, e entry, lease string) (c claimed, ok bool, err error) {
	st, err := load(tx, e.id)
	if errors.Is(err, kv.ErrNotFound) || err == nil && st.Due != e.due {
		return claimed{}, false, tx.Delete(dueKey(w.kind, e.due, e.id)) // gone already, or leads nowhere
	}
	if err != nil {
		return claimed{}, false, err
	}
	payload, err := tx.Get(payloadKey(e.id))
	if err != nil {
		return claimed{}, false, fmt.Errorf("sched: payload of job %s: %w", e.id, err)
	}
	if !st.Dying && w.options.exhausted(st.Attempt) { // its last run was cut short
		st.Dying = true
		st.Cause = cut("lease expired during the last attempt; before: " + st.Cause)
	}
	if st.Dying {
		st.DeadAttempt++
	} else {
		st.Attempt++
	}
	st.Lease = lease
	st.Due = dueAfter(w.clk.Now(), w.options.Lease)
	if err := store(tx, e.id, e.due, st); err != nil {
		return claimed{}, false, err
	}
	return claimed{dying: st.Dying, cause: st.Cause, run: Run{
		ID: e.id, Kind: st.Kind, Key: st.Key, Payload: payload, Attempt: st.Attempt,
		RunAt: fromMicros(st.RunAt), EnqueuedAt: fromMicros(st.Enqueued), sched: w.Scheduler, lease: lease,
	}}, true, nil
}
