package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/engine/kv"
)

func testPutGetDelete(f *fixture) {
	f.want("a", "-")
	f.put("a", "1", "b", "2", "a", "3", "empty", "", "\x00\xff", "binary\x00")
	f.want("a", "3")
	f.want("b", "2")
	f.want("empty", "")
	f.want("\x00\xff", "binary\x00")
	f.ok(f.db.Delete(f.ctx, []byte("a")))
	f.ok(f.db.Delete(f.ctx, []byte("never was")))
	f.want("a", "-")
	if err := f.db.Put(f.ctx, nil, []byte("no key")); err == nil {
		f.Error("Put of an empty key succeeded")
	}
	scoped := f.db.Scope([]byte("scope"))
	f.ok(scoped.Put(f.ctx, nil, []byte("the scope itself")))
	f.want("scope", "the scope itself")

	// Slices given may be reused, slices returned are the caller's.
	key, value := []byte("k"), []byte("v")
	f.ok(f.db.Put(f.ctx, key, value))
	key[0], value[0] = 'x', 'x'
	got, err := f.db.Get(f.ctx, []byte("k"))
	f.ok(err)
	got[0] = 'y'
	f.want("k", "v")
}

func testScan(f *fixture) {
	f.put("b", "2", "a", "1", "d", "4", "c", "3", "a\x00", "1z", "\xff", "last", "\xff\xff", "more")
	for _, c := range []struct {
		r    kv.Range
		want string
	}{
		{kv.Range{}, "a=1 a\x00=1z b=2 c=3 d=4 \xff=last \xff\xff=more "},
		{kv.Range{Reverse: true}, "\xff\xff=more \xff=last d=4 c=3 b=2 a\x00=1z a=1 "},
		{kv.Range{Start: []byte("b"), End: []byte("d")}, "b=2 c=3 "},
		{kv.Range{Start: []byte("b"), End: []byte("d"), Reverse: true}, "c=3 b=2 "},
		{kv.Range{Start: []byte("aa"), Limit: 2}, "b=2 c=3 "},
		{kv.Range{End: []byte("d"), Reverse: true, Limit: 1}, "c=3 "},
		{kv.Range{Start: []byte("d"), End: []byte("b")}, ""},
		{kv.Range{Start: []byte("b"), End: []byte("b")}, ""},
		{kv.Range{End: []byte{}}, ""},
		{kv.Range{End: []byte{}, Reverse: true}, ""},
		{kv.Prefix([]byte("a")), "a=1 a\x00=1z "},
		{kv.Prefix([]byte("\xff")), "\xff=last \xff\xff=more "},
		{kv.Range{}.After([]byte("a")), "a\x00=1z b=2 c=3 d=4 \xff=last \xff\xff=more "},
		{kv.Range{Reverse: true}.After([]byte("b")), "a\x00=1z a=1 "},
		{kv.Range{Reverse: true}.After([]byte("")), ""},
	} {
		f.wantScan(f.db, c.r, c.want)
	}
}

func testScanLimits(f *fixture) {
	// Values that reach MaxScanBytes stop a scan.
	big := make([]byte, kv.MaxScanBytes/4)
	for i := range 10 {
		f.ok(f.db.Put(f.ctx, fmt.Appendf(nil, "big%d", i), big))
	}
	for _, reverse := range []bool{false, true} {
		r := kv.Prefix([]byte("big"))
		r.Reverse = reverse
		items, err := f.db.Scan(f.ctx, r)
		f.ok(err)
		if len(items) != 4 || !r.More(items) {
			f.Fatalf("reverse=%v: first page has %d items, More = %v; want 4, true", reverse, len(items), r.More(items))
		}
		r = r.After(items[3].Key)
		items, err = f.db.Scan(f.ctx, r)
		f.ok(err)
		if want := map[bool]string{false: "big4", true: "big5"}[reverse]; string(items[0].Key) != want {
			f.Errorf("reverse=%v: second page begins with %s, want %s", reverse, items[0].Key, want)
		}
	}
	// Without a limit there are MaxScanItems.
	f.fill("many", kv.MaxScanItems+5)
	r := kv.Prefix([]byte("many"))
	items, err := f.db.Scan(f.ctx, r)
	f.ok(err)
	if len(items) != kv.MaxScanItems || !r.More(items) {
		f.Errorf("Scan without limit: %d items, More = %v", len(items), r.More(items))
	}
	items, err = f.db.Scan(f.ctx, r.After(items[len(items)-1].Key))
	f.ok(err)
	if len(items) != 5 || r.More(items) {
		f.Errorf("rest: %d items, More = %v; want 5, false", len(items), r.More(items))
	}
}

