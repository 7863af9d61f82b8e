package pebblekv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/driver"
	"moln.dev/moln/engine/kv/pebblekv"
)

func open(t *testing.T, dir string) *kv.DB {
	t.Helper()
	d, err := pebblekv.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	db := kv.New(d)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func put(t *testing.T, db *kv.DB, key string, value []byte) {
	t.Helper()
	if err := db.Put(context.Background(), []byte(key), value); err != nil {
		t.Fatal(err)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	_, err := pebblekv.Open(dir, nil)
	if !errors.Is(err, driver.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second Open: %v; want ErrLocked with the process id", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestFormat(t *testing.T) {
	for text, want := range map[string]error{
		"moln data directory, format 2\n": driver.ErrNewerFormat,
		"moln data directory, format x\n": driver.ErrCorrupt,
		"":                                driver.ErrCorrupt,
	} {
		dir := t.TempDir()
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "FORMAT"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pebblekv.Open(dir, nil); !errors.Is(err, want) {
			t.Errorf("FORMAT %q: %v, want %v", text, err, want)
		}
	}
}

// TestCorruption damages or removes each kind of file of a store: it must be
// refused with ErrCorrupt, when it is opened or when it is read.
func TestCorruption(t *testing.T) {
	for _, pattern := range []string{"*.sst", "MANIFEST-*", "marker.manifest.*"} {
		for name, damage := range map[string]func(path string) error{"flip": flip, "remove": os.Remove} {
			if strings.HasPrefix(pattern, "marker") && name == "flip" {
				continue // what it says is in its name
			}
			t.Run(pattern+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				db := open(t, dir)
				for i := range 100 {
					put(t, db, fmt.Sprintf("%03d", i), noise(2000))
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				paths, err := filepath.Glob(filepath.Join(dir, "store", pattern))
				if err != nil || len(paths) == 0 {
					t.Fatalf("no files %s: %v", pattern, err)
				}
				for _, p := range paths {
					if err := damage(p); err != nil {
						t.Fatal(err)
					}
				}
				if err := openAndReadAll(dir); !errors.Is(err, driver.ErrCorrupt) {
					t.Errorf("damaged store: %v, want ErrCorrupt", err)
				}
			})
		}
	}
}

func openAndReadAll(dir string) error {
	d, err := pebblekv.Open(dir, nil)
	if err != nil {
		return err
	}
	db := kv.New(d)
	defer db.Close()
	n := 0
	err = db.Each(context.Background(), kv.Range{}, func(kv.Item) (bool, error) { n++; return true, nil })
	if err == nil && n != 100 {
		return fmt.Errorf("%d items and no error", n)
	}
	return err
}

// flip inverts some bytes in the middle of a file.
func flip(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := len(data) / 3; i < len(data)/3+20 && i < len(data); i++ {
		data[i] ^= 0xff
	}
	return os.WriteFile(path, data, 0o600)
}

func noise(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.IntN(256))
	}
	return p
}

func TestCheckpoint(t *testing.T) {
	ctx := context.Background()
	db := open(t, t.TempDir())
	put(t, db, "k", []byte("before"))
	dir := filepath.Join(t.TempDir(), "copy")
	copier := db.Driver().(driver.Checkpointer)
	if err := copier.Checkpoint(ctx, dir); err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", []byte("after"))
	if err := copier.Checkpoint(ctx, dir); err == nil {
		t.Error("checkpoint over an existing directory succeeded")
	}
	got, err := open(t, dir).Get(ctx, []byte("k"))
	if err != nil || !bytes.Equal(got, []byte("before")) {
		t.Errorf("checkpoint has %q, %v", got, err)
	}
}
