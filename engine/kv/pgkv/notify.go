package pgkv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/engine/kv/driver"
)

const (
	// publishEvery is for how long keys are collected before other nodes are
	// told. NOTIFY makes commits wait for each other, so it is kept out of
	// them, and rare.
	publishEvery = 10 * time.Millisecond
	// A message has room for 8,000 bytes. It names keys by their beginnings.
	publishKeys     = 100
	publishKeyBytes = 32
	everything      = "*"

	listenAgain = time.Second
)

// news is what other nodes are to be told: which keys were written.
type news struct {
	node   string // this node's name, in its own messages
	listen sync.Once

	mu   sync.Mutex
	keys map[string]struct{} // as in the message; nil when all are meant
	any  chan struct{}       // has room for one
}

func (n *news) init() {
	n.node = rand.Text()
	n.keys = make(map[string]struct{})
	n.any = make(chan struct{}, 1)
}

// add collects what b writes.
func (n *news) add(b *driver.Batch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range b.Points {
		if n.keys == nil {
			break
		}
		n.keys[keyName(w.Key)] = struct{}{}
		if len(n.keys) > publishKeys {
			n.keys = nil
		}
	}
	if len(b.Ranges) > 0 {
		n.keys = nil
	}
	select {
	case n.any <- struct{}{}:
	default:
	}
}

// keyName is the beginning of a key; "+" says that there is more.
func keyName(key []byte) string {
	if len(key) > publishKeyBytes {
		return hex.EncodeToString(key[:publishKeyBytes]) + "+"
	}
	return hex.EncodeToString(key)
}

// take returns the message about what was collected.
func (n *news) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := make([]string, 0, len(n.keys)+1)
	names = append(names, n.node)
	if n.keys == nil {
		names = append(names, everything)
	}
	for k := range n.keys {
		names = append(names, k)
	}
	n.keys = make(map[string]struct{})
	return strings.Join(names, " ")
}

func (db *DB) channel() string { return fmt.Sprintf("moln_kv_%d", uint32(db.class)) }

// publishLoop tells other nodes what was written.
func (db *DB) publishLoop() {
	for {
		select {
		case <-db.news.any:
		case <-db.running.Done():
			return
		}
		t := time.NewTimer(publishEvery)
		select {
		case <-t.C:
		case <-db.running.Done(): // tell what there is, then end
			t.Stop()
		}
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		// Watches are hints: what is not told is found by looking.
		_, _ = db.pool.Exec(ctx, `SELECT pg_notify($1, $2)`, db.channel(), db.news.take())
		cancel()
	}
}

// listenLoop wakes watches when other nodes write. It begins with the first
// watch.
func (db *DB) listenLoop() {
	for db.running.Err() == nil {
		_ = db.listen() // it ended because the connection did
		db.watches.WakeAll()
		t := time.NewTimer(listenAgain)
		select {
		case <-t.C:
		case <-db.running.Done():
			t.Stop()
		}
	}
}

func (db *DB) listen() error {
	conn, err := db.snapshots.Acquire(db.running)
	if err != nil {
		return err
	}
	// The connection listens from now on: it is not one of the pool any more.
	own := conn.Hijack()
	defer own.Close(context.WithoutCancel(db.running))
	if _, err := own.Exec(db.running, "LISTEN "+db.channel()); err != nil {
		return err
	}
	db.watches.WakeAll() // for what came before
	for {
		n, err := own.WaitForNotification(db.running)
		if err != nil {
			return err
		}
		db.heard(n.Payload)
	}
}

// heard wakes the watches that a message concerns.
func (db *DB) heard(message string) {
	node, names, _ := strings.Cut(message, " ")
	if node == db.news.node {
		return
	}
	for name := range strings.FieldsSeq(names) {
		if name == everything {
			db.watches.WakeAll()
			return
		}
		beginning, cut := strings.CutSuffix(name, "+")
		if key, err := hex.DecodeString(beginning); err == nil {
			db.watches.WakeKey(key, cut)
		}
	}
}
