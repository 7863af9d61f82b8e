package store

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/grant"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/tagging"
)

func recordExamples() []*Object {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	full := &Object{
		Version: "v", Sequence: "s", Modified: at, Owner: "owner", ACL: grant.List{{ID: "x", Permission: "READ"}},
		Body: Body{ID: "body", Size: 1 << 40, Blob: blob.Ref{ID: "01JD3ZK7Q8ABCDEFGHJKMNPQRS", Size: 1 << 40, Checksum: 1<<63 + 1}, Parts: 7, Check: 1 << 31, DataKey: []byte{0, 1}, Locked: true},
		ETag: "etag", Headers: map[string]string{"Content-Type": "text/plain", "Expires": ""}, Meta: map[string]string{"a": "b", "c": "d"},
		Tags: []tagging.Tag{{Key: "k", Value: "v"}}, Sums: checksum.Values{"CRC32": "AAAA"}, SumType: "COMPOSITE",
		SSE: &Encryption{Algorithm: EncryptionKMS}, Upload: "upload", NullSequence: "null",
		Aging: Aging{Class: "GLACIER", Moved: at, Tiering: &class.Tiering{}, Restore: &class.Restore{}, Lock: lock.State{Hold: "ON"}},
	}
	return []*Object{
		{},
		{Version: NullVersion, Sequence: "s", Modified: at, Marker: true},
		{Version: NullVersion, Sequence: "s", Modified: at, Body: Body{ID: "i"}, small: []byte{}},
		{Version: NullVersion, Sequence: "s", Modified: at, Body: Body{ID: "i", Size: 2, DataKey: []byte("k")}, small: []byte{0, 1}, Sums: checksum.Values{"CRC64NVME": "x"}},
		full,
	}
}

func TestRecordKeepsTheObject(t *testing.T) {
	options := cmp.Options{cmp.AllowUnexported(Object{}, Body{}), cmpopts.EquateComparable(time.Time{})}
	for i, o := range recordExamples() {
		raw, err := encodeObject(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeObject("", raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got, options); diff != "" {
			t.Errorf("object %d, stored and read (-want +got):\n%s", i, diff)
		}
		listed := &Object{Key: "before", small: []byte("x"), Sums: checksum.Values{"SHA1": "x"}, Owner: "other"}
		if err := decodeListed(listed, "", raw); err != nil {
			t.Fatal(err)
		}
		want := *o
		want.DataKey, want.Headers, want.Meta = nil, nil, nil
		if diff := cmp.Diff(&want, listed, options, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("object %d, listed (-want +got):\n%s", i, diff)
		}
	}
}

func TestRecordOfJSON(t *testing.T) {
	for i, o := range recordExamples() {
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if o.small != nil {
			raw = append(append(raw, 0), o.small...)
		}
		got, err := decodeObject("", raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got, cmp.AllowUnexported(Object{}, Body{})); diff != "" {
			t.Errorf("object %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestRecordCutShort(t *testing.T) {
	for _, o := range recordExamples() {
		o.small = nil
		raw, err := encodeObject(o)
		if err != nil {
			t.Fatal(err)
		}
		for n := range raw {
			if _, err := decodeObject("", raw[:n]); err == nil {
				t.Fatalf("%d bytes of %d are read as a record", n, len(raw))
			}
		}
	}
}

func FuzzObjectRecord(f *testing.F) {
	for _, o := range recordExamples() {
		raw, err := encodeObject(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := decodeObject("", raw)
		if err != nil {
			return
		}
		again, err := encodeObject(o)
		if err != nil {
			return // times that JSON does not write
		}
		back, err := decodeObject("", again)
		if err != nil {
			t.Fatal(err)
		}
		last, err := encodeObject(back)
		if err != nil || !bytes.Equal(again, last) {
			t.Fatalf("%q is read as %+v, then as %+v: %v", raw, o, back, err)
		}
	})
}
