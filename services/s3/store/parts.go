package store

import (
	"context"
	"encoding/json"
	"fmt"

	"moln.dev/moln/engine/kv/tuple"
)

// The parts of an object are one record where they are few, as a JSON array.
// Where they are many the record is a partIndex, and they lie in records of
// partsChunk each, so that a range of a large object is found by two reads,
// whatever the number of parts, and no record comes near the largest value.
const partsChunk = 256

type partIndex struct {
	Count  int
	Starts []int64 // where in the object each chunk begins
}

func keyParts(id string) []byte               { return tuple.Key("p", id) }
func keyChunk(id string, chunk int) []byte    { return tuple.Key("p", id, chunk) }
func (x *partIndex) chunkAt(offset int64) int { return lastNotAfter(x.Starts, offset) }

// lastNotAfter finds the last of ascending numbers that is not above n; the
// first if all are.
func lastNotAfter(numbers []int64, n int64) int {
	lo, hi := 0, len(numbers)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; numbers[mid] <= n {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

func (tx *Tx) putParts(id string, parts []Part) error {
	if len(parts) <= partsChunk {
		return putJSON(tx.KV, keyParts(id), parts)
	}
	index := partIndex{Count: len(parts)}
	at := int64(0)
	for from := 0; from < len(parts); from += partsChunk {
		chunk := parts[from:min(from+partsChunk, len(parts))]
		if err := putJSON(tx.KV, keyChunk(id, len(index.Starts)), chunk); err != nil {
			return err
		}
		index.Starts = append(index.Starts, at)
		for _, p := range chunk {
			at += p.Size
		}
	}
	return putJSON(tx.KV, keyParts(id), index)
}

// partList reads the parts of one object as they are needed.
type partList struct {
	s     *Store
	get   func(key []byte) ([]byte, error)
	id    string
	index partIndex
	few   []Part // all of them; nil where there are chunks
}

func (s *Store) partList(ctx context.Context, id string) (*partList, error) {
	return s.partListBy(id, func(key []byte) ([]byte, error) { return s.kv.Get(ctx, key) })
}

func (s *Store) partListBy(id string, get func(key []byte) ([]byte, error)) (*partList, error) {
	raw, err := get(keyParts(id))
	if err != nil {
		return nil, err
	}
	l := &partList{s: s, get: get, id: id}
	if len(raw) > 0 && raw[0] == '[' {
		l.few, err = decodeParts(raw)
		l.index = partIndex{Count: len(l.few), Starts: []int64{0}}
		return l, err
	}
	if err := json.Unmarshal(raw, &l.index); err != nil {
		return nil, fmt.Errorf("s3: index of parts: %w", err)
	}
	return l, nil
}

// chunk returns the parts of one chunk; none after the last.
func (l *partList) chunk(n int) ([]Part, error) {
	switch {
	case n >= len(l.index.Starts):
		return nil, nil
	case l.few != nil:
		return l.few, nil
	}
	raw, err := l.get(keyChunk(l.id, n))
	if err != nil {
		return nil, err
	}
	return decodeParts(raw)
}

// Parts returns all parts of an object that was uploaded in parts, of whose
// data this is the id.
func (s *Store) Parts(ctx context.Context, id string) ([]Part, error) {
	l, err := s.partList(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.all()
}

func (l *partList) all() ([]Part, error) {
	parts := make([]Part, 0, l.index.Count)
	for n := range l.index.Starts {
		chunk, err := l.chunk(n)
		if err != nil {
			return nil, err
		}
		parts = append(parts, chunk...)
	}
	return parts, nil
}

// PartAt returns one part of an object by its place, from 0 on, and where in
// the object it begins; nil if there are fewer.
func (s *Store) PartAt(ctx context.Context, id string, place int) (*Part, int64, error) {
	l, err := s.partList(ctx, id)
	if err != nil || place < 0 || place >= l.index.Count {
		return nil, 0, err
	}
	n := 0
	if l.few == nil {
		n, place = place/partsChunk, place%partsChunk
	}
	chunk, err := l.chunk(n)
	if err != nil {
		return nil, 0, err
	}
	if place >= len(chunk) {
		return nil, 0, fmt.Errorf("s3: chunk %d of parts has %d of them", n, len(chunk))
	}
	start := l.index.Starts[n]
	for _, p := range chunk[:place] {
		start += p.Size
	}
	return &chunk[place], start, nil
}

func decodeParts(raw []byte) ([]Part, error) {
	var parts []Part
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, fmt.Errorf("s3: parts record: %w", err)
	}
	return parts, nil
}
