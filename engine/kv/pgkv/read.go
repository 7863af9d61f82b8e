package pgkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"moln.dev/moln/engine/kv/driver"
)

// maxGets is how many calls one statement serves.
const maxGets = 256

// getCall is point reads that wait to be sent.
type getCall struct {
	keys  [][]byte
	reply chan []getReply // has room for one
}

// getReply is a value with its version, which is 0 if there is no such key.
type getReply struct {
	value   []byte
	version int64
	err     error
}

// get reads a key together with others.
func (db *DB) get(ctx context.Context, key []byte) getReply {
	replies, err := db.getTogether(ctx, [][]byte{key})
	if err != nil {
		return getReply{err: err}
	}
	return replies[0]
}

func (db *DB) getTogether(ctx context.Context, keys [][]byte) ([]getReply, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	call := &getCall{keys: keys, reply: make(chan []getReply, 1)}
	select {
	case db.gets <- call:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.running.Done():
		return nil, driver.ErrClosed
	}
	select {
	case r := <-call.reply:
		return r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// GetMany implements driver.ManyGetter.
func (db *DB) GetMany(ctx context.Context, keys [][]byte) ([][]byte, error) {
	replies, err := db.getTogether(ctx, keys)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, r := range replies {
		if r.err != nil && !errors.Is(r.err, driver.ErrNotFound) {
			return nil, r.err
		}
		values[i] = r.value
	}
	return values, nil
}

// readLoop sends the reads that wait, all in one statement.
func (db *DB) readLoop() {
	for {
		select {
		case first := <-db.gets:
			db.answer(drain(first, db.gets, maxGets))
		case <-db.running.Done():
			return
		}
	}
}

// drain returns first and what else is waiting, up to limit.
func drain[T any](first T, waiting <-chan T, limit int) []T {
	all := []T{first}
	for len(all) < limit {
		select {
		case next := <-waiting:
			all = append(all, next)
		default:
			return all
		}
	}
	return all
}

const getSQL = `SELECT r.i, kv.value, kv.version
FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS r(head, tailid, i)
JOIN moln_kv kv ON kv.head = r.head AND kv.tailid = r.tailid`

// answer reads what calls ask for. Many ask for the same key, such as what is
// stored of a table: it is read once.
func (db *DB) answer(calls []*getCall) {
	var keys [][]byte
	at := make(map[string]int)
	for _, c := range calls {
		for _, k := range c.keys {
			if _, known := at[string(k)]; !known {
				at[string(k)] = len(keys)
				keys = append(keys, k)
			}
		}
	}
	replies := db.getMany(keys)
	taken := make([]bool, len(keys))
	for _, c := range calls {
		mine := make([]getReply, len(c.keys))
		for i, k := range c.keys {
			n := at[string(k)]
			mine[i] = replies[n]
			if taken[n] { // values belong to who receives them
				mine[i].value = bytes.Clone(mine[i].value)
			}
			taken[n] = true
		}
		c.reply <- mine
	}
}

func (db *DB) getMany(keys [][]byte) []getReply {
	heads, ids := make([][]byte, len(keys)), make([][]byte, len(keys))
	for i, key := range keys {
		k := split(key)
		heads[i], ids[i] = k.head, k.tailID
	}
	replies := make([]getReply, len(keys))
	err := db.retryRead(db.running, func(ctx context.Context) error {
		clear(replies)
		rows, err := db.pool.Query(ctx, getSQL, heads, ids)
		if err != nil {
			return err
		}
		var i, version int64
		var value []byte
		_, err = pgx.ForEachRow(rows, []any{&i, &value, &version}, func() error {
			replies[i-1] = getReply{value: value, version: version}
			value = nil
			return nil
		})
		return err
	})
	for i := range replies {
		switch {
		case err != nil:
			replies[i] = getReply{err: db.failed("reading", err)}
		case replies[i].version == 0:
			replies[i].err = driver.ErrNotFound
		}
	}
	return replies
}

// Get implements driver.DB.
func (db *DB) Get(ctx context.Context, key []byte) ([]byte, error) {
	r := db.get(ctx, key)
	return r.value, r.err
}

// Scan implements driver.DB.
func (db *DB) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	items, _, err := db.scan(ctx, r)
	return items, err
}

// scan returns the items of a page and their versions.
func (db *DB) scan(ctx context.Context, r driver.Range) (items []driver.Item, versions []int64, err error) {
	err = db.retryRead(ctx, func(ctx context.Context) (err error) {
		items, versions, err = scan(ctx, db.pool, r)
		return err
	})
	if err != nil {
		return nil, nil, db.failed("scanning", err)
	}
	return items, versions, nil
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// scanSQL reads a page; what it leaves out for its size is not read from disk.
const scanSQL = `SELECT head, tail, value, version FROM (
	SELECT *, sum(length(value)) OVER (ORDER BY head %[2]s, tail %[2]s ROWS UNBOUNDED PRECEDING) - length(value) AS before
	FROM (SELECT * FROM moln_kv WHERE %[1]s ORDER BY head %[2]s, tail %[2]s LIMIT $%[3]d) page
) sized WHERE before < $%[4]d ORDER BY head %[2]s, tail %[2]s`

// scan returns the items of a page and their versions.
func scan(ctx context.Context, from querier, r driver.Range) ([]driver.Item, []int64, error) {
	order := "ASC"
	if r.Reverse {
		order = "DESC"
	}
	condition, args := where(driver.KeyRange{Start: r.Start, End: r.End})
	sql := fmt.Sprintf(scanSQL, condition, order, len(args)+1, len(args)+2)
	rows, err := from.Query(ctx, sql, append(args, r.Limit, driver.MaxScanBytes)...)
	if err != nil {
		return nil, nil, err
	}
	var items []driver.Item
	var versions []int64
	var head, tail, value []byte
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&head, &tail, &value, &version}, func() error {
		items = append(items, driver.Item{Key: append(head, tail...), Value: value})
		versions = append(versions, version)
		head, tail, value = nil, nil, nil
		return nil
	})
	return items, versions, err
}

