package kvtest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"moln.dev/moln/engine/kv"
)

// getTx returns a value in a transaction, "-" for no such key.
func getTx(tx *kv.Tx, key string) (string, error) {
	v, err := tx.Get([]byte(key))
	if errors.Is(err, kv.ErrNotFound) {
		return "-", nil
	}
	return string(v), err
}

func testOwnWrites(f *fixture) {
	f.put("a", "1", "b", "2", "c", "3", "d", "4", "e", "5")
	check := func(tx *kv.Tx, r kv.Range, want string) {
		f.Helper()
		items, err := tx.Scan(r)
		f.ok(err)
		if got := show(items); got != want {
			f.Errorf("Scan(%s) in transaction = %s; want %s", showRange(r), got, want)
		}
	}
	f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) error {
		f.ok(tx.Put([]byte("b"), []byte("B")))
		f.ok(tx.Delete([]byte("c")))
		f.ok(tx.Put([]byte("bb"), []byte("new")))
		f.ok(tx.Put([]byte("z"), []byte("end")))
		for key, want := range map[string]string{"a": "1", "b": "B", "c": "-", "bb": "new", "z": "end", "y": "-"} {
			if got, err := getTx(tx, key); err != nil || got != want {
				f.Errorf("Get(%s) = %s, %v; want %s", key, got, err, want)
			}
		}
		check(tx, kv.Range{}, "a=1 b=B bb=new d=4 e=5 z=end ")
		check(tx, kv.Range{Reverse: true}, "z=end e=5 d=4 bb=new b=B a=1 ")
		check(tx, kv.Range{Limit: 3}, "a=1 b=B bb=new ")
		check(tx, kv.Range{Reverse: true, Limit: 2}, "z=end e=5 ")
		check(tx, kv.Range{Start: []byte("bb"), End: []byte("d")}, "bb=new ")
		f.ok(tx.DeleteRange([]byte("b"), []byte("e")))
		check(tx, kv.Range{}, "a=1 e=5 z=end ")
		check(tx, kv.Range{Start: []byte("b"), Limit: 1}, "e=5 ")
		f.ok(tx.Put([]byte("d"), []byte("again")))
		check(tx, kv.Range{}, "a=1 d=again e=5 z=end ")
		if got, _ := getTx(tx, "b"); got != "-" {
			f.Errorf("Get(b) after DeleteRange = %s", got)
		}
		return nil
	}))
	f.wantScan(f.db, kv.Range{}, "a=1 d=again e=5 z=end ")

	// A scan of which the first pages are all deleted goes on.
	f.fill("n", kv.MaxScanItems+10)
	f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) error {
		f.ok(tx.DeleteRange([]byte("n"), fmt.Appendf(nil, "n%06d", kv.MaxScanItems+8)))
		check(tx, kv.Prefix([]byte("n")), fmt.Sprintf("n%06d=x n%06d=x ", kv.MaxScanItems+8, kv.MaxScanItems+9))
		return tx.DeleteRange([]byte("n"), []byte("o"))
	}))
}

func testCounters(f *fixture)       { f.counters(false) }
func testCountersLocked(f *fixture) { f.counters(true) }

