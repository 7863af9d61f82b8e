package store

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/services/sqs/message"
)

func TestRecords(t *testing.T) {
	m := &Message{Place: message.Place{Nanos: 5}, Meta: Meta{Sent: 1, Sender: "me", BodyDigest: "d", Wrapped: []byte{1}}, Payload: []byte("body")}
	raw, err := encodeMessage(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeMessage(m.Place, raw)
	if d := cmp.Diff(m, got); err != nil || d != "" {
		t.Error(err, d)
	}
	st := state{Due: 1, Received: 2, First: 3, Last: 4, Token: [8]byte{5}, Group: "g"}
	if got, err := decodeState(encodeState(&st)); err != nil || got != st {
		t.Error(got, err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte{1, 2, '{', '}', 'x'})
	f.Add(encodeState(&state{Group: "g"}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = decodeMessage(message.Place{}, raw) // it must not panic
		if st, err := decodeState(raw); err == nil && !bytes.Equal(encodeState(&st), raw) {
			t.Errorf("%x", raw)
		}
	})
}

// Whatever is written while somebody looks is found by the next who does.
func TestFloor(t *testing.T) {
	var f floor
	_, first := f.begin()
	f.wrote(5) // the scan may not have seen it
	f.end(first, 9)
	if from, _ := f.begin(); from != 5 {
		t.Errorf("from %d, want 5", from)
	}
	_, second := f.begin()
	f.end(second, 9)
	if from, _ := f.begin(); from != 9 {
		t.Errorf("from %d, want 9", from)
	}
	f.wrote(3)
	if from, l := f.begin(); from != 3 {
		t.Errorf("from %d, want 3", from)
	} else {
		f.drop(l)
	}
}
