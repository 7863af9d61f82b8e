package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/s3/usage"
)

// usageKept is how long records of usage are kept.
const usageKept = 400 * 24 * time.Hour

func keyUsage(b usage.Bucket, day string) []byte { return tuple.Key("m", b.Account, b.Name, day) }

// AddUsage lets change add to the usage of a bucket on a day. A bucket's first
// record of a day drops those that are too old.
func (s *Store) AddUsage(ctx context.Context, b usage.Bucket, now time.Time, change func(r *usage.Record)) error {
	day := now.UTC().Format(usage.DayForm)
	at := keyUsage(b, day)
	return s.kv.Update(ctx, func(tx *kv.Tx) error {
		r := &usage.Record{Account: b.Account, Bucket: b.Name, Day: day}
		raw, err := tx.Get(at)
		switch {
		case err == nil:
			err = json.Unmarshal(raw, r)
		case errors.Is(err, kv.ErrNotFound):
			err = tx.DeleteRange(keyUsage(b, ""), keyUsage(b, now.Add(-usageKept).UTC().Format(usage.DayForm)))
		}
		if err != nil {
			return fmt.Errorf("s3: usage record: %w", err)
		}
		change(r)
		return putJSON(tx, at, r)
	}, at)
}

// Usage gives the records of an account's buckets from one day to another, both
// included, by bucket and day.
func (s *Store) Usage(ctx context.Context, account, from, to string) ([]usage.Record, error) {
	out := []usage.Record{}
	err := s.kv.Each(ctx, kv.Prefix(tuple.Key("m", account)), func(it kv.Item) (bool, error) {
		var r usage.Record
		if err := json.Unmarshal(it.Value, &r); err != nil {
			return false, fmt.Errorf("s3: usage record: %w", err)
		}
		if r.Day >= from && r.Day <= to {
			out = append(out, r)
		}
		return true, nil
	})
	return out, err
}