// counters has many goroutines count up a few keys.
func (f *fixture) counters(locked bool) {
	const workers, rounds, keys = 16, 25, 3
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				key := []byte(fmt.Sprintf("n%d", (w+i)%keys))
				var locks [][]byte
				if locked {
					locks = append(locks, key)
				}
				err := f.db.Update(f.ctx, func(tx *kv.Tx) error { return addOne(tx, string(key)) }, locks...)
				if err != nil {
					f.Errorf("Update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for i := range keys {
		n, err := strconv.Atoi(get(f.ctx, f.db, fmt.Sprintf("n%d", i)))
		f.ok(err)
		sum += n
	}
	if sum != workers*rounds {
		f.Errorf("counters sum up to %d, want %d", sum, workers*rounds)
	}
}

func addOne(tx *kv.Tx, key string) error {
	v, err := getTx(tx, key)
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(v) // "-" is 0
	return tx.Put([]byte(key), []byte(strconv.Itoa(n+1)))
}

// race runs a and b together, rounds times, each round after prepare, and
// checks each time.
func (f *fixture) race(rounds int, prepare func(), a, b func(tx *kv.Tx) error, check func()) {
	for range rounds {
		prepare()
		var wg sync.WaitGroup
		for _, fn := range []func(*kv.Tx) error{a, b} {
			wg.Go(func() {
				if err := f.db.Update(f.ctx, fn); err != nil {
					f.Errorf("Update: %v", err)
				}
			})
		}
		wg.Wait()
		check()
		if f.Failed() {
			return
		}
	}
}

// testWriteSkew has two transactions that each may give up one of two, as
// long as the other remains.
func testWriteSkew(f *fixture) {
	leave := func(mine, other string) func(tx *kv.Tx) error {
		return func(tx *kv.Tx) error {
			v, err := getTx(tx, other)
			if err != nil || v != "on" {
				return err
			}
			return tx.Put([]byte(mine), []byte("off"))
		}
	}
	f.race(100, func() { f.put("x", "on", "y", "on") }, leave("x", "y"), leave("y", "x"), func() {
		if get(f.ctx, f.db, "x") == "off" && get(f.ctx, f.db, "y") == "off" {
			f.Error("both are off: write skew")
		}
	})
}

// testPhantom has two transactions that each insert unless there is one.
func testPhantom(f *fixture) {
	insert := func(key string) func(tx *kv.Tx) error {
		return func(tx *kv.Tx) error {
			items, err := tx.Scan(kv.Prefix([]byte("p/")))
			if err != nil || len(items) > 0 {
				return err
			}
			return tx.Put([]byte(key), nil)
		}
	}
	clear := func() {
		var b kv.Batch
		b.DeleteRange([]byte("p/"), []byte("p0"))
		f.ok(f.db.Apply(f.ctx, &b))
	}
	f.race(100, clear, insert("p/a"), insert("p/b"), func() {
		items, err := f.db.Scan(f.ctx, kv.Prefix([]byte("p/")))
		f.ok(err)
		if len(items) != 1 {
			f.Errorf("%d inserted, want 1: phantom", len(items))
		}
	})
}

// testAbsentKeys is write skew on keys that do not exist.
func testAbsentKeys(f *fixture) {
	claim := func(mine, other string) func(tx *kv.Tx) error {
		return func(tx *kv.Tx) error {
			v, err := getTx(tx, other)
			if err != nil || v != "-" {
				return err
			}
			return tx.Put([]byte(mine), nil)
		}
	}
	clear := func() {
		f.ok(f.db.Delete(f.ctx, []byte("x")))
		f.ok(f.db.Delete(f.ctx, []byte("y")))
	}
	f.race(100, clear, claim("x", "y"), claim("y", "x"), func() {
		if get(f.ctx, f.db, "x") == "" && get(f.ctx, f.db, "y") == "" {
			f.Error("both claimed: write skew on absent keys")
		}
	})
}

// testDeleteRangeConflicts has a counter that is reset by a blind range
// delete: no increment may bring back what was deleted.
func testDeleteRangeConflicts(f *fixture) {
	for range 50 {
		f.put("r/n", "1000")
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.db.Update(f.ctx, func(tx *kv.Tx) error { return addOne(tx, "r/n") }); err != nil {
				f.Errorf("Update: %v", err)
			}
		})
		wg.Go(func() {
			var b kv.Batch
			b.DeleteRange([]byte("r/"), []byte("r0"))
			if err := f.db.Apply(f.ctx, &b); err != nil {
				f.Errorf("Apply: %v", err)
			}
		})
		wg.Wait()
		if got := get(f.ctx, f.db, "r/n"); got != "-" && got != "1" {
			f.Fatalf("r/n = %s after a delete and an increment", got)
		}
	}
}

