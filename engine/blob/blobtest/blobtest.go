// Package blobtest is what every driver of package blob must pass. It is not
// for tests of code that uses blobs: those take a memblob.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

// Run runs the suite; open returns an empty store for each test.
func Run(t *testing.T, open func(testing.TB) driver.Driver) {
	tests := map[string]func(*testing.T, *blob.Store){
		"RoundTrip": testRoundTrip, "Ranges": testRanges, "Invisible": testInvisible, "Abort": testAbort,
		"Missing": testMissing, "Scopes": testScopes, "List": testList, "Sweep": testSweep,
		"Concurrent": testConcurrent, "Canceled": testCanceled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newStore(t, open(t))) })
	}
	t.Run("Damage", func(t *testing.T) { testDamage(t, open(t)) })
	t.Run("Closed", func(t *testing.T) { testClosed(t, open(t)) })
}

func newStore(t testing.TB, d driver.Driver) *blob.Store {
	s := blob.New(d, ident.New(nil, clock.System())).Scope("suite")
	t.Cleanup(func() { s.Close() })
	return s
}

// content returns n bytes that differ from block to block.
func content(n int) []byte {
	p := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func put(t testing.TB, s *blob.Store, data []byte) blob.Ref {
	t.Helper()
	ref, err := s.Put(context.Background(), bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put of %d bytes: %v", len(data), err)
	}
	return ref
}

func get(s *blob.Store, ref blob.Ref, offset, length int64) ([]byte, error) {
	r, err := s.Open(context.Background(), ref, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func sizes() []int {
	return []int{0, 1, 1000, blob.BlockBytes - 1, blob.BlockBytes, blob.BlockBytes + 1, 3*blob.BlockBytes + 17}
}

func testRoundTrip(t *testing.T, s *blob.Store) {
	defer func() {
		if err := checkAll(t, s); err != nil {
			t.Errorf("Check: %v", err)
		}
	}()
	for _, n := range sizes() {
		want := content(n)
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; { // pieces that match no block
			k := min(len(rest), 10_007)
			if m, err := w.Write(rest[:k]); m != k || err != nil {
				t.Fatalf("Write = %d, %v", m, err)
			}
			rest = rest[k:]
		}
		ref, err := w.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("Abort after Commit: %v", err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, blob.ErrFinished) {
			t.Errorf("Write after Commit: %v", err)
		}
		if other := put(t, s, want); other.Checksum != ref.Checksum || other.Size != int64(n) || other.ID == ref.ID {
			t.Errorf("%v and %v hold the same bytes", ref, other)
		}
		got, err := get(s, ref, 0, -1)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("size %d: read %d bytes, %v", n, len(got), err)
		}
		r, err := s.Open(t.Context(), ref, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(struct{ io.Reader }{r}, want); err != nil {
			t.Errorf("size %d: %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := s.Verify(t.Context(), ref); err != nil {
			t.Errorf("Verify: %v", err)
		}
	}
}

func testRanges(t *testing.T, s *blob.Store) {
	const block = blob.BlockBytes
	want := content(3*block + 100)
	size := int64(len(want))
	ref := put(t, s, want)
	for _, r := range [][2]int64{
		{0, 0}, {0, 1}, {0, block}, {1, block}, {block - 1, 2}, {block, block}, {block, 1}, {2*block + 5, block + 95},
		{3 * block, 100}, {size - 1, 1}, {size, 0}, {5, size - 5}, {0, size},
	} {
		got, err := get(s, ref, r[0], r[1])
		if err != nil || !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			t.Errorf("range %v: %d bytes, %v", r, len(got), err)
		}
	}
	if got, err := get(s, ref, 7, -1); err != nil || !bytes.Equal(got, want[7:]) {
		t.Errorf("from 7 to the end: %d bytes, %v", len(got), err)
	}
	for _, r := range [][2]int64{{-1, 1}, {0, size + 1}, {size, 1}, {size + 1, -1}, {size + 1, 0}, {1, -2}, {1, 1<<63 - 1}} {
		if _, err := get(s, ref, r[0], r[1]); !errors.Is(err, blob.ErrRange) {
			t.Errorf("range %v: %v, want ErrRange", r, err)
		}
	}
}

func ids(t testing.TB, s *blob.Store) []string {
	t.Helper()
	var out []string
	if err := s.List(context.Background(), func(i blob.Info) error { out = append(out, i.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func testInvisible(t *testing.T, s *blob.Store) {
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(content(2 * blob.BlockBytes)); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s); len(got) != 0 {
		t.Errorf("a blob not committed is listed: %v", got)
	}
}

func testAbort(t *testing.T, s *blob.Store) {
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadFrom(bytes.NewReader(content(200_000))); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); !errors.Is(err, blob.ErrFinished) {
		t.Errorf("Commit after Abort: %v", err)
	}
	broken := errors.New("client went away")
	if _, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(content(100)), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("Put of a broken reader: %v", err)
	}
	if got := ids(t, s); len(got) != 0 {
		t.Errorf("aborted blobs are listed: %v", got)
	}
}

func testMissing(t *testing.T, s *blob.Store) {
	for _, n := range []int{0, 10} {
		ref := put(t, s, content(n))
		for range 2 { // deleting what is not there is no error
			if err := s.Delete(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Open(t.Context(), ref, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Open of a deleted blob of %d bytes: %v", n, err)
		}
	}
	for _, id := range []string{"", "../../../../../../etc/pass", "0123456789012345678901234/"} {
		if _, err := s.Open(t.Context(), blob.Ref{ID: id}, 0, -1); !errors.Is(err, blob.ErrRef) {
			t.Errorf("Open of id %q: %v", id, err)
		}
	}
}

func testScopes(t *testing.T, s *blob.Store) {
	a, b := s.Scope("a"), s.Scope("a-b")
	ref := put(t, a, []byte("in a"))
	if _, err := b.Open(t.Context(), ref, 0, -1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("opened in another scope: %v", err)
	}
	if n, err := b.Sweep(t.Context(), func(context.Context, string) (bool, error) { return false, nil }, -time.Hour); n != 0 || err != nil {
		t.Errorf("Sweep of another scope deleted %d, %v", n, err)
	}
	if got, err := get(a, ref, 0, -1); err != nil || string(got) != "in a" {
		t.Errorf("%q, %v", got, err)
	}
}

func testList(t *testing.T, s *blob.Store) {
	var want []string
	for i := range 20 {
		want = append(want, put(t, s, content(i)).ID)
	}
	slices.Sort(want)
	if got := ids(t, s); !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	stop := errors.New("enough")
	calls := 0
	err := s.List(t.Context(), func(i blob.Info) error {
		calls++
		if age := time.Since(i.Modified); age < -time.Minute || age > time.Hour {
			t.Errorf("modified %v ago", age)
		}
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("List stopped with %v after %d calls", err, calls)
	}
}

func testSweep(t *testing.T, s *blob.Store) {
	alive, dead := put(t, s, content(10)), put(t, s, content(20))
	isAlive := func(_ context.Context, id string) (bool, error) { return id == alive.ID, nil }
	if n, err := s.Sweep(t.Context(), isAlive, time.Hour); n != 0 || err != nil {
		t.Errorf("Sweep of young blobs deleted %d, %v", n, err)
	}
	unknown := errors.New("store is down")
	if n, err := s.Sweep(t.Context(), func(context.Context, string) (bool, error) { return false, unknown }, -time.Hour); n != 0 || !errors.Is(err, unknown) {
		t.Errorf("Sweep with a failing alive deleted %d, %v", n, err)
	}
	// A negative age allows for clocks of the store that run ahead.
	if n, err := s.Sweep(t.Context(), isAlive, -time.Hour); n != 1 || err != nil {
		t.Errorf("Sweep deleted %d, %v; want 1", n, err)
	}
	if got := ids(t, s); !slices.Equal(got, []string{alive.ID}) {
		t.Errorf("left %v, want %s without %s", got, alive.ID, dead.ID)
	}
}

func testConcurrent(t *testing.T, s *blob.Store) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5 {
				want := content(g*40_000 + i)
				ref, err := s.Put(t.Context(), bytes.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := get(s, ref, 0, -1); err != nil || !bytes.Equal(got, want) {
					t.Errorf("read %d of %d bytes, %v", len(got), len(want), err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(ids(t, s)); n != 40 {
		t.Errorf("%d blobs listed, want 40", n)
	}
}

func testCanceled(t *testing.T, s *blob.Store) {
	ref := put(t, s, content(10))
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	r, err := s.Open(ctx, ref, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("read after cancel: %v", err)
	}
	if _, err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit after cancel: %v", err)
	}
	if n := len(ids(t, s)); n != 1 {
		t.Errorf("%d blobs, want 1", n)
	}
}

// damaged alters the stored bytes that are read.
type damaged struct {
	driver.Driver
	alter func(stored []byte) []byte
}

func (d damaged) Open(ctx context.Context, key driver.Key, offset, length int64) (io.ReadCloser, error) {
	r, err := d.Driver.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	stored, err := io.ReadAll(r)
	return io.NopCloser(bytes.NewReader(d.alter(stored))), err
}

func testDamage(t *testing.T, d driver.Driver) {
	source := ident.New(nil, clock.System())
	s := blob.New(d, source)
	t.Cleanup(func() { s.Close() })
	const block = blob.BlockBytes
	want := content(2*block + 50)
	ref := put(t, s, want)
	read := func(ref blob.Ref, alter func([]byte) []byte) ([]byte, error) {
		return get(blob.New(damaged{d, alter}, source), ref, 0, -1)
	}
	check := func(name string, got []byte, err error) {
		t.Helper()
		var corrupt *blob.CorruptError
		if !errors.Is(err, blob.ErrCorrupt) || !errors.As(err, &corrupt) || corrupt.Ref.ID != ref.ID {
			t.Errorf("%s: error %v", name, err)
		}
		if !bytes.HasPrefix(want, got) {
			t.Errorf("%s: wrong bytes were read", name)
		}
	}
	for _, at := range []int{0, 1, block - 1, block, block + 3, block + 4, 2*block + 8, 2*block + 8 + 50, 2*block + 8 + 53} {
		got, err := read(ref, func(p []byte) []byte { p[at] ^= 0x10; return p })
		check(fmt.Sprintf("flip at %d", at), got, err)
		check(fmt.Sprintf("check of a flip at %d", at), nil, checkAll(t, blob.New(damaged{d, func(p []byte) []byte { p[at] ^= 0x10; return p }}, source)))
	}
	if err := checkAll(t, s); err != nil {
		t.Errorf("check of what is whole: %v", err)
	}
	for _, n := range []int{0, 1, block, block + 4, 2*block + 8, 2*block + 8 + 53} {
		got, err := read(ref, func(p []byte) []byte { return p[:n] })
		check(fmt.Sprintf("cut to %d", n), got, err)
	}
	got, err := read(ref, func(p []byte) []byte {
		return slices.Concat(p[block+4:2*block+8], p[:block+4], p[2*block+8:])
	})
	check("blocks exchanged", got, err)
	twin := put(t, s, want)
	got, err = read(ref, func([]byte) []byte {
		r, err := d.Open(t.Context(), driver.Key{Scope: "root", ID: twin.ID}, 0, 3*block)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p, _ := io.ReadAll(r)
		return p
	})
	check("another blob's blocks", got, err)
	forged := ref
	forged.Checksum++
	got, err = get(s, forged, 0, -1)
	check("another checksum in the ref", got, err)
}

// checkAll checks every blob without its ref.
func checkAll(t *testing.T, s *blob.Store) error {
	t.Helper()
	return s.List(t.Context(), func(i blob.Info) error { return s.Check(t.Context(), i) })
}

func testClosed(t *testing.T, d driver.Driver) {
	s := blob.New(d, ident.New(nil, clock.System()))
	ref := put(t, s, content(1))
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("Commit after Close: %v", err)
	}
	if _, err := s.Open(t.Context(), ref, 0, -1); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("Open after Close: %v", err)
	}
	if _, err := s.Create(t.Context()); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("Create after Close: %v", err)
	}
	if err := s.Delete(t.Context(), ref); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("Delete after Close: %v", err)
	}
}

// Bench measures writing and reading of blobs of 1 MB.
func Bench(b *testing.B, open func(testing.TB) driver.Driver) {
	const megabyte = 1 << 20
	data := content(megabyte)
	b.Run("Put1MB", func(b *testing.B) {
		s := newStore(b, open(b))
		b.SetBytes(megabyte)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Delete(b.Context(), put(b, s, data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Get1MB", func(b *testing.B) {
		s := newStore(b, open(b))
		ref := put(b, s, data)
		b.SetBytes(megabyte)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Verify(b.Context(), ref); err != nil {
				b.Fatal(err)
			}
		}
	})
}
