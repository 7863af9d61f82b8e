package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
)

// What a transaction takes away from an object is not deleted with it: some
// node may be reading it. The transaction leaves a garbage record, and Reap
// deletes the bytes a grace period later. A read that takes longer than part of
// the period holds a lease, which Reap respects.
//
// All of this goes by the machine's clock: an account's clock that is moved
// forward must not cut a read of this moment. The clocks of nodes may differ by
// half of the period.
const (
	// Grace is how long dropped bytes stay readable at least.
	Grace = 5 * time.Minute
	// leaseEvery is how often a read that goes on tells so.
	leaseEvery = Grace / 4
	// ReapEvery is how often dropped bytes are looked for.
	ReapEvery = time.Minute
	// SweepEvery is how often blobs are looked for that no transaction ever
	// named, which crashes leave; SweepAge is how old they must be: longer than
	// any upload takes from its blob's commit to its metadata.
	SweepEvery = 6 * time.Hour
	SweepAge   = time.Hour
)

func keyGarbage(dropped time.Time, id string) []byte {
	return tuple.Key("g", dropped.UnixMicro(), id)
}
func keyLease(id, reader string) []byte { return tuple.Key("l", id, reader) }

// garbage is what was dropped under one id: of data, or of an upload.
type garbage struct {
	Blobs  []string `json:",omitempty"` // their ids
	Parts  bool     `json:",omitempty"` // and those of the parts of the data
	Of     string   `json:",omitempty"` // the id of the data, where this is another list of its parts
	Upload bool     `json:",omitempty"` // and those of the parts of the upload
}

// data is the id that reads of it are leased under, of garbage under an id.
func (g garbage) data(id string) string {
	if g.Of != "" {
		return g.Of
	}
	return id
}

// leave puts a garbage record.
func (tx *Tx) leave(id string, g garbage) error {
	return putJSON(tx.KV, keyGarbage(tx.s.real.Now(), id), g)
}

// Reap deletes what was dropped longer than grace ago and is not read any more,
// and returns how many blobs that were.
func (s *Store) Reap(ctx context.Context, grace time.Duration) (int, error) {
	now := s.real.Now()
	r := kv.Prefix(tuple.Key("g"))
	r.End = tuple.Key("g", now.Add(-grace).UnixMicro()+1)
	deleted := 0
	err := s.kv.Each(ctx, r, func(it kv.Item) (bool, error) {
		n, err := s.reapOne(ctx, it, now)
		if err != nil && ctx.Err() == nil {
			s.log.Error("delete what was dropped", "error", err)
			return true, nil // it stays for the next time, and the others go
		}
		deleted += n
		return err == nil, err
	})
	if err != nil {
		return deleted, err
	}
	return deleted, s.endLeases(ctx, now)
}

func (s *Store) reapOne(ctx context.Context, it kv.Item, now time.Time) (int, error) {
	id, err := garbageID(it.Key)
	if err != nil {
		return 0, err
	}
	var g garbage
	if err := json.Unmarshal(it.Value, &g); err != nil {
		return 0, fmt.Errorf("s3: garbage record: %w", err)
	}
	leased, err := s.isLeased(ctx, g.data(id), now)
	if err != nil || leased {
		return 0, err
	}
	ids, err := s.blobsOf(ctx, id, g)
	if err != nil {
		return 0, err
	}
	for _, blobID := range ids {
		if err := s.blobs.Delete(ctx, blob.Ref{ID: blobID}); err != nil {
			return 0, err
		}
	}
	return len(ids), s.kv.Update(ctx, func(tx *kv.Tx) error {
		for _, blobID := range ids {
			if err := tx.Delete(keyInUse(blobID)); err != nil {
				return err
			}
		}
		prefixes := [][]byte{tuple.Key("p", id), tuple.Key("q", id), tuple.Key("l", g.data(id))}
		for _, prefix := range prefixes {
			r := kv.Prefix(prefix)
			if err := tx.DeleteRange(r.Start, r.End); err != nil {
				return err
			}
		}
		return tx.Delete(it.Key)
	}, it.Key)
}

