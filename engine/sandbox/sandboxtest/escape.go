package sandboxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moln.dev/moln/engine/sandbox"
)

// probes are attempts to get out. Each is a Python expression or statement list
// that prints ESCAPED when it succeeds; anything else it raises is a refusal.
var probes = []struct{ name, script string }{
	{"write the root", `open("/x", "w")`},
	{"write /usr", `open("/usr/x", "w")`},
	{"write the code", `open("/var/task/x", "w")`},
	{"write /etc", `open("/etc/hosts", "a")`},
	{"write a kernel setting", `open("/proc/sys/kernel/hostname", "w").write("x")`},
	{"read the host's file", `open(os.environ["HOST_FILE"]).read()`},
	{"read the shadow file", `open("/etc/shadow").read()`},
	{"see the helper's root", `apart(); os.listdir("/proc/1/root")`},
	{"see the helper's memory", `apart(); open("/proc/1/mem", "rb").read(1)`},
	{"see the helper's descriptors", `apart(); os.listdir("/proc/1/fd")`},
	{"see the helper's environment", `apart(); open("/proc/1/environ").read()[0]`},
	{"kill the helper", `apart(); os.kill(1, 9); time.sleep(0.1); os.kill(1, 0); raise OSError("still there")`},
	{"end the helper politely", `
apart()
for signal in (15, 1, 2, 3, 6, 11): os.kill(1, signal)
time.sleep(0.2); raise OSError("still there")`},
	{"mount", `call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))`},
	{"unmount", `call(libc.umount2(b"/tmp", 2))`},
	{"change root", `os.chroot("/tmp")`},
	{"new user namespace", `call(libc.unshare(0x10000000))`},
	{"new mount namespace", `call(libc.unshare(0x00020000))`},
	{"clone a user namespace", `call(libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0))`},
	{"enter a namespace", `call(libc.setns(os.open("/proc/self/ns/net", 0), 0))`},
	{"trace", `call(libc.ptrace(0, 0, 0, 0))`},
	{"bpf", `call(libc.syscall(321, 0, 0, 0))`},
	{"io_uring", `call(libc.syscall(425, 1, libc.malloc(512)))`},
	{"become root", `
if os.getuid() == 0: raise OSError("user 0 of a namespace; what that is worth the next probe tells")
os.setuid(0)`},
	{"capabilities of a program that root starts", `
import subprocess
line = [l for l in subprocess.check_output(["/bin/cat", "/proc/self/status"]).decode().splitlines() if l.startswith("CapEff")][0]
assert int(line.split()[1], 16) != 0`},
	{"make a device", `os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0))`},
	{"raw socket", `socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)`},
	{"packet socket", `socket.socket(17, socket.SOCK_RAW, 0)`},
	{"vsock", `socket.socket(40, socket.SOCK_STREAM, 0)`},
	{"connect outside", `s = socket.socket(); s.settimeout(1); s.connect(("192.0.2.1", 80))`},
	{"host's loopback", `s = socket.socket(); s.settimeout(1); s.connect(("127.0.0.1", int(os.environ["HOST_PORT"])))`},
	{"other interfaces", `assert [n for _, n in socket.if_nameindex()] != ["lo"]`},
	{"host's processes", `assert len([p for p in os.listdir("/proc") if p.isdigit()]) > 4`},
	{"signal all", `
for p in range(2, 400):
    try: os.kill(p, 0)
    except ProcessLookupError: continue
    group = [l for l in open("/proc/%d/status" % p) if l.startswith("Tgid")][0].split()[1]
    if int(group) not in (1, os.getpid()): print("ESCAPED", p)
raise OSError("nobody")`},
	{"more descriptors than allowed", `
held = [os.open("/dev/null", 0) for _ in range(1100)]`},
	{"fill /tmp", `
f = open("/tmp/big", "wb")
for _ in range(40): f.write(b"x" * (1 << 20))
f.flush()`},
	{"capabilities", `
line = [l for l in open("/proc/self/status") if l.startswith("CapEff")][0]
assert int(line.split()[1], 16) != 0`},
	{"privileges", `assert "NoNewPrivs:\t1" not in open("/proc/self/status").read()`},
	{"filter", `assert "Seccomp:\t2" not in open("/proc/self/status").read()`},
}

const prelude = `
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(r):
    if r == -1: raise OSError(ctypes.get_errno(), "refused")
def apart():
    if os.getpid() == 1: raise OSError("process 1 is this one: there is no helper to be seen")
try:
%s
    print("ESCAPED")
except Exception as e:
    print("refused:", type(e).__name__, e)
`

// Escapes checks that a guest cannot reach what is not its own.
func Escapes(t *testing.T, d sandbox.Driver) {
	secret := filepath.Join(openDir(t), "secret.txt")
	write(t, secret, "secret")
	code := openDir(t)
	if err := os.Chmod(code, 0o777); err != nil {
		t.Fatal(err)
	}
	port := hostPort(t)
	for _, p := range probes {
		t.Run(p.name, func(t *testing.T) {
			script := "    " + strings.ReplaceAll(strings.TrimSpace(p.script), "\n", "\n    ")
			spec := sandbox.Spec{
				Command:  []string{"/usr/bin/python3", "-S", "-c", fmt.Sprintf(prelude, script)},
				Env:      []string{"HOST_FILE=" + secret, "HOST_PORT=" + port},
				Mounts:   []sandbox.Mount{{Source: code, Target: "/var/task", ReadOnly: true}},
				TmpBytes: 16 << 20,
			}
			got := finish(t, start(t, d, spec))
			if !strings.Contains(got.Stdout, "refused:") || strings.Contains(got.Stdout, "ESCAPED") {
				t.Errorf("stdout %q stderr %q exit %v", got.Stdout, got.Stderr, got.Exit)
			}
			t.Log(strings.TrimSpace(got.Stdout))
		})
	}
}
