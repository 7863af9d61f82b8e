package inside

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func whole() []Message {
	return []Message{
		&Setup{}, &Order{}, &Notice{},
		&Setup{
			HostMountNS: 1 << 63, Command: []string{"/bin/sh", "", "-c"}, Env: []string{"A=é"}, Dir: "/", Root: true,
			Binds: []Bind{{Source: "/usr", FD: -1, Target: "/usr", File: true, Writable: true, Device: true}, {FD: 7}},
			Links: []Link{{"/lib", "usr/lib"}}, Files: []File{{"/etc/hosts", 12}},
			Listen: []Address{{[4]byte{127, 0, 0, 255}, 9001}}, NoProc: true, ProcOptions: "hidepid=2", Loopback: true,
			Output: []int{3, 4, 5}, TmpBytes: 1 << 40, OpenFiles: 1024, Processes: 5, DataBytes: -1,
			Filter: []uint64{0, 1<<64 - 1}, Launch: []byte(`{}`),
		},
		&Order{Mounts: []Bind{{Target: "/opt"}, {Target: "/var/task", FD: 1}}, Seal: true}, &Order{Signal: 9}, &Order{Weigh: true}, &Order{Seal: true}, &Order{Dial: 80},
		&Notice{Started: true, Done: true, Error: "no", Refused: &Refusal{"/x", true, "why"}, Bytes: -5, Exited: true, Status: 1, Signal: 9},
	}
}

func fresh(m Message) Message {
	switch m.(type) {
	case *Setup:
		return &Setup{}
	case *Order:
		return &Order{}
	}
	return &Notice{}
}

func decodeAll(data []byte, m Message) (blob []byte, err error) {
	rest := data[min(len(data), HeaderBytes):]
	return Decode(data[:min(len(data), HeaderBytes)], func(n int) ([]byte, error) {
		if n > len(rest) {
			return nil, errCut
		}
		return rest[:n], nil
	}, m)
}

func TestMessagesSurvive(t *testing.T) {
	for _, m := range whole() {
		data, err := Encode(m, []byte("blob"))
		if err != nil {
			t.Fatal(err)
		}
		got := fresh(m)
		blob, err := decodeAll(data, got)
		if err != nil || string(blob) != "blob" {
			t.Errorf("%+v: %q, %v", m, blob, err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCutMessagesFail(t *testing.T) {
	for _, m := range whole() {
		data, err := Encode(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := HeaderBytes; n < len(data); n++ {
			cut := append([]byte{byte(n - HeaderBytes), byte((n - HeaderBytes) >> 8), 0, 0, 0, 0, 0, 0}, data[HeaderBytes:n]...)
			if _, err := decodeAll(cut, fresh(m)); err == nil {
				t.Fatalf("%d of %d bytes of %+v were taken", n, len(data), m)
			}
		}
	}
}

// Whatever comes, it is read or refused; what is read can be said again.
func FuzzDecode(f *testing.F) {
	for _, m := range whole() {
		data, err := Encode(m, []byte("x"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []Message{&Setup{}, &Order{}, &Notice{}} {
			blob, err := decodeAll(data, m)
			if err != nil {
				continue
			}
			again, err := Encode(m, blob)
			if err != nil {
				t.Fatal(err)
			}
			got := fresh(m)
			if back, err := decodeAll(again, got); err != nil || !bytes.Equal(back, blob) || !cmp.Equal(m, got) {
				t.Fatalf("%v, %+v, %+v", err, m, got)
			}
		}
	})
}

// The numbers that this package has of its own, since it may not import those.
func TestNumbers(t *testing.T) {
	for _, n := range []struct {
		name      string
		own, real uint64
	}{
		{"open_tree", sysOpenTree, unix.SYS_OPEN_TREE},
		{"move_mount", sysMoveMount, unix.SYS_MOVE_MOUNT}, {"mount_setattr", sysMountSetattr, unix.SYS_MOUNT_SETATTR},
		{"setns", sysSetns, unix.SYS_SETNS}, {"seccomp", sysSeccomp, unix.SYS_SECCOMP},
		{"clone", openTreeClone, unix.OPEN_TREE_CLONE}, {"cloexec", openTreeCloexec, unix.OPEN_TREE_CLOEXEC},
		{"recursive", atRecursive, unix.AT_RECURSIVE}, {"empty path", atEmptyPath, unix.AT_EMPTY_PATH},
		{"read-only", mountAttrReadOnly, unix.MOUNT_ATTR_RDONLY}, {"nosuid", mountAttrNoSUID, unix.MOUNT_ATTR_NOSUID},
		{"nodev", mountAttrNoDev, unix.MOUNT_ATTR_NODEV}, {"move empty path", moveEmptyPath, unix.MOVE_MOUNT_F_EMPTY_PATH},
		{"dumpable", prSetDumpable, unix.PR_SET_DUMPABLE}, {"bounding set", prCapBSetDrop, unix.PR_CAPBSET_DROP},
		{"no new privileges", prSetNoNewPrivs, unix.PR_SET_NO_NEW_PRIVS}, {"ambient", prCapAmbient, unix.PR_CAP_AMBIENT},
		{"clear ambient", prCapAmbientClear, unix.PR_CAP_AMBIENT_CLEAR_ALL}, {"capabilities", capabilityLast, unix.CAP_LAST_CAP},
		{"capability version", capabilityVersion3, unix.LINUX_CAPABILITY_VERSION_3},
		{"processes", rlimitNProc, unix.RLIMIT_NPROC}, {"locked", rlimitMemlock, unix.RLIMIT_MEMLOCK},
		{"filter", seccompSetModeFilter, unix.SECCOMP_SET_MODE_FILTER}, {"allow", seccompFilterSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	} {
		if n.own != n.real {
			t.Errorf("%s is %d, not %d", n.name, n.real, n.own)
		}
	}
}