// Snapshot implements driver.DB.
func (db *DB) Snapshot(ctx context.Context) (driver.Snapshot, error) {
	if err := db.use(ctx); err != nil {
		return nil, err
	}
	tx, err := db.snapshots.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, db.failed("beginning a snapshot", err)
	}
	// The first statement decides of which moment it is.
	if _, err := tx.Exec(ctx, `SELECT pg_current_snapshot()`); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return nil, db.failed("beginning a snapshot", err)
	}
	return &snapshot{db: db, tx: tx}, nil
}

// snapshot is a read-only transaction. A connection does one thing at a time.
type snapshot struct {
	db *DB
	mu sync.Mutex
	tx pgx.Tx
}

// Get implements driver.Snapshot.
func (s *snapshot) Get(ctx context.Context, key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := split(key)
	rows, err := s.tx.Query(ctx, `SELECT value FROM moln_kv WHERE head = $1 AND tailid = $2`, k.head, k.tailID)
	if err != nil {
		return nil, s.db.failed("reading a snapshot", err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, s.db.failed("reading a snapshot", err)
	}
	if len(values) == 0 {
		return nil, driver.ErrNotFound
	}
	return values[0], nil
}

// Scan implements driver.Snapshot.
func (s *snapshot) Scan(ctx context.Context, r driver.Range) ([]driver.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, _, err := scan(ctx, s.tx, r)
	if err != nil {
		return nil, s.db.failed("reading a snapshot", err)
	}
	return items, nil
}

// Close implements driver.Snapshot.
func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if err := s.tx.Rollback(ctx); err != nil && err != pgx.ErrTxClosed {
		return s.db.failed("closing a snapshot", err)
	}
	return nil
}
