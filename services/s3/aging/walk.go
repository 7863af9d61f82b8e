package aging

import (
	"context"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/services/s3/lifecycle"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/usage"
)

// The walks.
const (
	tickKind    = "s3/age"
	walkKind    = "s3/age/bucket"
	tickEvery   = 10 * time.Minute // how soon after midnight a walk begins at the latest
	walksAtOnce = 2                // of one node
	pageMax     = 500              // versions that are looked at before progress is kept
)

// tick has every bucket walked that was not on this day.
func (k *Keeper) tick(ctx context.Context) error {
	day := today(k.clock.Now())
	return k.store.Buckets(ctx, func(b *store.Bucket) error {
		w, err := k.store.Walk(ctx, b)
		if err != nil || w.Done && w.Day >= day {
			return err
		}
		return k.sched.Enqueue(ctx, sched.Job{Kind: walkKind, Key: b.Name})
	})
}

// walk goes through a bucket, from where the last walk was interrupted.
func (k *Keeper) walk(ctx context.Context, r sched.Run) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done, err := k.Step(ctx, r.Key)
		if done || store.IsNoSuchBucket(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Step goes one page further in a bucket, and tells whether it was through with
// it for this day. Two that step in one bucket do a page twice at worst.
func (k *Keeper) Step(ctx context.Context, bucket string) (done bool, err error) {
	b, err := k.store.Bucket(ctx, bucket) // its rules may have changed since the last page
	if err != nil {
		return false, err
	}
	w, err := k.store.Walk(ctx, b)
	if err != nil {
		return false, err
	}
	if day := today(k.clock.Now()); w.Day == "" || w.Done {
		if w.Done && w.Day >= day {
			return true, nil
		}
		w = store.Walk{Day: day, Round: w.Round}
	}
	if err := k.page(ctx, b, &w); err != nil {
		return false, err
	}
	_, err = k.store.SetWalk(ctx, b, w)
	return false, err
}

// page goes one page further.
func (k *Keeper) page(ctx context.Context, b *store.Bucket, w *store.Walk) error {
	if !w.Uploads {
		return k.versions(ctx, b, w)
	}
	return k.uploads(ctx, b, w)
}

// seen is one version, as a page of the walk saw it.
type seen struct {
	o     *store.Object
	facts lifecycle.Object
}

// versions looks at a page of versions. The last one of a page that is not the
// last is left for the next page: whether it has older ones is seen there.
func (k *Keeper) versions(ctx context.Context, b *store.Bucket, w *store.Walk) error {
	now := k.clock.Now().UTC()
	var found []seen
	next := *w
	l := &listing.Listing{After: w.Key, Max: pageMax}
	p, err := k.store.ListVersions(ctx, b, l, w.Version, func(o *store.Object, latest bool) {
		s := seen{o, o.Lifecycle(b, now)}
		if !latest {
			s.facts.Noncurrent, s.facts.Newer = next.Modified, next.Newer
			next.Newer++
		} else {
			next.Newer = 0
		}
		next.Modified = o.Modified
		s.facts.Alone = latest // until an older one comes
		if n := len(found); n > 0 && !latest {
			found[n-1].facts.Alone = false
		}
		found = append(found, s)
	})
	if err != nil {
		return err
	}
	if n := len(found); p.Truncated && n > 1 {
		left := found[n-1]
		found = found[:n-1]
		last := found[n-2]
		next.Key, next.Version, next.Modified = last.o.Key, last.o.Version, last.o.Modified
		next.Newer = 0
		if last.o.Key == left.o.Key {
			next.Newer = left.facts.Newer
		}
	} else {
		next.Uploads, next.Key, next.Version = true, "", ""
	}
	next.Tally = w.Tally.Clone()
	for _, s := range found {
		if err := k.age(ctx, b, s, now, &next.Tally); err != nil {
			return err
		}
	}
	*w = next
	return nil
}

// uploads gives up a page of uploads whose time is over, and ends the walk.
func (k *Keeper) uploads(ctx context.Context, b *store.Bucket, w *store.Walk) error {
	now := k.clock.Now().UTC()
	var page []*store.Upload
	l := &listing.Listing{After: w.Key, Max: pageMax}
	p, err := k.store.ListUploads(ctx, b, l, w.Upload, func(u *store.Upload) { page = append(page, u) })
	if err != nil {
		return err
	}
	for _, u := range page {
		if at, _, ok := b.Lifecycle.Abort(u.Key, u.Initiated); ok && !now.Before(at) {
			if err := k.store.EndUpload(ctx, b, u.Key, u.ID); err != nil && !fault.Is(err, "NoSuchUpload") {
				return err
			}
			k.meters.actions.With("abort").Inc()
		}
	}
	if p.Truncated && len(page) > 0 {
		last := page[len(page)-1]
		w.Key, w.Upload = last.Key, last.ID
		return nil
	}
	w.Done = true
	tally := w.Tally
	w.Tally = usage.Tally{}
	return k.store.AddUsage(ctx, usage.Bucket{Account: b.Account, Name: b.Name}, now, func(r *usage.Record) {
		r.Counted, r.Storage, r.Monitored = now, tally.Storage, tally.Monitored
	})
}
