package esm

import (
	"context"
	"errors"
	"time"
)

// Stream is where a mapping's records come from. The methods are called by
// several goroutines.
type Stream interface {
	// Shards lists the shards that can be read, by any order.
	Shards(ctx context.Context) ([]Shard, error)
	// Cursor is where reading a shard goes on.
	Cursor(ctx context.Context, shard string, from Position) (string, error)
	// Read gives records in their order, and the cursor after them, "" where the
	// shard has ended. No records and a cursor mean that there are none now.
	Read(ctx context.Context, cursor string, limit int) (records []Record, next string, err error)
}

// Shard is a part of a stream, which is read for itself.
type Shard struct{ ID, Parent string }

// Position is a place in a shard: after a record, or else not before a time, or
// else at the oldest record there is.
type Position struct {
	After string
	At    time.Time
}

// Record is one record as functions are given it.
type Record struct {
	Sequence string
	// Key is what the order of records is kept for.
	Key  string
	At   time.Time
	JSON []byte
}

// What a stream's methods fail with besides errors of their service.
var (
	// errTrimmed: the position is before the oldest record.
	errTrimmed = errors.New("esm: the stream no longer has these records")
	// errExpired: the cursor is too old to be used.
	errExpired = errors.New("esm: the cursor has expired")
)
