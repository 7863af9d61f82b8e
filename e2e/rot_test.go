package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	rotBlobBytes   = 300_000
	rotInlineBytes = 30_000
	rotInlineCount = 60
)

// TestRot flips bytes on the disk: of a blob while moln runs, and of a table of
// the key-value store while it does not. Reading fails and never gives wrong
// bytes, the log and moln scrub say which object it is, and the others can be
// read.
func TestRot(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--data-dir", dir)
	c := newClient(p.endpoint)
	mustPut(t, c, "/rot", nil)
	for _, key := range []string{"good", "bad/ü"} {
		mustPut(t, c, "/rot/"+key, content(key, 0, rotBlobBytes))
	}
	for i := range rotInlineCount {
		key := fmt.Sprintf("inline-%d", i)
		mustPut(t, c, "/rot/"+key, content(key, 0, rotInlineBytes))
	}
	scrubbed(t, p)

	blobs := filesOf(t, filepath.Join(dir, "blobs"), func(_ string, size int64) bool { return size > rotBlobBytes })
	if len(blobs) != 2 {
		t.Fatalf("%d large blobs: %v", len(blobs), blobs)
	}
	flip(t, blobs[1], rotBlobBytes/2) // in the fourth block or so
	bad := readSome(t, c, map[string]int{"good": rotBlobBytes, "bad/ü": rotBlobBytes})
	if len(bad) != 1 {
		t.Fatalf("%v cannot be read, want one object", bad)
	}
	if damaged := scrubDamage(t, p); len(damaged) != 1 || damaged[0].Bucket != "rot" || damaged[0].Key != bad[0] || damaged[0].Version != "null" {
		t.Errorf("scrub names %+v, damaged is %s", damaged, bad[0])
	}
	if text := p.stderr.String(); !strings.Contains(text, "object is damaged") || !strings.Contains(text, `"key":"`+bad[0]+`"`) {
		t.Errorf("the log does not name %s:\n%s", bad[0], text)
	}
	flip(t, blobs[1], rotBlobBytes/2) // whole again
	scrubbed(t, p)

	// The log is read into tables at the next start.
	p.kill()
	p = start(t, "--data-dir", dir)
	p.kill()
	tables := filesOf(t, filepath.Join(dir, "store"), func(name string, size int64) bool {
		return strings.HasSuffix(name, ".sst") && size > rotInlineBytes*rotInlineCount/4
	})
	if len(tables) == 0 {
		t.Fatal("no table holds the objects")
	}
	for _, table := range tables {
		info, err := os.Stat(table)
		if err != nil {
			t.Fatal(err)
		}
		flip(t, table, info.Size()/2)
	}
	p = start(t, "--data-dir", dir)
	c = newClient(p.endpoint)
	keys := map[string]int{"good": rotBlobBytes, "bad/ü": rotBlobBytes}
	for i := range rotInlineCount {
		keys[fmt.Sprintf("inline-%d", i)] = rotInlineBytes
	}
	bad = readSome(t, c, keys)
	damaged := scrubDamage(t, p)
	t.Logf("a flipped byte of a table: %v cannot be read; scrub says %+v", bad, damaged)
	if len(bad) == 0 || len(bad) == len(keys) || len(damaged) == 0 {
		t.Errorf("%d of %d objects cannot be read, scrub names %d", len(bad), len(keys), len(damaged))
	}
}

// readSome reads objects and returns the keys of those that cannot be read.
// Wrong bytes fail the test.
func readSome(t *testing.T, c *client, sizes map[string]int) (bad []string) {
	t.Helper()
	for key, size := range sizes {
		a, err := c.do(t.Context(), "s3", http.MethodGet, "/rot/"+key, nil, nil)
		switch {
		case err != nil, a.status/100 == 5:
			bad = append(bad, key)
		case a.err() != nil:
			t.Errorf("%s: %v", key, a.err())
		case !bytes.Equal(a.body, content(key, 0, size)):
			t.Errorf("%s: wrong bytes were read", key)
		}
	}
	return bad
}

type damage struct{ Bucket, Key, Version, Reason string }

// scrubDamage runs moln scrub, which must fail, and returns what it names.
func scrubDamage(t *testing.T, p *process) (all []damage) {
	t.Helper()
	out, err := exec.Command(needBinary(t), "scrub", "--json", "--endpoint", p.endpoint).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("scrub: %v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		var l struct{ Damage *damage }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if l.Damage != nil {
			all = append(all, *l.Damage)
		}
	}
	return all
}

func filesOf(t *testing.T, dir string, want func(name string, size int64) bool) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil && want(e.Name(), info.Size()) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// flip inverts one bit of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
