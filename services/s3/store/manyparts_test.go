package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/s3/condition"
)

// abortedParts is how many parts the upload has that is aborted.
const abortedParts = 500

// TestTenThousandParts takes an upload of as many parts as there may be through
// its life: no step outgrows a transaction or a value of the store.
func TestTenThousandParts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	step := func(name string, do func() error) {
		t.Helper()
		began := time.Now()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, time.Since(began).Round(100*time.Microsecond))
	}
	first, err := w.Receive(ctx, strings.NewReader("00000"), Intake{Max: PutBytesMax, AsBlob: true, Algorithms: []string{"CRC64NVME"}})
	if err != nil {
		t.Fatal(err)
	}
	w.Discard(ctx, first)
	begin := func(id string, count int) (*Upload, []Part) {
		u := &Upload{Key: "k", ID: id, Initiated: w.real.Now()}
		if err := w.PutUpload(ctx, w.b, u); err != nil {
			t.Fatal(err)
		}
		parts := make([]Part, count)
		step("upload the parts", func() error {
			for n := range parts {
				// What Receive makes of a body, without its cost.
				ref, err := w.blobs.Put(ctx, strings.NewReader(fmt.Sprintf("%05d", n)))
				if err != nil {
					return err
				}
				body := first.Body
				body.Blob = ref
				parts[n] = Part{Number: n + 1, Modified: w.real.Now(), ETag: first.ETag, Sums: first.Sums, Body: body}
			}
			for some := range slices.Chunk(parts, 1000) {
				err := w.kv.Update(ctx, func(tx *kv.Tx) error {
					for _, p := range some {
						if err := errors.Join(tx.Put(keyInUse(p.Blob.ID), nil), putJSON(tx, keyPart(u.ID, p.Number), p)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		return u, parts
	}
	complete := func(u *Upload, parts []Part) *Object {
		o := &Object{Key: "k", Sequence: w.ids.Sortable(), Body: Body{ID: w.ids.Sortable(), Parts: len(parts), Size: PartsMax * 5}}
		step("complete", func() error {
			return w.Update(ctx, w.b, "k", func(tx *Tx) error {
				cur, err := tx.Current()
				if err != nil {
					return err
				}
				if err := tx.Put(cur, o, Data{Parts: parts}); err != nil {
					return err
				}
				return tx.FinishUpload(u, parts, errors.New("a part was replaced"))
			})
		})
		return o
	}
	u, parts := begin("one", PartsMax)
	step("list the last page", func() error {
		got, err := w.UploadParts(ctx, u, PartsMax-1000, 1000)
		if err == nil && (len(got) != 1000 || got[999].Number != PartsMax) {
			err = fmt.Errorf("%d parts", len(got))
		}
		return err
	})
	o := complete(u, parts)
	step("read a range at the end", func() error {
		w.drive.opened = 0
		r, err := w.Open(ctx, w.b, o, condition.Span{Offset: o.Size - 8, Length: 8})
		if err != nil {
			return err
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		if err == nil && (len(got) != 8 || w.drive.opened != 2) {
			err = fmt.Errorf("%d bytes, from %d blobs", len(got), w.drive.opened)
		}
		return err
	})
	u, parts = begin("two", PartsMax)
	complete(u, parts[1:]) // one part is left over, and an object of many is replaced
	begin("three", abortedParts)
	step("abort", func() error { return w.EndUpload(ctx, w.b, "k", "three") })
	w.real.Advance(Grace + time.Second)
	step("reap", func() error {
		n, err := w.Reap(ctx, Grace)
		if err == nil && n != PartsMax+1+abortedParts {
			err = fmt.Errorf("%d blobs", n)
		}
		return err
	})
	if n := w.blobCount(); n != PartsMax-1 || w.records("q") != 0 || w.records("g") != 0 {
		t.Errorf("%d blobs are left, %d parts of uploads, %d records of garbage", n, w.records("q"), w.records("g"))
	}
}