// testErrorStands checks that an error of fn is only returned if what it saw
// was of one moment: x and y are always written together.
func testErrorStands(f *fixture) {
	f.put("x", "0", "y", "0")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 150 {
			var b kv.Batch
			b.Put([]byte("x"), []byte(strconv.Itoa(i)))
			b.Put([]byte("y"), []byte(strconv.Itoa(i)))
			if err := f.db.Apply(f.ctx, &b); err != nil {
				f.Errorf("Apply: %v", err)
			}
		}
	})
	torn := errors.New("torn")
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := f.db.Update(f.ctx, func(tx *kv.Tx) error {
					x, err := getTx(tx, "x")
					if err != nil {
						return err
					}
					y, err := getTx(tx, "y")
					if err != nil {
						return err
					}
					if x != y {
						return torn
					}
					return nil
				})
				if errors.Is(err, torn) {
					f.Error("a transaction returned an error because of a state that never was")
					return
				}
			}
		})
	}
	wg.Wait()
}

// testInterference has someone else write, in the middle of the first attempt
// of a transaction, what it has read: there must be a second one, and that
// sees the write.
func testInterference(f *fixture) {
	reads := map[string]func(tx *kv.Tx) (string, error){
		"get":        func(tx *kv.Tx) (string, error) { return getTx(tx, "i/b") },
		"get absent": func(tx *kv.Tx) (string, error) { return getTx(tx, "i/bb") },
		"scan":       func(tx *kv.Tx) (string, error) { return scanTx(tx, kv.Prefix([]byte("i/b"))) },
		"scan part": func(tx *kv.Tx) (string, error) {
			return scanTx(tx, kv.Range{Start: []byte("i/b"), End: []byte("i0"), Limit: 2})
		},
		"scan back": func(tx *kv.Tx) (string, error) {
			return scanTx(tx, kv.Range{Start: []byte("i/"), End: []byte("i/c"), Reverse: true, Limit: 2})
		},
		"scan absent": func(tx *kv.Tx) (string, error) { return scanTx(tx, kv.Prefix([]byte("i/bb"))) },
	}
	writes := map[string]func(b *kv.Batch){
		"put":          func(b *kv.Batch) { b.Put([]byte("i/b"), []byte("new")) },
		"insert":       func(b *kv.Batch) { b.Put([]byte("i/bb"), []byte("new")) },
		"delete":       func(b *kv.Batch) { b.Delete([]byte("i/b")) },
		"delete range": func(b *kv.Batch) { b.DeleteRange([]byte("i/a"), []byte("i/d")) },
		"elsewhere":    func(b *kv.Batch) { b.Put([]byte("j"), []byte("new")) },
	}
	for readName, read := range reads {
		for writeName, write := range writes {
			var reset kv.Batch
			reset.DeleteRange([]byte("i/"), []byte("k"))
			for _, k := range []string{"i/a", "i/b", "i/c"} {
				reset.Put([]byte(k), []byte("old"))
			}
			f.ok(f.db.Apply(f.ctx, &reset))
			attempts, saw := 0, ""
			f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) (err error) {
				attempts++
				if saw, err = read(tx); err != nil {
					return err
				}
				if attempts == 1 {
					var b kv.Batch
					write(&b)
					f.ok(f.db.Apply(f.ctx, &b))
				}
				return tx.Put([]byte("result"), []byte(saw))
			}))
			now := ""
			f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) (err error) { now, err = read(tx); return err }))
			if saw != now {
				f.Errorf("%s, %s: committed after %d attempts on %q, but it was %q", readName, writeName, attempts, saw, now)
			}
			f.want("result", saw)
		}
	}
}

func scanTx(tx *kv.Tx, r kv.Range) (string, error) {
	items, err := tx.Scan(r)
	return show(items), err
}
