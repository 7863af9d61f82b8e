package aging

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/memblob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/lifecycle"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/tagging"
)

// TestTagsThatWereTakenOff: an object whose tags say no more that it expires
// stays, though the walk saw it with them.
func TestTagsThatWereTakenOff(t *testing.T) {
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	ids, db, log := ident.NewSeeded(1, clk), kv.New(memkv.New()), slog.New(slog.NewTextHandler(io.Discard, nil))
	d := service.Deps{
		KV: db.Scope([]byte("s3/")), Blobs: blob.New(memblob.New(), ids).Scope("s3"), Clock: clk, Ident: ids, Log: log, Meter: observe.NewRegistry(),
		Sched: sched.New(db.Scope([]byte("sched/")), clk, ids, log), System: func(account, region string) *service.Call { return new(service.Call) },
	}
	st := store.New(d)
	k := New(d, st, notify.New(d, st))
	ctx := context.Background()
	expire := tagging.Tag{Key: "expire", Value: "yes"}
	b := &store.Bucket{Name: "box", ID: "bid", Account: "1", Lifecycle: &lifecycle.Configuration{Rules: []api.LifecycleRule{{
		ID: new("r"), Status: new("Enabled"), Expiration: &api.LifecycleExpiration{Days: new(int32(1))},
		Filter: &api.LifecycleRuleFilter{Tag: &api.Tag{Key: &expire.Key, Value: &expire.Value}},
	}}}}
	if _, err := st.CreateBucket(ctx, b); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []bool{true, false} {
		o := &store.Object{Key: "k", Sequence: ids.Sortable(), Modified: clk.Now(), Tags: []tagging.Tag{expire}, Body: store.Body{ID: ids.Sortable()}}
		err := st.Update(ctx, b, "k", func(tx *store.Tx) error { return tx.Put(nil, o, store.Data{Inline: []byte{}}) })
		if err != nil {
			t.Fatal(err)
		}
		now := clk.Now().Add(72 * time.Hour)
		s := seen{o, o.Lifecycle(b, now)}
		s.facts.Alone = true
		action := b.Lifecycle.Decide(s.facts, now)
		if kept {
			err := st.Update(ctx, b, "k", func(tx *store.Tx) error {
				_, err := tx.Change("", func(o *store.Object) error { o.Tags = nil; return nil })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := k.apply(ctx, b, s, action, now); err != nil {
			t.Fatal(err)
		}
		if left, err := st.Current(ctx, b, "k"); err != nil || (left != nil) != kept {
			t.Errorf("its tags were taken off: %t; left: %v, %v", kept, left, err)
		}
	}
}
