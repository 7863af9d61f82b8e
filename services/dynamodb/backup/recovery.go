package backup

import (
	"context"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
)

const (
	// tendEvery is how often tables are looked at for what time asks for.
	tendEvery = 10 * time.Minute
	// renewals is how many bases a table's window sees.
	renewals = 2
	// soon is when a job that cannot go on yet looks again.
	soon = time.Second
)

// hold keeps what a table's recovery has until release, for a restore or an
// export that is begun in the same transaction.
func (s *Service) hold(tx *kv.Tx, w work) error {
	return s.store.Amend(tx, w.Place, w.Source.Table, noTable(w.Source.Table), func(t *table.Table) error {
		if t.Recovery == nil || t.ID != w.Source.TableID {
			return notRecoverable(t.Name)
		}
		t.Recovery.Readers = append(t.Recovery.Readers, w.ID)
		return nil
	})
}

// release ends hold.
func (s *Service) release(ctx context.Context, w work) error {
	if w.Source.Backup != "" {
		return nil
	}
	missing := noTable(w.Source.Table)
	_, err := s.store.ChangeWith(ctx, w.Place, w.Source.Table, missing, func(_ *kv.Tx, t *table.Table) error {
		if t.Recovery != nil && t.ID == w.Source.TableID {
			t.Recovery.Readers = without(t.Recovery.Readers, w.ID)
		}
		return nil
	})
	if err == missing {
		return nil
	}
	return err
}

// recover makes a copy of what a table was at a moment: the base, with the
// changes from it to the moment. It may be done again over what it left.
func (s *Service) recover(ctx context.Context, w work, to store.Copy) error {
	t, err := s.ready(ctx, w)
	if err != nil {
		return err
	}
	r, at := t.Recovery, w.Source.At
	if err := s.store.CopyItems(ctx, w.CopyOf(r.Base.ID), to); err != nil {
		return err
	}
	h := store.History{Log: w.CaptureLog(t.ID, r.Log), Keys: t.Keys, From: r.Base.From}
	if err := s.store.Replay(ctx, to, h, at); err != nil {
		return err
	}
	if at.After(r.Base.Ended) {
		return nil
	}
	h.From = nil // back to before the base, if that is where the moment is
	return s.store.Rewind(ctx, to, h, at)
}

// ready waits until a table's base is there and all changes that it may have
// seen are in the log.
func (s *Service) ready(ctx context.Context, w work) (*store.Table, error) {
	t, err := s.store.Look(ctx, w.Place, w.Source.Table, noTable(w.Source.Table))
	if err != nil {
		return nil, err
	}
	r := t.Recovery
	if t.ID != w.Source.TableID || r == nil {
		return nil, fmt.Errorf("dynamodb: table %s can no longer be recovered", t.Name)
	}
	if r.Base == nil || s.clock.Now().Before(r.Base.Ended.Add(table.Settling)) {
		return nil, sched.Again(soon)
	}
	return t, s.store.Sweep(ctx, w.CaptureLog(t.ID, r.Log))
}

// runBase makes a base, and puts it in the place of the one before.
func (s *Service) runBase(ctx context.Context, w work) error {
	missing := noTable(w.Table)
	t, err := s.store.Look(ctx, w.Place, w.Table, missing)
	if err != nil && err != missing {
		return err
	}
	wanted := func(t *table.Table) bool {
		return t.Recovery != nil && t.Recovery.Next != nil && t.Recovery.Next.ID == w.ID
	}
	switch {
	case err == missing:
		return s.store.DropCopy(ctx, w.CopyOf(w.ID))
	case t.Recovery != nil && t.Recovery.Base != nil && t.Recovery.Base.ID == w.ID:
		return nil // done before
	case !wanted(t.Table):
		return s.store.DropCopy(ctx, w.CopyOf(w.ID))
	}
	if err := s.store.CopyItems(ctx, w.RowsOf(t.ID), w.CopyOf(w.ID)); err != nil {
		return err
	}
	read := false
	_, err = s.store.ChangeWith(ctx, w.Place, w.Table, missing, func(tx *kv.Tx, t *table.Table) error {
		read = false
		if !wanted(t) {
			return w.CopyOf(w.ID).Drop(tx)
		}
		r := t.Recovery
		if r.Base != nil {
			if read = len(r.Readers) > 0; read {
				return nil
			}
			if err := w.CopyOf(r.Base.ID).Drop(tx); err != nil {
				return err
			}
		}
		r.Next.Ended = s.clock.Now().UTC()
		r.Base, r.Next = r.Next, nil
		return nil
	})
	switch {
	case err == missing:
		return s.store.DropCopy(ctx, w.CopyOf(w.ID))
	case err == nil && read:
		return sched.Again(soon)
	}
	return err
}

// runForget removes a capture that has ended. The work's table is its id.
func (s *Service) runForget(ctx context.Context, w work) error {
	return s.store.Logs().Remove(ctx, w.CaptureLog(w.Table, w.ID))
}

// tend does what time asks for: it drops changes that are out of the window,
// renews bases, and removes backups that have expired.
func (s *Service) tend(ctx context.Context) error {
	err := s.store.EveryTable(ctx, func(t *store.Table) error {
		if t.Recovery == nil || len(t.Recovery.Readers) > 0 {
			return nil
		}
		return s.tendTable(ctx, t)
	})
	if err != nil {
		return err
	}
	return s.store.EveryPlace(ctx, func(p store.Place) error { return s.expire(ctx, p) })
}

func (s *Service) tendTable(ctx context.Context, t *store.Table) error {
	r, now := t.Recovery, s.clock.Now()
	l := t.CaptureLog(t.ID, r.Log)
	if err := s.store.Sweep(ctx, l); err != nil {
		return err
	}
	if r.Base == nil || r.Next != nil {
		return nil
	}
	first := now.AddDate(0, 0, -r.Days)
	if r.Base.Started.Before(first) {
		first = r.Base.Started
	}
	if err := s.store.Trim(ctx, l, first); err != nil {
		return err
	}
	if now.Sub(r.Base.Started) < time.Duration(r.Days)*24*time.Hour/renewals {
		return nil
	}
	from, err := s.store.Next(ctx, l)
	if err != nil {
		return err
	}
	id, missing := s.newID(now), noTable(t.Name)
	_, err = s.store.ChangeWith(ctx, t.Place, t.Name, missing, func(tx *kv.Tx, m *table.Table) error {
		if m.ID != t.ID || m.Recovery == nil || m.Recovery.Log != r.Log || m.Recovery.Next != nil {
			return nil
		}
		m.Recovery.Next = &table.Base{ID: id, From: from, Started: now.UTC()}
		return s.later(tx, baseKind, work{Place: t.Place, Table: t.Name, ID: id})
	})
	if err == missing {
		return nil
	}
	return err
}

// expire removes backups whose time is over.
func (s *Service) expire(ctx context.Context, p store.Place) error {
	now := s.clock.Now()
	var gone []*Backup
	err := list(ctx, s.db, p, backupRecord, "", func(b *Backup) (bool, error) {
		if b.expired(now) && len(b.Restores) == 0 {
			gone = append(gone, b)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, b := range gone {
		err := s.db.Update(ctx, func(tx *kv.Tx) error { return s.drop(tx, p, b) })
		if err != nil {
			return err
		}
	}
	return nil
}
