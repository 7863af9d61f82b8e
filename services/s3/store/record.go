package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/services/s3/checksum"
)

// An object's record is read by every request and a thousand times by a page of
// a listing. So what nearly all objects have is written field by field, and the
// rest of the struct follows as JSON, where there is any: a new property of
// objects needs nothing here.
//
//	recordMark, recordBeside or not, length of the record, record, small body
//
// Numbers are varints; texts follow their length. Records that begin with '{'
// are JSON throughout, with a zero byte before the body.
const (
	recordMark = 1
	// recordBeside: the body follows the record.
	recordBeside = 1
)

var errRecord = errors.New("malformed")

// encodeObject is the stored form of a version, with its body where that is
// small.
func encodeObject(o *Object) ([]byte, error) {
	rest := *o
	rest.Key, rest.Version, rest.Sequence, rest.Modified = "", "", "", time.Time{}
	rest.Body = Body{Parts: o.Parts, List: o.List, Locked: o.Locked}
	rest.ETag, rest.SumType, rest.Class = "", "", ""
	rest.Headers, rest.Meta, rest.Sums, rest.small = nil, nil, nil, nil
	var other []byte
	if !reflect.ValueOf(&rest).Elem().IsZero() {
		var err error
		if other, err = json.Marshal(&rest); err != nil {
			return nil, err
		}
	}
	w := make(recordWriter, 0, recordBytesTypical)
	w.text(o.Version)
	w.text(o.Sequence)
	w = binary.AppendVarint(w, o.Modified.Unix())
	w = binary.AppendUvarint(w, uint64(o.Modified.Nanosecond()))
	w.text(o.ID)
	w = binary.AppendVarint(w, o.Size)
	w.text(o.Blob.ID)
	w = binary.AppendVarint(w, o.Blob.Size)
	w = binary.BigEndian.AppendUint64(w, o.Blob.Checksum)
	w = binary.AppendUvarint(w, uint64(o.Check))
	w.text(o.ETag)
	w.text(o.SumType)
	w.text(o.Class)
	w.pairs(o.Sums)
	w.text(string(other))
	w.text(string(o.DataKey))
	w.pairs(o.Headers)
	w.pairs(o.Meta)

	out := make([]byte, 0, 2+binary.MaxVarintLen32+len(w)+len(o.small))
	beside := byte(0)
	if o.small != nil {
		beside = recordBeside
	}
	out = append(out, recordMark, beside)
	out = binary.AppendUvarint(out, uint64(len(w)))
	return append(append(out, w...), o.small...), nil
}

// recordBytesTypical is a little more than most records have.
const recordBytesTypical = 320

type recordWriter []byte

func (w *recordWriter) text(s string) {
	*w = append(binary.AppendUvarint(*w, uint64(len(s))), s...)
}

func (w *recordWriter) pairs(m map[string]string) {
	*w = binary.AppendUvarint(*w, uint64(len(m)))
	if len(m) == 1 {
		for k, v := range m {
			w.text(k)
			w.text(v)
		}
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.text(k)
		w.text(m[k])
	}
}

// decodeObject reads what encodeObject wrote. The object keeps raw.
func decodeObject(key string, raw []byte) (*Object, error) {
	o := &Object{Key: key}
	if err := o.decode(raw, true); err != nil {
		return nil, fmt.Errorf("s3: object record: %w", err)
	}
	return o, nil
}

// decodeListed reads what a listing tells of an object into o, which may have
// been another before: its bytes, their keys and what goes with them are left
// out.
func decodeListed(o *Object, key string, raw []byte) error {
	sums := o.Sums
	clear(sums)
	*o = Object{Key: key, Sums: sums}
	if err := o.decode(raw, false); err != nil {
		return fmt.Errorf("s3: object record: %w", err)
	}
	return nil
}

func (o *Object) decode(raw []byte, all bool) error {
	if len(raw) > 0 && raw[0] == '{' {
		record, small, beside := bytes.Cut(raw, []byte{0})
		if beside {
			o.small = small
		}
		return json.Unmarshal(record, o)
	}
	if len(raw) < 2 || raw[0] != recordMark {
		return errRecord
	}
	n, at := binary.Uvarint(raw[2:])
	if at <= 0 || n > uint64(len(raw)-2-at) {
		return errRecord
	}
	record, small := raw[2+at:2+at+int(n)], raw[2+at+int(n):]
	if raw[1] == recordBeside {
		o.small = small
	}
	return o.decodeFields(record, all)
}

func (o *Object) decodeFields(record []byte, all bool) error {
	r := recordReader{raw: record, text: string(record)}
	o.Version, o.Sequence = r.string(), r.string()
	o.Modified = time.Unix(r.int(), int64(r.uint())).UTC()
	o.ID, o.Size = r.string(), r.int()
	o.Blob = blob.Ref{ID: r.string(), Size: r.int(), Checksum: r.fixed()}
	o.Check = uint32(r.uint())
	o.ETag, o.SumType, o.Class = r.string(), r.string(), r.string()
	o.Sums = checksum.Values(r.pairs(o.Sums))
	other := r.bytes()
	if all {
		o.DataKey = r.bytes()
		o.Headers, o.Meta = r.pairs(nil), r.pairs(nil)
	}
	if r.bad {
		return errRecord
	}
	if len(other) == 0 {
		return nil
	}
	return json.Unmarshal(other, o) // it has no field of those above
}

// recordReader reads a record. Texts are parts of one.
type recordReader struct {
	raw  []byte
	text string
	at   int
	bad  bool // there was less than should be
}

func (r *recordReader) uint() uint64 {
	v, n := binary.Uvarint(r.raw[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *recordReader) int() int64 {
	v, n := binary.Varint(r.raw[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *recordReader) fixed() uint64 {
	from, to := r.span(8)
	if to == from {
		return 0
	}
	return binary.BigEndian.Uint64(r.raw[from:to])
}

func (r *recordReader) string() string {
	from, to := r.span(r.uint())
	return r.text[from:to]
}

// bytes is nil where there are none.
func (r *recordReader) bytes() []byte {
	from, to := r.span(r.uint())
	if from == to {
		return nil
	}
	return r.raw[from:to:to]
}

// pairs fills m, which is made at need.
func (r *recordReader) pairs(m map[string]string) map[string]string {
	for n := r.uint(); n > 0 && !r.bad; n-- {
		if m == nil {
			m = map[string]string{}
		}
		k := r.string()
		m[k] = r.string()
	}
	return m
}

// span takes n bytes.
func (r *recordReader) span(n uint64) (from, to int) {
	if n > uint64(len(r.raw)-r.at) {
		r.fail()
		return 0, 0
	}
	from = r.at
	r.at += int(n)
	return from, r.at
}

func (r *recordReader) fail() { r.bad, r.at = true, len(r.raw) }
