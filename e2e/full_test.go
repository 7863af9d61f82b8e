package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const (
	// fullDiskBytes is the size of a disk that is soon full.
	fullDiskBytes = 96 << 20
	// fillBytes are the sizes of the objects that fill it.
	fillLargeBytes = 4 << 20
	fillSmallBytes = 3000
	// fullAfterMax is more objects of either size than the disk has room for.
	fullAfterMax = 60_000
	// refusals is how often a full moln must refuse without harm.
	refusals = 20
)

// TestFullDisk fills the disk under moln, with large objects and then with small
// ones: it refuses further ones in S3's form, still reads and deletes, goes on
// once there is room again, and has lost nothing.
func TestFullDisk(t *testing.T) {
	disk := makeSmallDisk(t)
	p := disk.start(t)
	c := newClient(p.endpoint)
	mustPut(t, c, "/full", nil)
	first := content("first", 0, fillLargeBytes)
	mustPut(t, c, "/full/first", first)
	large := fill(t, c, "large", fillLargeBytes)
	small := fill(t, c, "small", fillSmallBytes)
	t.Logf("%d large and %d small objects fill the disk", large, small)
	if large == 0 || small == 0 {
		t.Error("there was no room to begin with")
	}
	readAll := func() {
		t.Helper()
		for key, size := range map[string]int{"first": fillLargeBytes, fmt.Sprintf("large-%d", large-1): fillLargeBytes, fmt.Sprintf("small-%d", small-1): fillSmallBytes, "small-0": fillSmallBytes} {
			a, err := c.do(t.Context(), "s3", http.MethodGet, "/full/"+key, nil, nil)
			if err == nil {
				err = a.err()
			}
			if err == nil {
				err = matches(a.body, key, []int{0}, size)
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", key, err, p.stderr)
			}
		}
	}
	readAll()
	p.kill()
	p = disk.start(t) // a full disk is no reason not to start
	c = newClient(p.endpoint)
	readAll()
	for i := range large / 2 {
		a, err := c.do(t.Context(), "s3", http.MethodDelete, fmt.Sprintf("/full/large-%d", i), nil, nil)
		if err != nil || a.err() != nil {
			t.Fatalf("deleting from a full disk: %v %v", err, a.err())
		}
	}
	// Room also comes from elsewhere: what was deleted keeps its own for some
	// minutes.
	if err := os.Remove(fmt.Sprintf("/proc/%d/root%s/ballast", disk.holder, disk.dir)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "/full/after", first)
	mustPut(t, c, "/full/small-after", content("x", 0, fillSmallBytes))
	readAll()
	scrubbed(t, p)
}

func mustPut(t *testing.T, c *client, path string, body []byte) {
	t.Helper()
	a, err := c.do(t.Context(), "s3", http.MethodPut, path, nil, body)
	if err != nil || a.err() != nil {
		t.Fatalf("PUT %s: %v %v", path, err, a.err())
	}
}

// fill puts objects until a number of them was refused, and returns how many
// there are.
func fill(t *testing.T, c *client, name string, size int) int {
	t.Helper()
	refused, n := 0, 0
	for refused < refusals {
		if n == fullAfterMax {
			t.Fatalf("%d objects of %d bytes fit on a disk of %d", n, size, fullDiskBytes)
		}
		key := fmt.Sprintf("%s-%d", name, n)
		a, err := c.do(t.Context(), "s3", http.MethodPut, "/full/"+key, nil, content(key, 0, size))
		if err == nil && a.err() == nil {
			n++
			continue
		}
		if err != nil || a.status != http.StatusInsufficientStorage || element(string(a.body), "Code") != "InsufficientStorage" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/xml") {
			t.Fatalf("%s: %v, status %d: %s", key, err, a.status, a.body)
		}
		refused++
	}
	return n
}

// smallDisk is a disk that only who enters the holder's mount namespace sees.
type smallDisk struct {
	dir    string
	holder int // process id
}

// start runs moln with its data on the disk.
func (d smallDisk) start(t *testing.T) *process {
	t.Helper()
	by := []string{"nsenter", "--preserve-credentials", "-U", "-m", "-t", strconv.Itoa(d.holder), "--"}
	p := launchBy(t, by, nil, []string{"up", "--data-dir", d.dir})
	p.awaitStart(t)
	return p
}

// makeSmallDisk mounts a disk, part of which is taken by a file named ballast.
func makeSmallDisk(t *testing.T) smallDisk {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("unshare", "-rm", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespaces here: %v %s", err, out)
	}
	// The namespace lives as long as this process, longer than moln.
	holder := exec.Command("unshare", "-rm", "sh", "-c",
		fmt.Sprintf("mount -t tmpfs -o size=%d none %s && head -c %d /dev/zero >%[2]s/ballast && echo ready && exec cat", fullDiskBytes, dir, fullDiskBytes/4))
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); holder.Wait() })
	if _, err := out.Read(make([]byte, len("ready\n"))); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	return smallDisk{dir, holder.Process.Pid}
}
