package pgkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"moln.dev/moln/engine/kv/driver"
)

// tx is a transaction: what it has read. Its reads are statements of their
// own, so they need not be of one moment until Commit has found so.
type tx struct {
	db     *DB
	points []readPoint
	ranges []readRange
}

// readRange is a range that was read, and the versions of its items in order.
// Versions are never used again, so they tell everything.
type readRange struct {
	driver.KeyRange
	versions []int64
}

// Begin implements driver.DB.
func (db *DB) Begin(ctx context.Context) (driver.Tx, error) {
	return &tx{db: db}, db.use(ctx)
}

// Get implements driver.Tx.
func (t *tx) Get(ctx context.Context, key []byte) ([]byte, error) {
	r := t.db.get(ctx, key)
	if r.err == nil || errors.Is(r.err, driver.ErrNotFound) {
		t.points = append(t.points, readPoint{key, r.version})
	}
	return r.value, r.err
}

// Scan implements driver.Tx.
func (t *tx) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	if err := t.db.use(ctx); err != nil {
		return nil, err
	}
	items, versions, err := t.db.scan(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.Reverse {
		slices.Reverse(versions)
	}
	t.ranges = append(t.ranges, readRange{covered(r, items), versions})
	return items, nil
}

// covered returns the keys that a scan has looked at: those up to the last
// item if it was cut short there.
func covered(r driver.Range, items []driver.Item) driver.KeyRange {
	read := driver.KeyRange{Start: r.Start, End: r.End}
	total := 0
	for _, it := range items {
		total += len(it.Value)
	}
	if len(items) < r.Limit && total < driver.MaxScanBytes {
		return read
	}
	last := items[len(items)-1].Key
	if r.Reverse {
		read.Start = bytes.Clone(last)
	} else {
		read.End = append(bytes.Clone(last), 0)
	}
	return read
}

// Commit implements driver.Tx.
func (t *tx) Commit(ctx context.Context, b *driver.Batch) error {
	if !b.Empty() {
		return t.db.commit(ctx, t.points, t.ranges, b)
	}
	if len(t.points)+len(t.ranges) < 2 {
		return t.db.use(ctx) // one statement is of one moment
	}
	// Look whether all stands, in one snapshot.
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := t.db.retryRead(ctx, func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, t.db.pool, opts, func(tx pgx.Tx) error {
			batch := &pgx.Batch{}
			queueChecks(batch, t.points, t.ranges)
			return tx.SendBatch(ctx, batch).Close()
		})
	})
	return t.db.checked(err)
}

// checked makes the error of a check that failed a conflict.
func (db *DB) checked(err error) error {
	switch {
	case err == nil:
		return nil
	case hasCode(err, divisionByZero):
		return driver.ErrConflict
	}
	return db.failed("committing", err)
}

const divisionByZero = "22012"

// The checks fail with divisionByZero, and the transaction with them, if
// something that was read has changed.
const checkPointsSQL = `SELECT 1 / (CASE WHEN EXISTS (
	SELECT FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS r(head, tailid, version)
	LEFT JOIN moln_kv kv ON kv.head = r.head AND kv.tailid = r.tailid
	WHERE coalesce(kv.version, 0) <> r.version) THEN 0 ELSE 1 END)`

const checkRangeSQL = `SELECT 1 / (CASE WHEN ARRAY(SELECT version FROM moln_kv WHERE %s ORDER BY head, tail) = $%d::bigint[] THEN 1 ELSE 0 END)`

func queueChecks(batch *pgx.Batch, points []readPoint, ranges []readRange) {
	if len(points) > 0 {
		var heads, ids [][]byte
		var versions []int64
		for _, p := range points {
			k := split(p.key)
			heads, ids, versions = append(heads, k.head), append(ids, k.tailID), append(versions, p.version)
		}
		batch.Queue(checkPointsSQL, heads, ids, versions)
	}
	for _, r := range ranges {
		condition, args := where(r.KeyRange)
		versions := r.versions
		if versions == nil {
			versions = []int64{}
		}
		batch.Queue(fmt.Sprintf(checkRangeSQL, condition, len(args)+1), append(args, versions)...)
	}
}

// commitWide commits alone: what reads or deletes ranges has no lanes.
func (db *DB) commitWide(ctx context.Context, points []readPoint, ranges []readRange, b *driver.Batch) error {
	args := arguments([]*commitCall{{batch: &driver.Batch{Points: b.Points}}})
	err := db.retry(ctx, commitPatience, func(ctx context.Context) error {
		batch := &pgx.Batch{}
		batch.Queue(lockGateSQL, db.class)
		queueChecks(batch, points, ranges)
		for _, r := range b.Ranges {
			condition, args := where(r)
			batch.Queue("DELETE FROM moln_kv WHERE "+condition, args...)
		}
		batch.Queue(commitSQL, args...)
		return db.pool.SendBatch(ctx, batch).Close()
	})
	if hasCode(err, uniqueViolation) { // an earlier try had happened after all
		return nil
	}
	return db.checked(err)
}
