package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/memblob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/condition"
)

func TestSequencesDescend(t *testing.T) {
	a, b := "01JD3ZK7Q8ABCDEFGHJKMNPQRS", "01JD3ZK7Q8ABCDEFGHJKMNPQRT"
	if !(descending(a) > descending(b)) || descending(descending(a)) != a || Sequencer(a) >= Sequencer(b) {
		t.Error("sequences are out of order")
	}
}

// world is a store in memory with one bucket, whose machine's clock stands
// still.
type world struct {
	*Store
	t     *testing.T
	real  *clock.Fake
	b     *Bucket
	log   bytes.Buffer
	drive *rot
}

func newWorld(t *testing.T) *world {
	sealer, err := seal.New(make([]byte, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	ids := ident.NewSeeded(1, clk)
	w := &world{t: t, real: clk, drive: &rot{Driver: memblob.New()}}
	w.Store = New(service.Deps{
		KV: kv.New(memkv.New()), Blobs: blob.New(w.drive, ids).Scope("s3"), Ident: ids, Seal: sealer,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	w.Store.real = clk
	w.b = &Bucket{Name: "b", ID: "bid", Account: "1"}
	if _, err := w.CreateBucket(t.Context(), w.b); err != nil {
		t.Fatal(err)
	}
	return w
}

// put stores a text, in parts where there are several.
func (w *world) put(key string, texts ...string) *Object {
	w.t.Helper()
	o := &Object{Key: key, Sequence: w.ids.Sortable()}
	var d Data
	var parts []Part
	for i, text := range texts {
		got, err := w.Receive(w.t.Context(), strings.NewReader(text), Intake{Max: PutBytesMax, AsBlob: len(texts) > 1})
		if err != nil {
			w.t.Fatal(err)
		}
		o.Body, o.ETag, d.Inline = got.Body, got.ETag, got.Inline
		parts = append(parts, Part{Number: i + 1, Body: got.Body})
	}
	if len(texts) > 1 {
		o.Body, d.Parts = Body{ID: w.ids.Sortable(), Parts: len(parts)}, parts
		for _, p := range parts {
			o.Size += p.Size
		}
	}
	err := w.Update(w.t.Context(), w.b, key, func(tx *Tx) error {
		for _, p := range d.Parts {
			if err := tx.KV.Put(keyInUse(p.Blob.ID), nil); err != nil {
				return err
			}
		}
		cur, err := tx.Current()
		if err != nil {
			return err
		}
		return tx.Put(cur, o, d)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) open(key string) io.ReadCloser {
	w.t.Helper()
	o, err := w.Current(w.t.Context(), w.b, key)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.Open(w.t.Context(), w.b, o, condition.Span{Length: o.Size})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) blobCount() int {
	w.t.Helper()
	n := 0
	if err := w.blobs.List(w.t.Context(), func(blob.Info) error { n++; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) reap() {
	w.t.Helper()
	if _, err := w.Reap(w.t.Context(), Grace); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) records(kind string) int {
	w.t.Helper()
	items, err := w.kv.Scan(w.t.Context(), kv.Prefix(tuple.Key(kind)))
	if err != nil {
		w.t.Fatal(err)
	}
	return len(items)
}

// TestReadsOutliveTheirObject: a read that has begun ends with what it began
// with, though the object is replaced and the reaper comes again and again.
func TestReadsOutliveTheirObject(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", InlineBytesMax/4)
	for name, texts := range map[string][]string{"one blob": {long}, "parts": {long, long[1:], long[2:]}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("k", texts...)
			r := w.open("k")
			w.put("k", "new")
			for range 20 { // a slow reader
				w.real.Advance(leaseEvery)
				eventually(t, func() bool { return w.records("l") == 1 && w.real.Timers() == 1 })
				w.reap()
			}
			got, err := io.ReadAll(r)
			if want := strings.Join(texts, ""); err != nil || string(got) != want {
				t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			w.reap()
			for _, kind := range []string{"g", "l", "p", "r"} {
				if n := w.records(kind); n != 0 {
					t.Errorf("%d records %q are left", n, kind)
				}
			}
			if n := w.blobCount(); n != 0 {
				t.Errorf("%d blobs are left", n)
			}
		})
	}
}

func TestShortReadsNeedNoLease(t *testing.T) {
	w := newWorld(t)
	w.put("k", strings.Repeat("x", InlineBytesMax*2))
	r := w.open("k")
	w.put("k", "new")
	w.reap()
	if n := w.blobCount(); n != 1 {
		t.Errorf("%d blobs within the grace period, want 1", n)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Error(err)
	}
	r.Close()
	if w.records("l") != 0 || w.real.Timers() != 0 {
		t.Error("the lease is not over")
	}
	w.real.Advance(Grace + time.Second)
	w.reap()
	if n := w.blobCount(); n != 0 {
		t.Errorf("%d blobs after it", n)
	}
}

// TestLeasesOfDeadReadersEnd: a node that dies while it reads does not keep
// bytes for ever.
func TestLeasesOfDeadReadersEnd(t *testing.T) {
	w := newWorld(t)
	o := w.put("k", strings.Repeat("x", InlineBytesMax*2))
	until, _ := w.real.Now().Add(Grace).MarshalText()
	if err := w.kv.Put(t.Context(), keyLease(o.ID, "dead"), until); err != nil {
		t.Fatal(err)
	}
	w.put("k", "new")
	w.real.Advance(Grace - time.Second)
	if _, err := w.Reap(t.Context(), 0); err != nil || w.blobCount() != 1 {
		t.Errorf("%d blobs under a lease, %v", w.blobCount(), err)
	}
	w.real.Advance(2 * time.Second)
	w.reap()
	if w.blobCount() != 0 || w.records("l") != 0 {
		t.Errorf("%d blobs, %d leases are left", w.blobCount(), w.records("l"))
	}
}

// TestRangesFindTheirPart reads ranges of an object of several chunks of parts.
func TestRangesFindTheirPart(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range partsChunk*2 + 3 {
		texts = append(texts, fmt.Sprintf("<%d>", i))
	}
	o := w.put("k", texts...)
	whole := strings.Join(texts, "")
	for _, at := range []condition.Span{{Offset: 0, Length: 1}, {Offset: 0, Length: o.Size}, {Offset: 1000, Length: 700}, {Offset: o.Size - 1, Length: 1}, {Offset: int64(len(strings.Join(texts[:partsChunk], ""))), Length: 5}} {
		w.drive.opened = 0
		r, err := w.Open(t.Context(), w.b, o, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if want := whole[at.Offset : at.Offset+at.Length]; err != nil || string(got) != want {
			t.Errorf("%+v: %q, %v, want %q", at, got, err, want)
		}
		if at.Length <= 5 && w.drive.opened > 2 {
			t.Errorf("%+v opened %d blobs", at, w.drive.opened)
		}
	}
	for _, place := range []int{0, 1, partsChunk - 1, partsChunk, partsChunk*2 + 2} {
		p, start, err := w.PartAt(t.Context(), o.ID, place)
		if err != nil || p.Number != place+1 || start != int64(len(strings.Join(texts[:place], ""))) {
			t.Errorf("part %d: %+v at %d, %v", place, p, start, err)
		}
	}
	if p, _, err := w.PartAt(t.Context(), o.ID, len(texts)); p != nil || err != nil {
		t.Errorf("a part after the last: %+v, %v", p, err)
	}
	if parts, err := w.Parts(t.Context(), o.ID); err != nil || len(parts) != len(texts) {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

// TestDamageNamesTheObject changes a stored byte: reading fails, hands out no
// wrong byte, and the log names the object.
func TestDamageNamesTheObject(t *testing.T) {
	long := strings.Repeat("x", blob.BlockBytes*2)
	for name, tt := range map[string]struct {
		texts  []string
		damage func(w *world, o *Object)
	}{
		"beside the record": {[]string{"small"}, func(w *world, o *Object) { w.flip(keyObject(w.b, "k"), -1) }},
		"inline":            {[]string{long[:BesideBytesMax*2]}, func(w *world, o *Object) { w.flip(keyInline(o.ID), 100) }},
		"inline cut short":  {[]string{long[:BesideBytesMax*2]}, func(w *world, o *Object) { w.cut(keyInline(o.ID)) }},
		"inline gone":       {[]string{long[:BesideBytesMax*2]}, func(w *world, o *Object) { w.kv.Delete(w.t.Context(), keyInline(o.ID)) }},
		"first block":       {[]string{long}, func(w *world, o *Object) { w.drive.damage(0) }},
		"second block":      {[]string{long}, func(w *world, o *Object) { w.drive.damage(blob.BlockBytes + 10) }},
		"blob gone":         {[]string{long}, func(w *world, o *Object) { w.blobs.Delete(w.t.Context(), o.Blob) }},
		"part":              {[]string{"one", long}, func(w *world, o *Object) { w.drive.damage(blob.BlockBytes) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.put("k", tt.texts...)
			tt.damage(w, o)
			o, err := w.Current(t.Context(), w.b, "k")
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			r, err := w.Open(t.Context(), w.b, o, condition.Span{Length: o.Size})
			if err == nil {
				got, err = io.ReadAll(r)
				r.Close()
			}
			var d *DamageError
			if !errors.As(err, &d) || d.Bucket != "b" || d.Key != "k" || d.Version != NullVersion || (d.Part == 2) != (name == "part") {
				t.Errorf("%v", err)
			}
			if !strings.HasPrefix(strings.Join(tt.texts, ""), string(got)) {
				t.Error("wrong bytes were read")
			}
			if !strings.Contains(w.log.String(), "bucket=b key=k") {
				t.Errorf("log: %s", w.log.String())
			}
		})
	}
}

func (w *world) flip(key []byte, at int) {
	raw, err := w.kv.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	if at < 0 {
		at += len(raw)
	}
	raw[at] ^= 1
	if err := w.kv.Put(w.t.Context(), key, raw); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) cut(key []byte) {
	raw, err := w.kv.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.kv.Put(w.t.Context(), key, raw[1:]); err != nil {
		w.t.Fatal(err)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for !holds() {
		if ctx.Err() != nil {
			t.Fatal("it did not come")
		}
		time.Sleep(time.Millisecond)
	}
}