func garbageID(key []byte) (string, error) {
	_, rest, err := tuple.DecodeString(key)
	if err != nil {
		return "", err
	}
	if _, rest, err = tuple.DecodeInt(rest); err != nil {
		return "", err
	}
	id, _, err := tuple.DecodeString(rest)
	return id, err
}

// blobsOf are the ids of all blobs of a garbage record.
func (s *Store) blobsOf(ctx context.Context, id string, g garbage) ([]string, error) {
	ids := g.Blobs
	var parts []Part
	var err error
	switch {
	case g.Parts:
		parts, err = s.Parts(ctx, id)
	case g.Upload:
		parts, err = uploadParts(func(r kv.Range) ([]kv.Item, error) { return s.kv.Scan(ctx, r) }, id, 0, 0)
	}
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	for _, p := range parts {
		if !p.Blob.IsZero() {
			ids = append(ids, p.Blob.ID)
		}
	}
	return ids, nil
}

// Collect removes what was dropped longer than grace ago, and blobs that
// nothing ever named and that are older than age; it returns how many there
// were.
func (s *Store) Collect(ctx context.Context, grace, age time.Duration) (int, error) {
	reaped, err := s.Reap(ctx, grace)
	if err != nil {
		return reaped, err
	}
	swept, err := s.blobs.Sweep(ctx, s.inUse, age)
	return reaped + swept, err
}

// inUse reports whether metadata names a blob, or a garbage record does.
func (s *Store) inUse(ctx context.Context, blobID string) (bool, error) {
	_, err := s.kv.Get(ctx, keyInUse(blobID))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// lease keeps the bytes of one object from being reaped while they are read.
// Most reads end before it is ever written.
type lease struct {
	s     *Store
	key   []byte
	timer *clock.Timer
	done  chan struct{} // closed by end
	wrote chan struct{} // holds a token while nothing is being written
	kept  bool          // was written; guarded by the token
}

func (s *Store) lease(id string) *lease {
	l := &lease{s: s, key: keyLease(id, s.ids.Sortable()), done: make(chan struct{}), wrote: make(chan struct{}, 1)}
	l.wrote <- struct{}{}
	l.timer = s.real.AfterFunc(leaseEvery, l.renew)
	return l
}

func (l *lease) renew() {
	<-l.wrote
	defer func() { l.wrote <- struct{}{} }()
	select {
	case <-l.done:
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseEvery)
	defer cancel()
	until, _ := l.s.real.Now().Add(Grace).MarshalText() // of this century: does not fail
	if err := l.s.kv.Put(ctx, l.key, until); err != nil {
		l.s.log.Error("keep what is being read", "error", err)
	}
	l.kept = true
	l.timer.Reset(leaseEvery)
}

// end is called once, when the reading is over.
func (l *lease) end() {
	select {
	case <-l.done:
		return
	default:
	}
	close(l.done)
	l.timer.Stop()
	<-l.wrote
	if l.kept {
		ctx, cancel := context.WithTimeout(context.Background(), leaseEvery)
		defer cancel()
		_ = l.s.kv.Delete(ctx, l.key) // if it stays, it runs out
	}
}

func (s *Store) isLeased(ctx context.Context, id string, now time.Time) (bool, error) {
	leased := false
	err := s.kv.Each(ctx, kv.Prefix(tuple.Key("l", id)), func(it kv.Item) (bool, error) {
		leased = !leaseOver(it.Value, now)
		return !leased, nil
	})
	return leased, err
}

// endLeases removes leases that ran out: those of readers that died.
func (s *Store) endLeases(ctx context.Context, now time.Time) error {
	return s.kv.Each(ctx, kv.Prefix(tuple.Key("l")), func(it kv.Item) (bool, error) {
		if !leaseOver(it.Value, now) {
			return true, nil
		}
		return true, s.kv.Delete(ctx, it.Key)
	})
}

func leaseOver(value []byte, now time.Time) bool {
	var until time.Time
	return until.UnmarshalText(value) != nil || !until.After(now)
}
