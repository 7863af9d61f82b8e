package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
)

func (w *world) scrub() ([]service.Damage, service.Scrubbed) {
	w.t.Helper()
	var all []service.Damage
	total, err := w.Scrub(w.t.Context(), func(d service.Damage) { all = append(all, d) })
	if err != nil {
		w.t.Fatal(err)
	}
	if int(total.Damaged) != len(all) {
		w.t.Errorf("%d damaged in total, %d told", total.Damaged, len(all))
	}
	return all, total
}

// TestScrub damages each kind of body, one after the other, and expects to be
// told which object is damaged and no other.
func TestScrub(t *testing.T) {
	w := newWorld(t)
	w.b.Versioning = VersioningEnabled
	if err := w.ChangeBucket(t.Context(), "b", func(b *Bucket) error { b.Versioning = VersioningEnabled; return nil }); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", blob.BlockBytes+5)
	w.put("empty", "")
	old := w.put("small", "first")
	w.put("small", "second")
	inline := w.put("inline", long[:BesideBytesMax+1])
	large := w.put("large", long)
	parted := w.put("parted", long, "short", long)
	var many []string
	for range partsChunk + 1 {
		many = append(many, "m")
	}
	w.put("many", many...)
	u := &Upload{Key: "going/on", ID: "up"}
	if err := w.PutUpload(t.Context(), w.b, u); err != nil {
		t.Fatal(err)
	}
	got, err := w.Receive(t.Context(), strings.NewReader("part"), Intake{Max: PutBytesMax, AsBlob: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PutPart(t.Context(), w.b, u, &Part{Number: 7, Body: got.Body}); err != nil {
		t.Fatal(err)
	}
	if all, total := w.scrub(); len(all) > 0 || total.Objects != 8 || total.Bytes != int64(len("first")+len("second")+BesideBytesMax+1+3*len(long)+len("short")+len(many)+len("part")) {
		t.Fatalf("whole: %+v, %+v", all, total)
	}
	parts, err := w.Parts(t.Context(), parted.ID)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		damage func()
		want   service.Damage
	}{
		{func() { w.flip(keyVersion(w.b, "small", old.Sequence), -1) }, service.Damage{Bucket: "b", Key: "small", Version: old.Version}},
		{func() { w.flip(keyInline(inline.ID), 9) }, service.Damage{Bucket: "b", Key: "inline", Version: inline.Version}},
		{func() { w.blobs.Delete(t.Context(), large.Blob) }, service.Damage{Bucket: "b", Key: "large", Version: large.Version}},
		{func() { w.blobs.Delete(t.Context(), parts[1].Blob) }, service.Damage{Bucket: "b", Key: "parted", Version: parted.Version, Part: 2}},
		{func() { w.blobs.Delete(t.Context(), got.Blob) }, service.Damage{Bucket: "b", Key: "going/on", Upload: "up", Part: 7}},
	}
	for i, step := range steps {
		step.damage()
		all, _ := w.scrub()
		if len(all) != i+1 {
			t.Fatalf("%+v: %+v", step.want, all)
		}
		if !slices.ContainsFunc(all, func(d service.Damage) bool {
			reason := d.Reason
			d.Reason, d.Service = "", ""
			return d == step.want && reason != ""
		}) {
			t.Errorf("%+v is not in %+v", step.want, all)
		}
	}
	w.drive.damage(blob.BlockBytes + 6)
	if all, _ := w.scrub(); len(all) != len(steps) { // "parted" was damaged already
		t.Errorf("a flipped byte: %+v", all)
	}
}

// TestScrubRemovesGarbage: what was dropped goes after its grace period.
func TestScrubRemovesGarbage(t *testing.T) {
	w := newWorld(t)
	w.put("k", strings.Repeat("x", InlineBytesMax*2))
	w.put("k", "new")
	if _, total := w.scrub(); total.Garbage != 0 {
		t.Errorf("within the grace period: %+v", total)
	}
	w.real.Advance(Grace + time.Second)
	if _, total := w.scrub(); total.Garbage != 1 || w.blobCount() != 0 {
		t.Errorf("after it: %+v, %d blobs", total, w.blobCount())
	}
}
