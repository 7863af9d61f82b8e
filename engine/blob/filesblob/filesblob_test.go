package filesblob

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/blobtest"
	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

func open(t testing.TB) driver.Driver { return openDir(t, t.TempDir()) }

func openDir(t testing.TB, dir string) driver.Driver {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFiles(t *testing.T) { blobtest.Run(t, open) }

func BenchmarkFiles(b *testing.B) { blobtest.Bench(b, open) }

func newStore(t testing.TB, dir string) *blob.Store {
	return blob.New(openDir(t, dir), ident.New(nil, clock.System())).Scope("s")
}

func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != lockName {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestReopenKeepsBlobsAndRemovesUnfinished(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	ref, err := s.Put(t.Context(), bytes.NewReader([]byte("kept")))
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2*blob.BlockBytes)); err != nil {
		t.Fatal(err)
	}
	if n := len(files(t, dir)); n != 2 {
		t.Fatalf("%d files, want 2", n)
	}
	if err := s.Close(); err != nil { // without Commit or Abort, as in a crash
		t.Fatal(err)
	}
	s = newStore(t, dir)
	defer s.Close()
	if err := s.Verify(t.Context(), ref); err != nil {
		t.Error(err)
	}
	if left := files(t, dir); len(left) != 1 || filepath.Base(left[0]) != ref.ID {
		t.Errorf("files %v, want only %s", left, ref.ID)
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	first := openDir(t, dir)
	if _, err := Open(dir); !errors.Is(err, driver.ErrLocked) {
		t.Fatalf("second Open: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openDir(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

func TestFlippedBitOnDiskIsFound(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	defer s.Close()
	ref, err := s.Put(t.Context(), bytes.NewReader(make([]byte, 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	path := files(t, dir)[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[70_000] ^= 1
	if err := os.WriteFile(path, data, fileMode); err != nil {
		t.Fatal(err)
	}
	var corrupt *blob.CorruptError
	if err := s.Verify(t.Context(), ref); !errors.As(err, &corrupt) || corrupt.Ref != ref || corrupt.Block != 1 {
		t.Errorf("Verify: %v", err)
	}
	// A range that does not touch the damage can still be read.
	r, err := s.Open(t.Context(), ref, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Read(make([]byte, 1000)); n != 1000 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	defer s.Close()
	if _, err := s.Put(t.Context(), bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(files(t, dir)[0])
	if err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
