package kv_test

import (
	"testing"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/faultkv"
	"moln.dev/moln/engine/kv/memkv"
)

func TestMarkStandsUntilTheKeyIsWritten(t *testing.T) {
	ctx := t.Context()
	for name, change := range map[string]func(db *kv.DB) error{
		"put":    func(db *kv.DB) error { return db.Put(ctx, []byte("k"), []byte("2")) },
		"delete": func(db *kv.DB) error { return db.Delete(ctx, []byte("k")) },
		"range": func(db *kv.DB) error {
			var b kv.Batch
			b.DeleteRange([]byte("a"), []byte("z"))
			return db.Apply(ctx, &b)
		},
		"transaction": func(db *kv.DB) error {
			return db.Update(ctx, func(tx *kv.Tx) error { return tx.Put([]byte("k"), nil) })
		},
	} {
		db := kv.New(memkv.New()).Scope([]byte("scope/"))
		if err := db.Put(ctx, []byte("k"), []byte("1")); err != nil {
			t.Fatal(err)
		}
		m := db.Mark([]byte("k"))
		if !m.Stands() {
			t.Errorf("%s: the mark does not stand at first", name)
		}
		if err := change(db); err != nil {
			t.Fatal(err)
		}
		if m.Stands() {
			t.Errorf("%s: the mark stands after the key was written", name)
		}
		if m = db.Mark([]byte("k")); !m.Stands() {
			t.Errorf("%s: a new mark does not stand", name)
		}
	}
}

func TestMarkNeverStandsWhereNobodyCanTell(t *testing.T) {
	db := kv.New(faultkv.New(memkv.New(), func(faultkv.Step) faultkv.Action { return faultkv.Action{} }))
	if m := db.Mark([]byte("k")); m.Stands() {
		t.Error("a mark of a store that cannot tell stands")
	}
	if (&kv.Mark{}).Stands() {
		t.Error("the zero mark stands")
	}
}