// fill puts n keys prefix000000...
func (f *fixture) fill(prefix string, n int) {
	f.Helper()
	var b kv.Batch
	for i := range n {
		b.Put(fmt.Appendf(nil, "%s%06d", prefix, i), []byte("x"))
	}
	f.ok(f.db.Apply(f.ctx, &b))
}

func testEach(f *fixture) {
	const n = kv.MaxScanItems*2 + 100
	f.fill("k", n)
	count := func(r kv.Range, stop int) int {
		seen := 0
		last := ""
		f.ok(f.db.Each(f.ctx, r, func(it kv.Item) (bool, error) {
			if k := string(it.Key); seen > 0 && (k > last) == r.Reverse {
				f.Fatalf("%s after %s, reverse=%v", k, last, r.Reverse)
			}
			last = string(it.Key)
			seen++
			return seen != stop, nil
		}))
		return seen
	}
	for _, c := range []struct {
		r          kv.Range
		stop, want int
	}{
		{kv.Range{}, 0, n},
		{kv.Range{Reverse: true}, 0, n},
		{kv.Range{Limit: 10}, 0, 10},
		{kv.Range{Limit: kv.MaxScanItems + 10}, 0, kv.MaxScanItems + 10},
		{kv.Range{Limit: kv.MaxScanItems}, 0, kv.MaxScanItems},
		{kv.Range{}, 7, 7},
		{kv.Range{}, kv.MaxScanItems + 7, kv.MaxScanItems + 7},
	} {
		if got := count(c.r, c.stop); got != c.want {
			f.Errorf("Each(%s) stopped after %d called fn %d times, want %d", showRange(c.r), c.stop, got, c.want)
		}
	}
	mine := errors.New("mine")
	err := f.db.Each(f.ctx, kv.Range{}, func(kv.Item) (bool, error) { return true, mine })
	if err != mine {
		f.Errorf("Each = %v, want fn's error", err)
	}
}

func testScope(f *fixture) {
	a, b := f.db.Scope([]byte("a/")), f.db.Scope([]byte("a")).Scope([]byte("0"))
	top := f.db.Scope([]byte("\xff"))
	f.put("a", "outside", "a.", "outside", "\xff\xff", "top")
	for _, db := range []*kv.DB{a, b} {
		f.ok(db.Put(f.ctx, []byte("x"), []byte("1")))
		f.ok(db.Put(f.ctx, []byte("y"), []byte("2")))
	}
	f.wantScan(a, kv.Range{}, "x=1 y=2 ")
	f.wantScan(a, kv.Range{Reverse: true}, "y=2 x=1 ")
	f.wantScan(a, kv.Range{Reverse: true}.After([]byte("x")), "")
	f.wantScan(a, kv.Range{Start: []byte("y")}, "y=2 ")
	f.wantScan(a, kv.Prefix(nil), "x=1 y=2 ")
	f.wantScan(top, kv.Range{}, "\xff=top ")
	f.want("a/x", "1")
	f.want("a0y", "2")
	f.ok(a.Update(f.ctx, func(tx *kv.Tx) error {
		if v, err := tx.Get([]byte("x")); err != nil || string(v) != "1" {
			f.Errorf("Get in scope: %s, %v", v, err)
		}
		return tx.DeleteRange(nil, nil)
	}))
	f.wantScan(f.db, kv.Range{}, "a=outside a.=outside a0x=1 a0y=2 \xff\xff=top ")
	var batch kv.Batch
	batch.DeleteRange(nil, nil)
	batch.Put([]byte("z"), []byte("3"))
	f.ok(b.Apply(f.ctx, &batch))
	f.wantScan(f.db, kv.Range{}, "a=outside a.=outside a0z=3 \xff\xff=top ")
	var all kv.Batch
	all.DeleteRange(nil, nil)
	f.ok(top.Apply(f.ctx, &all))
	f.wantScan(f.db, kv.Range{}, "a=outside a.=outside a0z=3 ")
	f.ok(f.db.Apply(f.ctx, &all))
	f.wantScan(f.db, kv.Range{}, "")
}

