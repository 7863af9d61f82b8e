package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/services/s3/condition"
)

// always lets every version be changed.
func always(*Object) error { return nil }

func (w *world) reseal(o *Object, from, to []byte, name string) error {
	o.Unlock(from)
	return w.Reseal(w.t.Context(), w.b, o, &Encryption{Algorithm: EncryptionKMS, Wrapped: []byte(name)}, to, always)
}

func (w *world) now(key string, outer []byte) *Object {
	w.t.Helper()
	o, err := w.Current(w.t.Context(), w.b, key)
	if err != nil {
		w.t.Fatal(err)
	}
	o.Unlock(outer)
	return o
}

func (w *world) text(o *Object) (string, error) {
	r, err := w.Open(w.t.Context(), w.b, o, condition.Span{Length: o.Size})
	if err != nil {
		return "", err
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	return string(all), err
}

// TestReseal: bodies of every kind are read with the new key and with no other,
// by one who read the record before as well, until what was is dropped; nothing
// is left of any of it once the object is gone.
func TestReseal(t *testing.T) {
	w := newWorld(t)
	one, two := bytes.Repeat([]byte{1}, dataKeyBytes), bytes.Repeat([]byte{2}, dataKeyBytes)
	many := make([]string, 2*partsChunk+1)
	for i := range many {
		many[i] = fmt.Sprintf("part %d,", i)
	}
	for name, texts := range map[string][]string{
		"beside": {"small"}, "inline": {strings.Repeat("i", InlineBytesMax)}, "blob": {strings.Repeat("b", InlineBytesMax+1)}, "parts": {"first ", "second"}, "many": many,
	} {
		want := strings.Join(texts, "")
		w.put(name, texts...)
		before := w.now(name, nil)
		if err := w.reseal(w.now(name, nil), nil, one, "one"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := w.reseal(w.now(name, one), one, two, "two"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := w.text(w.now(name, two)); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if got, err := w.text(before); err != nil || got != want {
			t.Errorf("%s: as it was read before: %d bytes, %v", name, len(got), err)
		}
		for _, wrong := range [][]byte{nil, one} {
			if got, err := w.text(w.now(name, wrong)); err == nil {
				t.Errorf("%s: with a key that it is not under: %q", name, got)
			}
		}
		if err := w.reseal(before, nil, one, "three"); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: who read it before changes it: %v", name, err)
		}
		if found, total := w.scrub(); len(found) > 0 || total.Objects == 0 {
			t.Errorf("%s: scrub: %v", name, found)
		}
		w.real.Advance(Grace + time.Second)
		w.reap()
		if got, err := w.text(w.now(name, two)); err != nil || got != want {
			t.Errorf("%s: once the old lists are dropped: %d bytes, %v", name, len(got), err)
		}
		if lists := 1 + len(many)/partsChunk + 1; len(texts) > 1 && w.records("p") > lists {
			t.Errorf("%s: %d records of parts", name, w.records("p"))
		}
		err := w.Update(t.Context(), w.b, name, func(tx *Tx) error {
			cur, err := tx.Current()
			if err != nil {
				return err
			}
			return tx.Drop(cur)
		})
		if err != nil {
			t.Fatal(err)
		}
		w.real.Advance(Grace + time.Second)
		w.reap()
		if n := w.blobCount(); n != 0 || w.records("p") != 0 || w.records("r") != 0 || w.records("g") != 0 || w.records("d") != 0 {
			t.Errorf("%s: %d blobs are left, %d records of parts, %d of garbage", name, n, w.records("p"), w.records("g"))
		}
	}
}
