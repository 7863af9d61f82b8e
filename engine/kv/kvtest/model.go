package kvtest

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"moln.dev/moln/engine/kv"
)

// model is what a store should hold.
type model map[string]string

// scan is what a Scan of r should return.
func (m model) scan(r kv.Range) string {
	keys := slices.Sorted(maps.Keys(m))
	if r.Reverse {
		slices.Reverse(keys)
	}
	var items []kv.Item
	for _, k := range keys {
		if k >= string(r.Start) && (r.End == nil || k < string(r.End)) && (r.Limit == 0 || len(items) < r.Limit) {
			items = append(items, kv.Item{Key: []byte(k), Value: []byte(m[k])})
		}
	}
	return show(items)
}

func (m model) deleteRange(start, end []byte) {
	maps.DeleteFunc(m, func(k, _ string) bool { return k >= string(start) && (end == nil || k < string(end)) })
}

var drawKey = rapid.Custom(func(t *rapid.T) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xff}), 0, 3).Draw(t, "key")
})

var drawRange = rapid.Custom(func(t *rapid.T) kv.Range {
	r := kv.Range{Start: drawKey.Draw(t, "start"), Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(0, 3).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "bounded") {
		r.End = drawKey.Draw(t, "end")
	}
	return r
})

// writer is a Batch or a Tx.
type writer interface {
	put(k, v []byte)
	del(k []byte)
	delRange(start, end []byte)
}

type batchWriter struct{ *kv.Batch }

func (w batchWriter) put(k, v []byte)        { w.Put(k, v) }
func (w batchWriter) del(k []byte)           { w.Delete(k) }
func (w batchWriter) delRange(s, end []byte) { w.DeleteRange(s, end) }

type txWriter struct {
	*kv.Tx
	err error
}

func (w *txWriter) note(err error) {
	if err != nil {
		w.err = err
	}
}
func (w *txWriter) put(k, v []byte)        { w.note(w.Put(k, v)) }
func (w *txWriter) del(k []byte)           { w.note(w.Delete(k)) }
func (w *txWriter) delRange(s, end []byte) { w.note(w.DeleteRange(s, end)) }

// writeOne makes one random write in w and in the model.
func writeOne(t *rapid.T, w writer, m model) {
	k := drawKey.Draw(t, "write key")
	switch rapid.IntRange(0, 5).Draw(t, "write") {
	case 0:
		w.del(k)
		delete(m, string(k))
	case 1:
		r := drawRange.Draw(t, "delete range")
		w.delRange(r.Start, r.End)
		m.deleteRange(r.Start, r.End)
	default:
		v := rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "value")
		w.put(k, []byte(v))
		m[string(k)] = v
	}
}

// testModel does random operations on a store, in a scope between others, and
// on a map.
func testModel(f *fixture) {
	f.put("m", "before", "n", "after")
	db := f.db.Scope([]byte("m/"))
	rapid.Check(f.T, func(t *rapid.T) {
		var clear kv.Batch
		clear.DeleteRange(nil, nil)
		f.ok(db.Apply(f.ctx, &clear))
		m := model{}
		for range rapid.IntRange(1, 12).Draw(t, "operations") {
			m = oneOperation(f, t, db, m)
		}
		f.wantScan(db, kv.Range{}, m.scan(kv.Range{}))
		f.wantScan(f.db, kv.Range{End: []byte("m/")}, "m=before ")
		f.wantScan(f.db, kv.Range{Start: []byte("m0")}, "n=after ")
	})
}

func oneOperation(f *fixture, t *rapid.T, db *kv.DB, m model) model {
	switch rapid.IntRange(0, 3).Draw(t, "operation") {
	case 0:
		r := drawRange.Draw(t, "range")
		f.wantScan(db, r, m.scan(r))
	case 1:
		var b kv.Batch
		for range rapid.IntRange(1, 5).Draw(t, "batch") {
			writeOne(t, batchWriter{&b}, m)
		}
		f.ok(db.Apply(f.ctx, &b))
	case 2:
		m = oneTransaction(f, t, db, m)
	default:
		k := drawKey.Draw(t, "get")
		want, ok := m[string(k)]
		if !ok {
			want = "-"
		}
		if got := get(f.ctx, db, string(k)); got != want {
			t.Fatalf("Get(%q) = %q, want %q", k, got, want)
		}
	}
	return m
}

func oneTransaction(f *fixture, t *rapid.T, db *kv.DB, before model) model {
	after := maps.Clone(before)
	fail := rapid.IntRange(0, 4).Draw(t, "fail") == 0
	err := db.Update(f.ctx, func(tx *kv.Tx) error {
		after = maps.Clone(before)
		w := &txWriter{Tx: tx}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "read") {
				r := drawRange.Draw(t, "tx range")
				items, err := tx.Scan(r)
				if err != nil {
					return err
				}
				if got, want := show(items), after.scan(r); got != want {
					t.Fatalf("Scan(%s) in transaction = %s; want %s", showRange(r), got, want)
				}
				continue
			}
			writeOne(t, w, after)
		}
		if fail {
			return errFail
		}
		return w.err
	})
	if fail && err == errFail {
		return before
	}
	f.ok(err)
	return after
}

type failure struct{}

func (failure) Error() string { return "the function failed" }

var errFail error = failure{}
