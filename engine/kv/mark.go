package kv

import "moln.dev/moln/engine/kv/driver"

// Mark is a moment in the life of one key: as long as it stands, what was read
// of the key after it was made is what is stored. It is how decoded forms of
// values that seldom change are kept and still never stale.
type Mark struct {
	drv driver.Marker // nil: the store cannot tell
	key []byte
	at  uint64
}

// Mark returns the present moment of key.
func (db *DB) Mark(key []byte) Mark {
	drv, ok := db.drv.(driver.Marker)
	if !ok {
		return Mark{}
	}
	return Mark{drv, db.join(key), drv.Mark()}
}

// Stands reports whether the key has certainly not been written since. It may be
// false without reason, and always is on stores that several processes share.
func (m *Mark) Stands() bool { return m.drv != nil && m.drv.Stands(m.key, m.at) }
