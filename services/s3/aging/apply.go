package aging

import (
	"context"
	"time"

	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/lifecycle"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/usage"
)

// stepsMax bounds what happens to one version in one walk: it is moved, perhaps
// once more, and then hidden.
const stepsMax = 4

// age does what is due with one version, and counts it if it stays.
func (k *Keeper) age(ctx context.Context, b *store.Bucket, s seen, now time.Time, tally *usage.Tally) error {
	for range stepsMax {
		if b.Lifecycle == nil {
			break
		}
		a := b.Lifecycle.Decide(s.facts, now)
		if a.Verb == lifecycle.Keep {
			break
		}
		done, gone, err := k.apply(ctx, b, s, a, now)
		if err != nil {
			return err
		}
		if gone {
			return nil
		}
		if !done {
			break // changed meanwhile, or locked
		}
		if a.Verb != lifecycle.Transition {
			break // hidden: it is kept as an older version
		}
		s.facts.Class, s.o.Class = a.Class, a.Class
		s.facts.Tier, s.o.Tiering, s.o.Restore = "", nil, nil
	}
	if s.o.Marker {
		return nil
	}
	if err := k.archive(ctx, b, s.o, now); err != nil {
		return err
	}
	tally.Add(s.o.Class, s.o.Tier(b, now), s.o.Size)
	return nil
}

// apply does one action in a transaction, if it is still due: done tells
// whether it was, gone that the version is no more.
func (k *Keeper) apply(ctx context.Context, b *store.Bucket, s seen, a lifecycle.Action, now time.Time) (done, gone bool, err error) {
	marker := &store.Object{Key: s.o.Key, Marker: true, Modified: now, Sequence: k.ids.Sortable(), Body: store.Body{ID: k.ids.Sortable()}}
	err = k.store.Update(ctx, b, s.o.Key, func(tx *store.Tx) error {
		done, gone = false, false
		o, err := tx.Find(s.o.Version)
		if err != nil || o == nil || o.Sequence != s.o.Sequence || tx.Bucket.Lifecycle == nil {
			return err
		}
		facts := o.Lifecycle(tx.Bucket, now) // its tags may be others by now
		facts.Noncurrent, facts.Newer, facts.Alone = s.facts.Noncurrent, s.facts.Newer, s.facts.Alone
		if tx.Bucket.Lifecycle.Decide(facts, now) != a {
			return nil
		}
		cur, err := tx.Current()
		if err != nil || (cur.Version == o.Version) != s.facts.Noncurrent.IsZero() {
			return err
		}
		var ev notify.Change
		switch a.Verb {
		case lifecycle.Expire:
			ev, gone, err = expire(tx, o, marker)
		case lifecycle.Delete:
			ev, err = remove(tx, o, now)
			gone = true
		default:
			ev, err = move(tx, o, a.Class, now)
		}
		if err != nil || ev.Object == nil {
			gone = false
			return err
		}
		done = true
		return k.events.Queue(tx, k.self(b), ev)
	})
	if err != nil || !done {
		return false, false, err
	}
	k.count(b, s.o, a, now)
	return done, gone, nil
}

// count counts an action.
func (k *Keeper) count(b *store.Bucket, o *store.Object, a lifecycle.Action, now time.Time) {
	names := map[lifecycle.Verb]string{lifecycle.Expire: "expire", lifecycle.Delete: "delete", lifecycle.Transition: "transition"}
	k.meters.actions.With(names[a.Verb]).Inc()
	if a.Verb != lifecycle.Transition {
		return // deletions are free, and counted where bytes are dropped
	}
	k.counters.Count(usage.Bucket{Account: b.Account, Name: b.Name}, func(n *usage.Counts) {
		n.Request(a.Class, usage.Transition, 1)
		n.Gone(o.Class, o.Size, o.Since(), now)
	})
}

// expire deletes the current version of a bucket without versions, and hides
// that of others.
func expire(tx *store.Tx, o, marker *store.Object) (ev notify.Change, gone bool, err error) {
	if o.Marker {
		return ev, false, nil
	}
	if tx.Bucket.Versioning == "" {
		deleted := *o
		deleted.Sequence = marker.Sequence
		return notify.Change{Event: "LifecycleExpiration:Delete", Object: &deleted}, true, tx.Drop(o)
	}
	replaced := tx.Bucket.Versioning == store.VersioningSuspended && o.Version == store.NullVersion
	return notify.Change{Event: "LifecycleExpiration:DeleteMarkerCreated", Object: marker}, replaced, tx.Put(o, marker, store.Data{})
}

// remove deletes a noncurrent version, or a delete marker without versions, for
// good; never what is locked.
func remove(tx *store.Tx, o *store.Object, now time.Time) (notify.Change, error) {
	if !o.Marker && o.Lock.Protects(false, now) {
		return notify.Change{}, nil
	}
	if o.Marker {
		cur, err := tx.Current()
		if err != nil {
			return notify.Change{}, err
		}
		if cur.Version == o.Version {
			if older, err := tx.Older(); err != nil || older {
				return notify.Change{}, err
			}
		}
	}
	_, err := tx.RemoveVersion(o.Version)
	return notify.Change{Event: "LifecycleExpiration:Delete", Object: o}, err
}

// move gives a version another class.
func move(tx *store.Tx, o *store.Object, name string, now time.Time) (notify.Change, error) {
	moved, err := tx.Change(o.Version, func(o *store.Object) error {
		o.Class, o.Moved, o.Restore, o.Tiering = name, now, nil, nil
		if name == class.IntelligentTiering {
			o.Tiering = &class.Tiering{Accessed: now}
		}
		return nil
	})
	return notify.Change{Event: "LifecycleTransition", Object: moved}, err
}

// archive records that an object of INTELLIGENT_TIERING has come to an archive
// tier, which it leaves by a restore only.
func (k *Keeper) archive(ctx context.Context, b *store.Bucket, o *store.Object, now time.Time) error {
	tier := o.Tier(b, now)
	if !class.ArchiveTier(tier) || o.Tiering == nil || o.Tiering.Archive == tier {
		return nil
	}
	return k.store.Update(ctx, b, o.Key, func(tx *store.Tx) error {
		moved := false
		stored, err := tx.Change(o.Version, func(o *store.Object) error {
			tier := o.Tier(tx.Bucket, now)
			if moved = o.Tiering != nil && class.ArchiveTier(tier) && o.Tiering.Archive != tier; moved {
				t := *o.Tiering
				t.Archive = tier
				o.Tiering = &t
			}
			return nil
		})
		if err != nil || stored == nil || !moved {
			return err
		}
		return k.events.Queue(tx, k.self(b), notify.Change{Event: "IntelligentTiering", Object: stored})
	})
}
