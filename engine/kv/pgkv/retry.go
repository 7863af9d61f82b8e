package pgkv

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"moln.dev/moln/engine/kv/driver"
)

const (
	// commitPatience is how long a commit is tried while the server cannot be
	// reached; a failover takes less.
	commitPatience = 30 * time.Second
	readPatience   = 15 * time.Second
	closePatience  = 5 * time.Second

	retryFirst = 5 * time.Millisecond
	retryMost  = 500 * time.Millisecond
)

// retryRead does a read until it succeeds or trying again is of no use.
func (db *DB) retryRead(ctx context.Context, read func(ctx context.Context) error) error {
	return db.retry(ctx, readPatience, read)
}

func (db *DB) retry(ctx context.Context, patience time.Duration, do func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(db.running, cancel)()
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := do(limited)
		if err == nil || !temporary(err) {
			return err
		}
		t := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-t.C:
			continue
		case <-limited.Done():
			t.Stop()
		}
		if db.running.Err() != nil {
			return driver.ErrClosed
		}
		return cmp.Or(ctx.Err(), err)
	}
}

// temporary reports whether the same may succeed a little later: the server
// was not reached, is going down or coming up, or chose a victim.
func temporary(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return true // of the connection
	}
	switch pg.Code {
	case "40001", "40P01", // serialization failure, deadlock
		"57P01", "57P02", "57P03", // shutting down, crashed, starting
		"53300", // too many connections
		"25006": // read only: a standby that is to take over
		return true
	}
	return strings.HasPrefix(pg.Code, "08")
}

// hasCode reports whether err is the server's error of that code.
func hasCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}
