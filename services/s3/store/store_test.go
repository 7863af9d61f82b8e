package store

import "testing"

func TestSequencesDescend(t *testing.T) {
	a, b := "01JD3ZK7Q8ABCDEFGHJKMNPQRS", "01JD3ZK7Q8ABCDEFGHJKMNPQRT"
	if !(descending(a) > descending(b)) || descending(descending(a)) != a || Sequencer(a) >= Sequencer(b) {
		t.Error("sequences are out of order")
	}
}
