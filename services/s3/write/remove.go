package write

import (
	"context"
	"time"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Removal is what is to be deleted, and on which condition.
type Removal struct {
	Bucket, Key string
	Version     *string // nil: the current one
	Match       string  // ETag; empty: any
	Size        *int64
	Modified    *time.Time
	// Bypass: the caller may, and wants to, delete what governance retains.
	Bypass bool
}

// Removed is what became of it.
type Removed struct {
	Version *string // deleted, or of the marker that was made
	Marker  bool    // a marker was made or deleted
}

func (r *Removal) condition(o *store.Object) error {
	if r.Match == "" && r.Size == nil && r.Modified == nil {
		return nil
	}
	switch {
	case o == nil || o.Marker:
		return s3err.NoSuchKey(r.Key)
	case r.Match != "" && !condition.MatchesETag(r.Match, o.ETag):
		return s3err.FailedCondition("If-Match")
	case r.Size != nil && *r.Size != o.Size:
		return s3err.FailedCondition("x-amz-if-match-size")
	case r.Modified != nil && !r.Modified.Equal(o.LastModified()):
		return s3err.FailedCondition("x-amz-if-match-last-modified-time")
	}
	return nil
}

// Remove deletes an object, hides it by a marker, or deletes a version, and
// queues the event (B3).
func (w *Writer) Remove(ctx context.Context, c *service.Call, r Removal) (Removed, error) {
	b, err := w.store.Bucket(ctx, r.Bucket)
	if err != nil {
		return Removed{}, err
	}
	if r.Version != nil {
		if _, ok := store.SequenceOf(*r.Version); !ok && *r.Version != store.NullVersion {
			return Removed{}, s3err.VersionID(*r.Version)
		}
	}
	var done Removed
	marker := &store.Object{Key: r.Key, Marker: true, Modified: c.Now.UTC(), Sequence: w.ids.Sortable(), Body: store.Body{ID: w.ids.Sortable()}}
	err = w.store.Update(ctx, b, r.Key, func(tx *store.Tx) error {
		var change notify.Change
		var err error
		if r.Version == nil {
			change, done, err = hide(tx, r, marker)
		} else {
			change, done, err = removeVersion(tx, r, c.Now)
		}
		if err != nil || change.Object == nil {
			return err
		}
		return w.events.Queue(tx, c, change)
	})
	if err != nil {
		return Removed{}, err
	}
	return done, nil
}

// hide deletes the current version: for good in a bucket without versions, by a
// delete marker in others.
func hide(tx *store.Tx, r Removal, marker *store.Object) (notify.Change, Removed, error) {
	cur, err := tx.Current()
	if err != nil {
		return notify.Change{}, Removed{}, err
	}
	if err := r.condition(cur); err != nil {
		return notify.Change{}, Removed{}, err
	}
	if tx.Bucket.Versioning == "" {
		if cur == nil {
			return notify.Change{}, Removed{}, nil
		}
		deleted := *cur
		deleted.Sequence = marker.Sequence
		return notify.Change{Event: "ObjectRemoved:Delete", Object: &deleted}, Removed{}, tx.Drop(cur)
	}
	if err := tx.Put(cur, marker, store.Data{}); err != nil {
		return notify.Change{}, Removed{}, err
	}
	return notify.Change{Event: "ObjectRemoved:DeleteMarkerCreated", Object: marker}, Removed{Version: new(marker.Version), Marker: true}, nil
}

func removeVersion(tx *store.Tx, r Removal, now time.Time) (notify.Change, Removed, error) {
	locked, err := tx.Find(*r.Version)
	if err == nil {
		err = deletable(locked, r.Bypass, now)
	}
	if err != nil {
		return notify.Change{}, Removed{}, err
	}
	o, err := tx.RemoveVersion(*r.Version)
	if err != nil {
		return notify.Change{}, Removed{}, err
	}
	if err := r.condition(o); err != nil {
		return notify.Change{}, Removed{}, err
	}
	done := Removed{Version: r.Version}
	if o == nil {
		return notify.Change{}, done, nil // deleting what is not there succeeds
	}
	done.Marker = o.Marker
	return notify.Change{Event: "ObjectRemoved:Delete", Object: o}, done, nil
}
