package pgkv

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"moln.dev/moln/engine/kv/driver"
)

// commitCall is a commit that waits to be sent.
type commitCall struct {
	reads []readPoint
	batch *driver.Batch
	lanes laneSet
	bytes int // of keys and values to be written
	state atomic.Int32
	reply chan error // has room for one
}

// readPoint is a key that was read, and in which version.
type readPoint struct {
	key     []byte
	version int64
}

// States of a commitCall. Once it is sent its caller waits for the reply,
// however long, as the batch is the caller's.
const (
	callWaiting int32 = iota
	callSent
	callCancelled
)

// Apply implements driver.DB.
func (db *DB) Apply(ctx context.Context, b *driver.Batch) error {
	return db.commit(ctx, nil, nil, b)
}

// commit validates what was read and writes b.
func (db *DB) commit(ctx context.Context, reads []readPoint, ranges []readRange, b *driver.Batch) error {
	if err := db.use(ctx); err != nil {
		return err
	}
	var err error
	if len(ranges) > 0 || len(b.Ranges) > 0 {
		err = db.commitWide(ctx, reads, ranges, b)
	} else {
		err = db.commitPoints(ctx, newCommitCall(reads, b))
	}
	if err == nil {
		db.watches.Wake(b)
		db.news.add(b)
	}
	return err
}

func (db *DB) commitPoints(ctx context.Context, call *commitCall) error {
	if err := db.commits.add(call); err != nil {
		return err
	}
	select {
	case err := <-call.reply:
		return err
	case <-ctx.Done():
		if call.state.CompareAndSwap(callWaiting, callCancelled) {
			return ctx.Err()
		}
		return <-call.reply
	}
}

func newCommitCall(reads []readPoint, b *driver.Batch) *commitCall {
	c := &commitCall{reads: reads, batch: b, reply: make(chan error, 1)}
	for _, r := range reads {
		c.lanes.read |= 1 << laneOf(r.key)
	}
	for _, w := range b.Points {
		c.lanes.written |= 1 << laneOf(w.Key)
		c.bytes += len(w.Key) + len(w.Value)
	}
	return c
}

// commitLoop sends groups of commits.
func (db *DB) commitLoop(worker int) {
	for {
		g := db.commits.next(worker)
		if g == nil {
			return
		}
		g.calls = slices.DeleteFunc(g.calls, func(c *commitCall) bool { return !c.state.CompareAndSwap(callWaiting, callSent) })
		db.commitTogether(g.lanes, g.calls)
	}
}

// commitTogether sends calls as one transaction and replies to them. What the
// server refuses for the sake of one it is asked again in halves, so that only
// that one fails.
func (db *DB) commitTogether(lanes laneSet, calls []*commitCall) {
	if len(calls) == 0 {
		return
	}
	refused, undone, err := db.sendTogether(lanes, arguments(calls))
	if undone && len(calls) > 1 {
		half := len(calls) / 2
		db.commitTogether(lanes, calls[:half])
		db.commitTogether(lanes, calls[half:])
		return
	}
	for i, c := range calls {
		switch {
		case err != nil:
			c.reply <- db.failed("committing", err)
		case slices.Contains(refused, int32(i)):
			c.reply <- driver.ErrConflict
		default:
			c.reply <- nil
		}
	}
}

// commitSQL validates commits against their reads, and writes those that
// stand. Which do not is the result, also stored under the number $1.
const commitSQL = `WITH refused AS MATERIALIZED (
	SELECT DISTINCT r.tx FROM unnest($3::int[], $4::bytea[], $5::bytea[], $6::bigint[]) AS r(tx, head, tailid, version)
	LEFT JOIN moln_kv kv ON kv.head = r.head AND kv.tailid = r.tailid
	WHERE coalesce(kv.version, 0) <> r.version
), deleted AS (
	DELETE FROM moln_kv kv USING unnest($7::int[], $8::bytea[], $9::bytea[]) AS d(tx, head, tailid)
	WHERE kv.head = d.head AND kv.tailid = d.tailid AND d.tx <> ALL (ARRAY(SELECT tx FROM refused))
), put AS (
	INSERT INTO moln_kv (head, tailid, tail, value, version)
	SELECT head, tailid, tail, value, $2 FROM unnest($10::int[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[]) AS p(tx, head, tailid, tail, value)
	WHERE tx <> ALL (ARRAY(SELECT tx FROM refused))
	ON CONFLICT (head, tailid) DO UPDATE SET value = excluded.value, version = excluded.version
)
INSERT INTO moln_kv_commits (id, refused) SELECT $1, ARRAY(SELECT tx FROM refused) RETURNING refused`

