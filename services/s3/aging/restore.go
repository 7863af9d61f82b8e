package aging

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/usage"
)

// restoreKind is the kind of the jobs that end restores, and then restored
// copies. Their key is the id of the version's bytes.
const restoreKind = "s3/restore"

// restoring is the payload of such a job.
type restoring struct{ Bucket, ID, Key, Version string }

func (k *Keeper) restoreObject(ctx context.Context, c *service.Call, in *api.RestoreObjectInput) (*api.RestoreObjectOutput, error) {
	b, o, err := op.Locate(ctx, c, k.store, op.AimOf(in))
	if err != nil {
		return nil, err
	}
	status := 0
	err = k.store.Update(ctx, b, o.Key, func(tx *store.Tx) error {
		now, err := tx.Change(o.Version, func(o *store.Object) error {
			var err error
			status, err = begin(tx.Bucket, o, in.RestoreRequest, c)
			return err
		})
		if err != nil {
			return err
		}
		if now == nil {
			return s3err.NoSuchKey(o.Key) // deleted meanwhile
		}
		if err := k.wake(tx, now); err != nil {
			return err
		}
		return k.events.Queue(tx, c, notify.Change{Event: "ObjectRestore:Post", Object: now})
	})
	if err != nil {
		return nil, err
	}
	if status == http.StatusAccepted {
		k.counters.Count(usage.Bucket{Account: b.Account, Name: b.Name}, func(n *usage.Counts) { n.Restored(o.Class, tierOf(in.RestoreRequest), o.Size) })
	}
	if c.HTTP != nil {
		c.HTTP.Status = status
	}
	return &api.RestoreObjectOutput{}, nil
}

func tierOf(r *api.RestoreRequest) string {
	w, _ := class.ReadRestore(r, class.IntelligentTiering) // days aside
	return w.Tier
}

// begin begins the restore of a version, or prolongs it.
func begin(b *store.Bucket, o *store.Object, asked *api.RestoreRequest, c *service.Call) (status int, err error) {
	if o.Marker {
		return 0, s3err.NoSuchVersion()
	}
	archived, deep := o.Archived(b, c.Now)
	if !archived {
		return 0, class.NotRestorable(o.Class)
	}
	w, err := class.ReadRestore(asked, o.Class)
	if err != nil {
		return 0, err
	}
	next, status, err := class.Begin(o.Restore, w, deep, c.Now.UTC())
	if err != nil {
		return 0, err
	}
	if o.Class == class.IntelligentTiering && o.Tiering != nil {
		t := *o.Tiering
		t.Archive = o.Tier(b, c.Now) // until the restore is done
		o.Tiering = &t
	}
	o.Restore = &next
	return status, nil
}

// wake has a version looked at when its restore is done, or its copy expires.
func (k *Keeper) wake(tx *store.Tx, o *store.Object) error {
	payload, err := json.Marshal(restoring{tx.Bucket.Name, tx.Bucket.ID, o.Key, o.Version})
	if err != nil {
		return err
	}
	at := o.Restore.Ready
	if o.Restore.Told {
		at = o.Restore.Expires
	}
	return k.sched.EnqueueTx(tx.KV, sched.Job{Kind: restoreKind, Key: o.ID, Replace: true, Payload: payload, RunAt: at})
}

// restored tells that a restore is done, and removes a restored copy whose time
// is over.
func (k *Keeper) restored(ctx context.Context, r sched.Run) error {
	var job restoring
	if err := json.Unmarshal(r.Payload, &job); err != nil {
		return sched.Permanent(err)
	}
	b, err := k.store.Bucket(ctx, job.Bucket)
	if store.IsNoSuchBucket(err) || err == nil && b.ID != job.ID {
		return nil
	}
	if err != nil {
		return err
	}
	now := k.clock.Now().UTC()
	err = k.store.Update(ctx, b, job.Key, func(tx *store.Tx) error {
		var events []notify.Change
		o, err := tx.Change(job.Version, func(o *store.Object) error {
			events = settle(o, now)
			return nil
		})
		if err != nil || o == nil || o.Marker {
			return err
		}
		for _, ev := range events {
			if err := k.events.Queue(tx, k.self(b), ev); err != nil {
				return err
			}
		}
		if o.Restore == nil {
			return nil
		}
		return k.wake(tx, o)
	})
	if store.IsNoSuchBucket(err) {
		return nil
	}
	return err
}

// settle brings the restore of a version up to a time, and gives the events of
// what happened to it.
func settle(o *store.Object, now time.Time) []notify.Change {
	r := o.Restore
	if r == nil || r.Ongoing(now) {
		return nil
	}
	var out []notify.Change
	next := *r
	if !next.Told {
		next.Told = true
		then := *o
		out = append(out, notify.Change{Event: "ObjectRestore:Completed", Object: &then})
	}
	o.Restore = &next
	switch {
	case o.Class == class.IntelligentTiering: // in the frequent tier, for good
		o.Tiering, o.Restore = &class.Tiering{Accessed: next.Ready}, nil
	case !now.Before(next.Expires):
		then := *o
		out = append(out, notify.Change{Event: "ObjectRestore:Delete", Object: &then})
		o.Restore = nil
	}
	return out
}
