// Package pgkv is the kv driver for several processes at once: a table in
// PostgreSQL, 14 or later.
//
// What waits at the same moment travels together: reads in one statement, and
// commits in one transaction of one statement, while the next ones collect.
// Every commit holds, until it is done, an advisory lock on the lane of each
// key that it writes, alone, or has read, with others that have (a key's lane
// is a hash of it); in there it is validated against the versions it has read.
// Commits that read or delete ranges hold a lock that excludes all others. So
// commits that could conflict happen one after the other, on whatever node,
// and a transaction costs two round trips.
//
// A commit whose connection breaks is sent again under the same number, which
// it writes to a table with a unique index together with its outcome: however
// often it arrives, it happens once. What cannot be found out within
// commitPatience fails, and may have happened.
//
// Durability is the server's: Open refuses one with synchronous_commit=off or
// fsync=off. Acknowledged writes survive a failover only if the standby was
// synchronous.
package pgkv

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/internal/serial"
)

const (
	// lanes is part of the contract between nodes: all must use the same.
	lanes = 4

	readers      = 4 // statements of coalesced reads at a time
	maxConns     = 24
	maxSnapshots = 8 // each holds a connection

	schemaVersion = 1
)

// DB implements driver.DB.
type DB struct {
	pool      *pgxpool.Pool
	snapshots *pgxpool.Pool
	// class is the first number of all advisory locks: the table's oid.
	class int32

	gets    chan *getCall
	commits commitQueue
	watches serial.Watches
	news    news

	closed  atomic.Bool
	running context.Context // ends with Close
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// Open connects to the server and makes its tables in the schema that dsn's
// search_path begins with, if there are none.
func Open(ctx context.Context, dsn string) (driver.DB, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("pgkv: %w", err)
	}
	// One plan suits all: every access goes through the primary key.
	for _, off := range []string{"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
		cfg.ConnConfig.RuntimeParams[off] = "off"
	}
	cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	cfg.MaxConns = max(cfg.MaxConns, maxConns)
	snapCfg := cfg.Copy()
	snapCfg.MaxConns = maxSnapshots
	snapCfg.MinConns = 0

	db := &DB{gets: make(chan *getCall)}
	db.commits.changed.L = &db.commits.mu
	if db.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("pgkv: %w", err)
	}
	if db.snapshots, err = pgxpool.NewWithConfig(ctx, snapCfg); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("pgkv: %w", err)
	}
	if err := db.prepare(ctx); err != nil {
		db.pool.Close()
		db.snapshots.Close()
		return nil, err
	}
	db.start()
	return db, nil
}

const createTables = `
CREATE TABLE IF NOT EXISTS moln_kv_meta (version int NOT NULL);
INSERT INTO moln_kv_meta SELECT 1 WHERE NOT EXISTS (SELECT FROM moln_kv_meta);
CREATE TABLE IF NOT EXISTS moln_kv (
	head bytea NOT NULL, tailid bytea NOT NULL, tail bytea NOT NULL,
	value bytea NOT NULL, version bigint NOT NULL, PRIMARY KEY (head, tailid));
CREATE TABLE IF NOT EXISTS moln_kv_commits (
	id uuid PRIMARY KEY, refused int[] NOT NULL, at timestamptz NOT NULL DEFAULT now());
`

// prepare checks the server and its schema, and makes the tables.
func (db *DB) prepare(ctx context.Context) error {
	var fsync, sync string
	err := db.pool.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('synchronous_commit')`).Scan(&fsync, &sync)
	if err != nil {
		return fmt.Errorf("pgkv: connecting: %w", err)
	}
	if fsync == "off" || sync == "off" {
		return fmt.Errorf("pgkv: the server would lose acknowledged writes (fsync=%s, synchronous_commit=%s); turn both on", fsync, sync)
	}
	var version int
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		// Nodes that start together take turns.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('moln_kv'), 0)`); err != nil {
			return err
		}
		exists := false
		if err := tx.QueryRow(ctx, `SELECT to_regclass('moln_kv_meta') IS NOT NULL`).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := tx.Exec(ctx, createTables); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `SELECT (SELECT version FROM moln_kv_meta), 'moln_kv'::regclass::oid::int8::bit(32)::int4`).Scan(&version, &db.class)
	})
	if err != nil {
		return fmt.Errorf("pgkv: preparing tables: %w", err)
	}
	if version > schemaVersion {
		return fmt.Errorf("%w: the tables have version %d, this program knows up to %d; use the version that wrote them, or a newer one",
			driver.ErrNewerFormat, version, schemaVersion)
	}
	return nil
}

func (db *DB) start() {
	db.running, db.stop = context.WithCancel(context.Background())
	db.news.init()
	for range readers {
		db.workers.Go(db.readLoop)
	}
	for worker := range maxGroups {
		db.workers.Go(func() { db.commitLoop(worker) })
	}
	db.workers.Go(db.publishLoop)
	db.workers.Go(db.cleanLoop)
}

// Close implements driver.DB.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	db.stop()
	db.commits.close()
	db.workers.Wait()
	db.snapshots.Close()
	db.pool.Close()
	return nil
}

// use fails if the store is closed or ctx done.
func (db *DB) use(ctx context.Context) error {
	if db.closed.Load() {
		return driver.ErrClosed
	}
	return ctx.Err()
}

// Watch implements driver.DB.
func (db *DB) Watch(prefix []byte) (<-chan struct{}, func()) {
	db.news.listen.Do(func() {
		if !db.closed.Load() {
			go db.listenLoop()
		}
	})
	return db.watches.Add(prefix)
}

// laneOf returns the number of the lock for key.
func laneOf(key []byte) int {
	h := fnv.New32a()
	h.Write(key)
	return int(h.Sum32()%lanes) + 1
}

const (
	// commitsKept is how long outcomes of commits are kept; far longer than
	// a commit is tried.
	commitsKept = time.Hour
	cleanEvery  = 10 * time.Minute
)

// cleanLoop removes old outcomes.
func (db *DB) cleanLoop() {
	t := time.NewTicker(cleanEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			// What fails is tried again the next time.
			_, _ = db.pool.Exec(db.running, `DELETE FROM moln_kv_commits WHERE at < now() - $1::interval`, commitsKept)
		case <-db.running.Done():
			return
		}
	}
}

// failed makes an error of the server the store's.
func (db *DB) failed(doing string, err error) error {
	if db.closed.Load() && !errors.Is(err, driver.ErrClosed) {
		return driver.ErrClosed
	}
	return fmt.Errorf("pgkv: %s: %w", doing, err)
}