func testBatch(f *fixture) {
	f.put("a", "1", "b", "2", "c", "3", "d", "4", "e", "5")
	var b kv.Batch
	f.ok(f.db.Apply(f.ctx, &b)) // nothing
	b.Put([]byte("b"), []byte("gone"))
	b.Put([]byte("z"), []byte("first"))
	b.DeleteRange([]byte("b"), []byte("d"))
	b.Put([]byte("c"), []byte("after"))
	b.Put([]byte("z"), []byte("last"))
	b.Delete([]byte("e"))
	b.Put([]byte("y"), []byte("x"))
	b.Delete([]byte("y"))
	b.DeleteRange([]byte("x"), []byte("a"))
	f.ok(f.db.Apply(f.ctx, &b))
	f.wantScan(f.db, kv.Range{}, "a=1 c=after d=4 z=last ")

	// All or nothing: one bad operation, and none is done.
	var bad kv.Batch
	bad.Put([]byte("a"), []byte("changed"))
	bad.Put(bytes.Repeat([]byte("k"), kv.MaxKey+1), nil)
	if err := f.db.Apply(f.ctx, &bad); !errors.Is(err, kv.ErrTooLarge) {
		f.Errorf("batch with a long key: %v", err)
	}
	f.want("a", "1")
}

func testLimits(f *fixture) {
	long := strings.Repeat("k", kv.MaxKey)
	value := make([]byte, kv.MaxValue)
	for i := range value {
		value[i] = byte(i * i >> 7)
	}
	f.ok(f.db.Put(f.ctx, []byte(long), value))
	if got := get(f.ctx, f.db, long); got != string(value) {
		f.Errorf("a value of %d bytes came back as %d bytes", len(value), len(got))
	}
	items, err := f.db.Scan(f.ctx, kv.Range{})
	f.ok(err)
	if len(items) != 1 || string(items[0].Key) != long || !bytes.Equal(items[0].Value, value) {
		f.Errorf("scan of the largest item: %d items", len(items))
	}
	f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) error { return tx.Put([]byte("t"), value) }))
	f.ok(f.db.Delete(f.ctx, []byte(long)))

	tooLong, tooLarge := []byte(long+"k"), make([]byte, kv.MaxValue+1)
	var many kv.Batch
	for i := range kv.MaxBatchItems + 1 {
		many.Put(fmt.Appendf(nil, "%d", i), nil)
	}
	var heavy kv.Batch
	for i := range kv.MaxBatchBytes/kv.MaxValue + 1 {
		heavy.Put(fmt.Appendf(nil, "%d", i), value)
	}
	_, getErr := f.db.Get(f.ctx, tooLong)
	for name, err := range map[string]error{
		"Get of a long key":    getErr,
		"Put of a long key":    f.db.Put(f.ctx, tooLong, nil),
		"Put of a large value": f.db.Put(f.ctx, []byte("t"), tooLarge),
		"Delete of a long key": f.db.Delete(f.ctx, tooLong),
		"key long by scope":    f.db.Scope([]byte("s")).Put(f.ctx, []byte(long), nil),
		"batch of many items":  f.db.Apply(f.ctx, &many),
		"batch of many bytes":  f.db.Apply(f.ctx, &heavy),
		"Put in a transaction": f.db.Update(f.ctx, func(tx *kv.Tx) error { return tx.Put([]byte("t"), tooLarge) }),
		"long lock":            f.db.Update(f.ctx, func(*kv.Tx) error { return nil }, tooLong),
	} {
		if !errors.Is(err, kv.ErrTooLarge) {
			f.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	// Bounds of ranges may be longer than keys.
	f.put("kk", "v")
	f.wantScan(f.db, kv.Range{Start: []byte("kk"), End: tooLong}, "kk=v ")
	f.wantScan(f.db, kv.Range{Start: tooLong, End: []byte("l")}, "")
}

// testLongKeys has keys that differ only far behind.
func testLongKeys(f *fixture) {
	base := strings.Repeat("\xab\x00", 1000)
	var want []string
	for _, n := range []int{0, 1, 500, 900, 1500, 2000, kv.MaxKey - len(base) - 1} {
		for _, end := range []string{"a", "b"} {
			k := base + strings.Repeat("m", n) + end
			want = append(want, k)
			f.put(k, end)
		}
	}
	for _, k := range want {
		f.want(k, k[len(k)-1:])
	}
	var got []kv.Item
	f.ok(f.db.Each(f.ctx, kv.Range{}, func(it kv.Item) (bool, error) { got = append(got, it); return true, nil }))
	if len(got) != len(want) {
		f.Fatalf("%d long keys, want %d", len(got), len(want))
	}
	for i := range got[1:] {
		a, b := got[i].Key, got[i+1].Key
		if bytes.Compare(a, b) >= 0 {
			f.Fatalf("long keys out of order: %d bytes before %d bytes", len(a), len(b))
		}
		items, err := f.db.Scan(f.ctx, kv.Range{Start: a, End: b})
		f.ok(err)
		if len(items) != 1 || !bytes.Equal(items[0].Key, a) {
			f.Errorf("scan from one long key to the next: %d items", len(items))
		}
		items, err = f.db.Scan(f.ctx, kv.Range{End: b, Reverse: true, Limit: 1})
		f.ok(err)
		if len(items) != 1 || !bytes.Equal(items[0].Key, a) {
			f.Errorf("scan back from a long key: %d items", len(items))
		}
	}
	last := got[len(got)-1].Key
	f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) error {
		v, err := tx.Get(last)
		if err != nil {
			return err
		}
		if err := tx.DeleteRange(got[0].Key, last); err != nil {
			return err
		}
		return tx.Put(last, append(v, '!'))
	}))
	f.wantScan(f.db, kv.Range{}, string(last)+"="+string(last[len(last)-1:])+"! ")
}

