package store

import (
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
)

// Kinds of keys below account and region.
const (
	kindQueue   = "q"
	kindGone    = "g"
	kindLetters = "l"
	kindMessage = "m"
	kindDedup   = "d"
	kindDedupBy = "e"
	kindAttempt = "a"
	kindTriedBy = "f"
	kindTask    = "t"
)

// Kinds of keys below a queue's messages.
const (
	kindBody    = "b"
	kindState   = "s"
	kindVisible = "v"
	kindOrder   = "o"
	kindGroup   = "g"
	kindRest    = "w"
	kindFlight  = "x"
)

func key(k queue.Key, kind string, rest ...any) []byte {
	dst := make([]byte, 0, 128)
	dst = tuple.AppendString(tuple.AppendString(tuple.AppendString(dst, k.Account), k.Region), kind)
	return tuple.Append(dst, rest...)
}

func queueKey(k queue.Key) []byte { return key(k, kindQueue, k.Name) }
func goneKey(k queue.Key) []byte  { return key(k, kindGone, k.Name) }

// keys makes the keys of one queue's messages.
type keys struct {
	at queue.Key
	id []byte // of the queue
}

func keysOf(q *queue.Queue) keys {
	id := q.Raw()
	return keys{q.Key, id[:]}
}

func (k keys) of(kind string, rest ...any) []byte {
	return tuple.Append(key(k.at, kindMessage, k.id, kind), rest...)
}

func (k keys) body(p message.Place) []byte  { return k.of(kindBody, p.Append(nil)) }
func (k keys) state(p message.Place) []byte { return k.of(kindState, p.Append(nil)) }

func (k keys) visible(due uint64, p message.Place) []byte {
	return k.of(kindVisible, due, p.Append(nil))
}

func (k keys) order(group string, p message.Place) []byte {
	return k.of(kindOrder, group, p.Append(nil))
}

func (k keys) group(group string) []byte              { return k.of(kindGroup, group) }
func (k keys) rest(nanos uint64, group string) []byte { return k.of(kindRest, nanos, group) }
func (k keys) flight(due uint64, group string) []byte { return k.of(kindFlight, due, group) }

func (k keys) dedup(group, id string) []byte { return key(k.at, kindDedup, k.id, group, id) }

func (k keys) dedupBy(due uint64, group, id string) []byte {
	return key(k.at, kindDedupBy, k.id, due, group, id)
}

func (k keys) attempt(id string) []byte             { return key(k.at, kindAttempt, k.id, id) }
func (k keys) triedBy(due uint64, id string) []byte { return key(k.at, kindTriedBy, k.id, due, id) }

// between is the entries of an index by time from one moment to another, both
// included.
func (k keys) between(kind string, from, to uint64, limit int) kv.Range {
	return kv.Range{Start: k.of(kind, from), End: tuple.End(k.of(kind, to)), Limit: limit}
}

// all are the ranges of everything that a queue has.
func (k keys) all() [][]byte {
	return [][]byte{
		key(k.at, kindMessage, k.id), key(k.at, kindDedup, k.id), key(k.at, kindDedupBy, k.id),
		key(k.at, kindAttempt, k.id), key(k.at, kindTriedBy, k.id),
	}
}

// lastUint and what follows read a key from the parts that come after a prefix.
func lastParts(prefix, full []byte) []byte {
	if len(full) < len(prefix) {
		return nil
	}
	return full[len(prefix):]
}

// placeEntry reads an entry of an index by time of messages.
// dueOf reads the moment of an entry of an index by time.
func (k keys) dueOf(kind string, full []byte) (due uint64, rest []byte, err error) {
	return tuple.DecodeUint(lastParts(k.of(kind), full))
}

func (k keys) placeEntry(kind string, full []byte) (due uint64, p message.Place, err error) {
	due, rest, err := tuple.DecodeUint(lastParts(k.of(kind), full))
	if err != nil {
		return 0, p, err
	}
	raw, _, err := tuple.DecodeBytes(rest)
	if err != nil {
		return 0, p, err
	}
	p, err = message.ParsePlace(raw)
	return due, p, err
}

// groupEntry reads an entry of an index by time of groups.
func (k keys) groupEntry(kind string, full []byte) (due uint64, group string, err error) {
	due, rest, err := tuple.DecodeUint(lastParts(k.of(kind), full))
	if err != nil {
		return 0, "", err
	}
	group, _, err = tuple.DecodeString(rest)
	return due, group, err
}

// placeOf reads the place at the end of a key below a prefix.
func placeOf(prefix, full []byte) (message.Place, error) {
	raw, _, err := tuple.DecodeBytes(lastParts(prefix, full))
	if err != nil {
		return message.Place{}, err
	}
	return message.ParsePlace(raw)
}
