package aging

import (
	"context"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/usage"
)

// flushEvery is how often accesses and usage are stored.
const flushEvery = time.Minute

// accessesMax bounds the accesses that wait to be stored; what comes after is
// forgotten until the object is read again.
const accessesMax = 50_000

// accesses are reads of objects of INTELLIGENT_TIERING that are to be recorded.
type accesses struct {
	mu  sync.Mutex
	all map[string]access // by the id of the bytes
}

type access struct {
	b *store.Bucket
	o *store.Object
	t time.Time
}

// Accessed notes that an object was read. It stores nothing yet, and at most
// one access of an object a day.
func (k *Keeper) Accessed(b *store.Bucket, o *store.Object, now time.Time) {
	if o.Class != class.IntelligentTiering || !class.AccessDue(o.Tiering, o.Size, now) {
		return
	}
	k.accesses.mu.Lock()
	defer k.accesses.mu.Unlock()
	if len(k.accesses.all) >= accessesMax {
		return
	}
	if k.accesses.all == nil {
		k.accesses.all = map[string]access{}
	}
	k.accesses.all[o.ID] = access{b, o, now.UTC()}
}

// Worker stores accesses and usage every minute, and when the server ends.
func (k *Keeper) Worker() service.Worker {
	return service.Worker{Name: "usage", Run: func(ctx context.Context) error {
		for clock.Sleep(ctx, k.clock, flushEvery) == nil {
			if err := k.Flush(ctx); err != nil && ctx.Err() == nil {
				k.log.Error("s3: store accesses and usage", "error", err)
			}
		}
		return k.Flush(context.WithoutCancel(ctx))
	}}
}

// Flush stores the accesses and the usage that were noted.
func (k *Keeper) Flush(ctx context.Context) error {
	k.accesses.mu.Lock()
	all := k.accesses.all
	k.accesses.all = nil
	k.accesses.mu.Unlock()
	for _, a := range all {
		if err := k.touch(ctx, a); err != nil && fault.As(err) == nil {
			return err
		}
	}
	now := k.clock.Now()
	return k.counters.Take(func(at usage.Bucket, counts usage.Counts) error {
		b, err := k.store.Bucket(ctx, at.Name)
		switch {
		case err == nil:
			at.Account = b.Account
		case !store.IsNoSuchBucket(err):
			return err
		}
		return k.store.AddUsage(ctx, at, now, func(r *usage.Record) { r.Add(counts) })
	})
}

// touch records an access.
func (k *Keeper) touch(ctx context.Context, a access) error {
	return k.store.Update(ctx, a.b, a.o.Key, func(tx *store.Tx) error {
		o, err := tx.Find(a.o.Version)
		if err != nil || o == nil || o.ID != a.o.ID || o.Tiering == nil || !o.Tiering.Accessed.Before(a.t) {
			return err
		}
		_, err = tx.Change(a.o.Version, func(o *store.Object) error {
			t := *o.Tiering
			t.Accessed = a.t
			o.Tiering = &t
			return nil
		})
		return err
	})
}

// dropped counts what is deleted before its time.
func (k *Keeper) dropped(b *store.Bucket, o *store.Object) {
	if info, _ := class.Of(o.Class); b == nil || info.LeastDays == 0 {
		return
	}
	k.counters.Count(usage.Bucket{Account: b.Account, Name: b.Name}, func(n *usage.Counts) {
		n.Gone(o.Class, o.Size, o.Since(), k.clock.Now())
	})
}

// Metered returns operations that count what they cost.
func (k *Keeper) Metered(all []service.Operation) []service.Operation {
	for i := range all {
		_, model := all[i].Of()
		all[i].Call = k.metering(model.Name, all[i].Call)
		all[i].Reply = k.metering(model.Name, all[i].Reply)
	}
	return all
}

// handler is how an operation is called.
type handler = func(ctx context.Context, c *service.Call, in any) (any, error)

// metering is a handler that counts what it costs; nil for nil.
func (k *Keeper) metering(name string, call handler) handler {
	if call == nil {
		return nil
	}
	return func(ctx context.Context, c *service.Call, in any) (any, error) {
		out, err := call(ctx, c, in)
		if err == nil {
			k.metered(c, name, in, out)
		}
		return out, err
	}
}

func (k *Keeper) metered(c *service.Call, name string, in, out any) {
	bucket := op.AimOf(in).Bucket
	if bucket == "" {
		return
	}
	if key, read, ok := usage.Common(in, out); ok {
		k.meters.common(key, read)
		k.counters.CountCommon(usage.Bucket{Account: c.Account, Name: bucket}, key, read)
		return
	}
	var n usage.Counts
	n.Of(name, in, out)
	for key, count := range n.Requests {
		k.meters.requests.With(strings.ReplaceAll(key, "/", " ")).Add(uint64(count))
	}
	for key, bytes := range n.Read {
		k.meters.read.With(key).Add(uint64(bytes))
	}
	k.counters.Count(usage.Bucket{Account: c.Account, Name: bucket}, func(to *usage.Counts) { to.Add(n) })
}

// Usage gives the usage of an account's buckets from one day to another, both
// included (2006-01-02), as usage.Records; other nodes' last minute is not in
// it.
func (k *Keeper) Usage(ctx context.Context, account, from, to string) (any, error) {
	if err := k.Flush(ctx); err != nil {
		return nil, err
	}
	return k.store.Usage(ctx, account, from, to)
}
