package pgkv

import (
	"crypto/sha256"

	"moln.dev/moln/engine/kv/driver"
)

// headBytes is how much of a key is in the index. An entry of the index can
// have about 2,700 bytes, a key driver.MaxKey.
const headBytes = 2048

// A key is stored as its head, the rest of it, and a hash of the rest which
// makes the pair unique; the order of (head, tail) is the order of keys. All
// usual keys are shorter than a head, and their tail and hash are empty.
type splitKey struct{ head, tail, tailID []byte }

func split(key []byte) splitKey {
	k := splitKey{head: key, tail: []byte{}, tailID: []byte{}}
	if key == nil {
		k.head = []byte{}
	}
	if len(key) > headBytes {
		k.head, k.tail = key[:headBytes], key[headBytes:]
		id := sha256.Sum256(k.tail)
		k.tailID = id[:]
	}
	return k
}

// where returns the condition for keys in r and its arguments, from $1 on.
func where(r driver.KeyRange) (condition string, args []any) {
	start := split(r.Start)
	condition = "head >= $1 AND (head, tail) >= ($1, $2)"
	args = []any{start.head, start.tail}
	if r.End != nil {
		end := split(r.End)
		condition += " AND head <= $3 AND (head, tail) < ($3, $4)"
		args = append(args, end.head, end.tail)
	}
	return condition, args
}