// arguments returns those of commitSQL.
func arguments(calls []*commitCall) []any {
	var readTx, delTx, putTx []int32
	var versions []int64
	var readHead, readID, delHead, delID, putHead, putID, putTail, putValue [][]byte
	for i, c := range calls {
		tx := int32(i)
		for _, r := range c.reads {
			k := split(r.key)
			readTx, versions = append(readTx, tx), append(versions, r.version)
			readHead, readID = append(readHead, k.head), append(readID, k.tailID)
		}
		for _, w := range c.batch.Points {
			k := split(w.Key)
			if w.Delete {
				delTx, delHead, delID = append(delTx, tx), append(delHead, k.head), append(delID, k.tailID)
				continue
			}
			putTx, putHead, putID = append(putTx, tx), append(putHead, k.head), append(putID, k.tailID)
			putTail, putValue = append(putTail, k.tail), append(putValue, notNil(w.Value))
		}
	}
	id := newCommitID()
	return []any{id, id.version(), readTx, readHead, readID, versions,
		delTx, delHead, delID, putTx, putHead, putID, putTail, putValue}
}

func notNil(p []byte) []byte {
	if p == nil {
		return []byte{}
	}
	return p
}

// commitID is the number of a transaction, different from all others.
type commitID [16]byte

func newCommitID() (id commitID) {
	_, _ = rand.Read(id[:]) // it never fails
	return id
}

// version is that of what the transaction writes. It is never 0, which stands
// for a key that is not there.
func (id commitID) version() int64 {
	return int64(binary.BigEndian.Uint64(id[:8])>>1 | 1)
}

// Lock 0 is the gate, which range commits hold alone.
const (
	lockLanesSQL = `SELECT pg_advisory_xact_lock_shared($1::int4, 0), (SELECT count(CASE
		WHEN alone THEN pg_advisory_xact_lock($1::int4, lane) ELSE pg_advisory_xact_lock_shared($1::int4, lane) END)
		FROM unnest($2::int4[], $3::bool[]) AS l(lane, alone))`
	lockGateSQL = `SELECT pg_advisory_xact_lock($1::int4, 0)`
)

// sendTogether runs commitSQL, once, in one round trip. If it fails, undone is
// whether it is known that nothing was written.
func (db *DB) sendTogether(lanes laneSet, args []any) (refused []int32, undone bool, err error) {
	numbers, alone := lanes.locks()
	lost := false // an answer
	err = db.retry(db.running, commitPatience, func(ctx context.Context) error {
		b := &pgx.Batch{}
		b.Queue(lockLanesSQL, db.class, numbers, alone)
		b.Queue(commitSQL, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&refused) })
		err := db.pool.SendBatch(ctx, b).Close()
		lost = lost || err != nil && temporary(err)
		return err
	})
	if hasCode(err, uniqueViolation) { // an earlier try had happened after all
		refused, err = db.outcome(args[0])
		return refused, false, err
	}
	return refused, err != nil && !lost, err
}

const uniqueViolation = "23505"

// outcome returns what became of a commit.
func (db *DB) outcome(id any) (refused []int32, err error) {
	err = db.retryRead(db.running, func(ctx context.Context) error {
		return db.pool.QueryRow(ctx, `SELECT refused FROM moln_kv_commits WHERE id = $1`, id).Scan(&refused)
	})
	return refused, err
}
