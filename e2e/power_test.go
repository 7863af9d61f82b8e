package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	// powerDiskBytes is the size of the disk that loses its power, of which
	// only what is written takes room, and powerWrittenMax what a round may
	// write before its time: a fast host would fill the disk.
	powerDiskBytes  = 2 << 30
	powerWrittenMax = 96 << 20
	powerRounds     = 3
	powerAfter      = 1500 * time.Millisecond
)

// TestPowerCut takes the power from a disk while 32 clients upload objects: it
// goes on with what has reached the device, without what the system had in its
// cache. Every acknowledged object is there, and a scrub finds nothing wrong.
//
// The disk is a file behind a loop device. What is written and not synced is in
// the cache of the file system above it, so that a copy of the file is what a
// disk without a cache of its own would hold. That needs root.
func TestPowerCut(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk")
	disk := plug(t, makeImage(t, image))
	p := disk.start(t)
	mustPut(t, newClient(p.endpoint), "/"+uploadBucket, nil)
	all := &uploads{acked: map[string]upload{}, begun: map[string]int{}, most: powerWrittenMax}
	for round := range powerRounds {
		next := fmt.Sprintf("%s.%d", image, round)
		// A new file each time: ext4 writes one that is cut short and written
		// again as soon as it is closed.
		name := fmt.Sprintf("canary-%d", round)
		all.cut = func(p *process) {
			canary := disk.path(name)
			if err := os.WriteFile(canary, []byte("not synced"), 0o600); err != nil {
				t.Error(err)
			}
			if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
			if out, err := exec.Command("cp", "--sparse=always", image, next).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}
		before := len(all.acked)
		all.untilKilled(t, p, round, powerAfter)
		disk.unplug()
		// At most two disks exist at a time: there may not be room for more.
		if err := os.Remove(image); err != nil {
			t.Error(err)
		}
		disk = plug(t, next)
		if text, err := os.ReadFile(disk.path(name)); err == nil && len(text) > 0 {
			t.Log("what was not synced has reached the disk all the same: this cut proves little")
		}
		p = disk.start(t)
		all.verify(t, newClient(p.endpoint))
		scrubbed(t, p)
		t.Logf("round %d: %d uploads were acknowledged", round, len(all.acked)-before)
		if t.Failed() {
			return
		}
		image = next
	}
	if len(all.acked) < uploaders {
		t.Errorf("%d uploads were acknowledged in all, so little was tested", len(all.acked))
	}
}

// powerDisk is a disk in a mount namespace of its own.
type powerDisk struct {
	dir    string
	holder int
	unplug func()
}

// path is where a file of the disk is seen from outside.
func (d powerDisk) path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", d.holder), d.dir, name)
}

func (d powerDisk) start(t *testing.T) *process {
	t.Helper()
	by := []string{"nsenter", "-m", "-t", strconv.Itoa(d.holder), "--"}
	p := launchBy(t, by, nil, []string{"up", "--data-dir", filepath.Join(d.dir, "data")})
	p.awaitStart(t)
	return p
}

func makeImage(t *testing.T, image string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("loop devices need root")
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, powerDiskBytes); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("no ext4 here: %v %s", err, out)
	}
	return image
}

// plug mounts an image, where nobody else sees it.
func plug(t *testing.T, image string) powerDisk {
	t.Helper()
	dir := t.TempDir()
	// The journal must not be written out of its own accord within a round.
	holder := exec.Command("unshare", "-m", "sh", "-c", fmt.Sprintf("mount -o loop,commit=300 %s %s && echo ready && exec cat", image, dir))
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
	unplug := func() { in.Close(); holder.Wait() }
	t.Cleanup(unplug)
	if n, err := out.Read(make([]byte, len("ready\n"))); n == 0 {
		t.Skipf("no loop devices here: %v", err)
	}
	return powerDisk{dir, holder.Process.Pid, unplug}
}
