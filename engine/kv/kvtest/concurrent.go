package kvtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"moln.dev/moln/engine/kv"
)

func testSnapshot(f *fixture) {
	f.put("a", "1", "b", "2")
	s, err := f.db.Snapshot(f.ctx)
	f.ok(err)
	defer s.Close()
	f.put("a", "changed", "c", "3")
	f.ok(f.db.Delete(f.ctx, []byte("b")))
	for key, want := range map[string]string{"a": "1", "b": "2", "c": "-"} {
		if got := get(f.ctx, s, key); got != want {
			f.Errorf("snapshot: Get(%s) = %s, want %s", key, got, want)
		}
	}
	items, err := s.Scan(f.ctx, kv.Range{Reverse: true})
	f.ok(err)
	if got := show(items); got != "b=2 a=1 " {
		f.Errorf("snapshot: Scan = %s", got)
	}
	f.want("a", "changed")

	// Several at a time, in scopes.
	second, err := f.db.Scope([]byte("c")).Snapshot(f.ctx)
	f.ok(err)
	defer second.Close()
	if got := get(f.ctx, second, ""); got != "3" {
		f.Errorf("second snapshot: %s", got)
	}
}

// testScanWhileWriting moves a sum between keys while it is added up by
// scans, snapshots, Each and transactions: no one may see a part of a move.
func testScanWhileWriting(f *fixture) {
	const keys, start = kv.MaxScanItems + 500, 1
	key := func(i int) []byte { return fmt.Appendf(nil, "s%06d", i) }
	var b kv.Batch
	for i := range keys {
		b.Put(key(i), []byte(strconv.Itoa(start)))
	}
	f.ok(f.db.Apply(f.ctx, &b))

	ctx, cancel := context.WithCancel(f.ctx)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := move(ctx, f.db, key(rand.IntN(keys)), key(rand.IntN(keys))); err != nil && ctx.Err() == nil {
					f.Errorf("move: %v", err)
					return
				}
			}
		})
	}
	for range 5 {
		sum := 0
		f.ok(f.db.Each(f.ctx, kv.Range{}, func(it kv.Item) (bool, error) {
			n, err := strconv.Atoi(string(it.Value))
			sum += n
			return true, err
		}))
		if sum != keys*start {
			f.Errorf("Each saw a sum of %d, want %d", sum, keys*start)
		}
	}
	cancel()
	wg.Wait()
}

func move(ctx context.Context, db *kv.DB, from, to []byte) error {
	if bytes.Equal(from, to) {
		return nil
	}
	return db.Update(ctx, func(tx *kv.Tx) error {
		for k, by := range map[string]int{string(from): -1, string(to): 1} {
			v, err := tx.Get([]byte(k))
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(v))
			if err != nil {
				return err
			}
			if err := tx.Put([]byte(k), []byte(strconv.Itoa(n+by))); err != nil {
				return err
			}
		}
		return nil
	})
}

// call is an operation on one key of the history that porcupine checks.
type call struct {
	kind       byte // get, put, add (read and append), delete
	key, value string
}

// register is a key as a state machine: its state is the value, "-" for none.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[string][]porcupine.Operation)
		for _, o := range history {
			k := o.Input.(call).key
			byKey[k] = append(byKey[k], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range byKey {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return "-" },
	Step: func(state, input, output any) (bool, any) {
		switch c := input.(call); c.kind {
		case 'g':
			return output == state, state
		case 'p':
			return true, c.value
		case 'd':
			return true, "-"
		default: // the output is the value read before
			return output == state, c.value
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v -> %v", input, output) },
}

func testLinearizable(f *fixture) {
	const workers, rounds, keys = 8, 40, 3
	var mu sync.Mutex
	var history []porcupine.Operation
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				c := call{kind: "gpdu"[rand.IntN(4)], key: fmt.Sprintf("l%d", rand.IntN(keys)), value: fmt.Sprintf("%d.%d", w, i)}
				called := time.Since(begin)
				out, err := c.do(f.ctx, f.db)
				if err != nil {
					f.Errorf("%v: %v", c, err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{
					ClientId: w, Input: c, Output: out, Call: int64(called), Return: int64(time.Since(begin)),
				})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if r := porcupine.CheckOperationsTimeout(register, history, 20*time.Second); r == porcupine.Illegal {
		f.Errorf("history of %d operations is not linearizable", len(history))
	} else if r == porcupine.Unknown {
		f.Log("porcupine came to no result in time")
	}
}

func (c call) do(ctx context.Context, db *kv.DB) (out string, err error) {
	switch c.kind {
	case 'g':
		return get(ctx, db, c.key), nil
	case 'p':
		return "", db.Put(ctx, []byte(c.key), []byte(c.value))
	case 'd':
		return "", db.Delete(ctx, []byte(c.key))
	}
	err = db.Update(ctx, func(tx *kv.Tx) error {
		if out, err = getTx(tx, c.key); err != nil {
			return err
		}
		return tx.Put([]byte(c.key), []byte(c.value))
	})
	return out, err
}
