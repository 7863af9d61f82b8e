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

const (
	// maxCommits and maxCommitBytes bound what travels together.
	maxCommits     = 256
	maxCommitBytes = driver.MaxBatchBytes
)

// commitCall is a commit that waits to be sent.
type commitCall struct {
	reads []readPoint
	batch *driver.Batch
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
		err = db.commitPoints(ctx, &commitCall{reads: reads, batch: b, reply: make(chan error, 1)})
	}
	if err == nil {
		db.watches.Wake(b)
		db.news.add(b)
	}
	return err
}

func (db *DB) commitPoints(ctx context.Context, call *commitCall) error {
	queue := db.multi
	if l := call.lanes(); len(l) == 1 {
		queue = db.lanes[l[0]-1]
	}
	select {
	case queue <- call:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.running.Done():
		return driver.ErrClosed
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

// lanes returns the lanes of all keys, in order.
func (c *commitCall) lanes() []int32 {
	var ls []int32
	for _, r := range c.reads {
		ls = append(ls, laneOf(r.key))
	}
	for _, w := range c.batch.Points {
		ls = append(ls, laneOf(w.Key))
	}
	slices.Sort(ls)
	return slices.Compact(ls)
}

func (c *commitCall) bytes() int {
	n := 0
	for _, w := range c.batch.Points {
		n += len(w.Key) + len(w.Value)
	}
	return n
}

// commitLoop sends the commits that wait in a queue, together.
func (db *DB) commitLoop(queue chan *commitCall) {
	var left []*commitCall // of the last round
	for {
		var calls []*commitCall
		if len(left) > 0 {
			calls, left = left, nil
			select {
			case next := <-queue:
				calls = append(calls, drain(next, queue, maxCommits)...)
			default:
			}
		} else {
			select {
			case first := <-queue:
				calls = drain(first, queue, maxCommits)
			case <-db.running.Done():
				return
			}
		}
		calls, left = together(calls)
		db.commitTogether(calls)
	}
}

// together chooses the calls that can be one transaction: each is validated
// against what is stored before it, so none may touch what one before it
// writes. The others are left for the next, in their order.
func together(calls []*commitCall) (now, left []*commitCall) {
	written := make(map[string]bool)
	bytes := 0
	for _, c := range calls {
		bytes += c.bytes()
		fits := len(now) == 0 || len(now) < maxCommits && bytes <= maxCommitBytes
		if fits && !c.touches(written) {
			now = append(now, c)
		} else {
			left = append(left, c)
		}
		// What is left behind keeps its place before those that follow.
		for _, w := range c.batch.Points {
			written[string(w.Key)] = true
		}
	}
	return now, left
}

func (c *commitCall) touches(written map[string]bool) bool {
	return slices.ContainsFunc(c.reads, func(r readPoint) bool { return written[string(r.key)] }) ||
		slices.ContainsFunc(c.batch.Points, func(w driver.Write) bool { return written[string(w.Key)] })
}

// commitTogether sends calls as one transaction and replies to them.
func (db *DB) commitTogether(calls []*commitCall) {
	calls = slices.DeleteFunc(calls, func(c *commitCall) bool { return !c.state.CompareAndSwap(callWaiting, callSent) })
	if len(calls) == 0 {
		return
	}
	var ls []int32
	for _, c := range calls {
		ls = append(ls, c.lanes()...)
	}
	slices.Sort(ls)
	ls = slices.Compact(ls)
	refused, err := db.sendTogether(ls, arguments(calls))
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
	lockLanesSQL = `SELECT pg_advisory_xact_lock_shared($1::int4, 0), (SELECT count(pg_advisory_xact_lock($1::int4, lane)) FROM unnest($2::int4[]) AS lane)`
	lockGateSQL  = `SELECT pg_advisory_xact_lock($1::int4, 0)`
)

// sendTogether runs commitSQL, once, in one round trip.
func (db *DB) sendTogether(ls []int32, args []any) (refused []int32, err error) {
	err = db.retry(db.running, commitPatience, func(ctx context.Context) error {
		b := &pgx.Batch{}
		b.Queue(lockLanesSQL, db.class, ls)
		b.Queue(commitSQL, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&refused) })
		return db.pool.SendBatch(ctx, b).Close()
	})
	if hasCode(err, uniqueViolation) { // an earlier try had happened after all
		return db.outcome(args[0])
	}
	return refused, err
}

const uniqueViolation = "23505"

// outcome returns what became of a commit.
func (db *DB) outcome(id any) (refused []int32, err error) {
	err = db.retryRead(db.running, func(ctx context.Context) error {
		return db.pool.QueryRow(ctx, `SELECT refused FROM moln_kv_commits WHERE id = $1`, id).Scan(&refused)
	})
	return refused, err
}