func testWatch(f *fixture) {
	wake, stop := f.db.Scope([]byte("w/")).Watch([]byte("a"))
	defer stop()
	other, stopOther := f.db.Watch([]byte("other"))
	defer stopOther()
	expect := func(what string) {
		f.Helper()
		select {
		case <-wake:
		case <-time.After(10 * time.Second):
			f.Fatalf("not woken by %s", what)
		}
	}
	f.put("w/a1", "x")
	expect("Put")
	f.ok(f.db.Delete(f.ctx, []byte("w/a1")))
	expect("Delete")
	f.ok(f.db.Update(f.ctx, func(tx *kv.Tx) error { return tx.Put([]byte("w/a"), nil) }))
	expect("Update")
	var b kv.Batch
	b.DeleteRange([]byte("w"), []byte("x"))
	f.ok(f.db.Apply(f.ctx, &b))
	expect("DeleteRange")
	spurious := drained(other)
	f.put("w/b", "x")
	f.put("w/a2", "1", "w/a3", "2") // may share a value
	expect("two Puts")
	// A driver may wake everybody once, when it begins to listen.
	if spurious += drained(other); spurious > 1 {
		f.Error("woken by commits elsewhere")
	}
	stop()
	stop()
}

// drained returns how many values were in c.
func drained(c <-chan struct{}) int {
	select {
	case <-c:
		return 1
	default:
		return 0
	}
}

func testCancel(f *fixture) {
	f.put("k", "v")
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, getErr := f.db.Get(ctx, []byte("k"))
	_, scanErr := f.db.Scan(ctx, kv.Range{})
	for name, err := range map[string]error{
		"Get":    getErr,
		"Scan":   scanErr,
		"Put":    f.db.Put(ctx, []byte("k"), []byte("w")),
		"Update": f.db.Update(ctx, func(tx *kv.Tx) error { return tx.Put([]byte("k"), []byte("w")) }),
	} {
		if !errors.Is(err, context.Canceled) {
			f.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	f.want("k", "v")

	// Waiting for a lock ends with the context.
	inside, release := make(chan struct{}), make(chan struct{})
	holder := make(chan error)
	entered := sync.OnceFunc(func() { close(inside) })
	go func() {
		holder <- f.db.Update(f.ctx, func(*kv.Tx) error { entered(); <-release; return nil }, []byte("k"))
	}()
	<-inside
	short, cancel := context.WithTimeout(f.ctx, 20*time.Millisecond)
	defer cancel()
	err := f.db.Update(short, func(*kv.Tx) error { return nil }, []byte("a"), []byte("k"))
	if !errors.Is(err, context.DeadlineExceeded) {
		f.Errorf("Update waiting for a lock: %v", err)
	}
	close(release)
	f.ok(<-holder)
	f.ok(f.db.Update(f.ctx, func(*kv.Tx) error { return nil }, []byte("k"), []byte("a")))
}

func testClosed(f *fixture) {
	f.put("k", "v")
	f.ok(f.db.Close())
	_, getErr := f.db.Get(f.ctx, []byte("k"))
	_, scanErr := f.db.Scan(f.ctx, kv.Range{})
	_, snapErr := f.db.Snapshot(f.ctx)
	for name, err := range map[string]error{
		"Get":      getErr,
		"Scan":     scanErr,
		"Snapshot": snapErr,
		"Put":      f.db.Put(f.ctx, []byte("k"), nil),
		"Update":   f.db.Update(f.ctx, func(tx *kv.Tx) error { return tx.Put([]byte("k"), nil) }),
	} {
		if !errors.Is(err, kv.ErrClosed) {
			f.Errorf("%s after Close: %v", name, err)
		}
	}
}

func testReopen(f *fixture) {
	f.put("a", "1", "b", "2")
	f.ok(f.db.Delete(f.ctx, []byte("a")))
	for range 3 {
		f.ok(f.db.Close())
		f.open()
		f.wantScan(f.db, kv.Prefix([]byte("b")), "b=2 ")
		f.want("a", "-")
	}
}
