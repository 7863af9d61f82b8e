package e2e

// attempt is something a hostile function tries. The code sets got where it
// succeeded (Python), or returns (JavaScript); a Go attempt is a name that
// testdata/escape/gofn knows. want is a pattern of what it is told instead.
type attempt struct {
	name, code, want string
	// skip names sandboxes where the attempt makes no sense, and why.
	skip map[string]string
}

// attempts by function: what is denied, and leaves the function as it was.
var attempts = map[string][]attempt{
	"hostile-py": {
		// What lies on the machine.
		{"list moln's data directory", `got = os.listdir(event["data"])`, `^FileNotFoundError: \[Errno 2\]`, nil},
		{"read moln's key", `got = open(event["data"] + "/seal.key").read()`, `^FileNotFoundError: \[Errno 2\]`, nil},
		{"write to moln's data directory", `open(event["data"] + "/x", "w")`, `^FileNotFoundError: \[Errno 2\]`, nil},
		{"read a file of the host", `got = open(event["file"]).read()`, `^FileNotFoundError: \[Errno 2\]`, nil},
		{"climb out of the package", `got = open("../" * 20 + event["file"]).read()`, `^FileNotFoundError: \[Errno 2\]`, nil},
		{"the host's root by way of process 1", `got = open("/proc/1/root" + event["file"]).read()`, `^(PermissionError|FileNotFoundError): `, nil},
		{"the host's root by way of a descriptor", `
for fd in range(3, 64):
    try: got = open("/proc/self/fd/%d/../../../..%s" % (fd, event["file"])).read(); break
    except OSError: pass
else: nothing([])`, `^LookupError: `, nil},
		{"the machine's passwords", `got = open("/etc/shadow").read()`, `^(FileNotFoundError|PermissionError): `, nil},
		{"the machine's homes", `got = nothing([d for d in ("/root", "/home", "/srv", "/mnt", "/media", "/boot", "/sys/firmware") if os.path.exists(d) and os.listdir(d) and not sys.prefix.startswith(d)])`, `^LookupError: `, nil},
		{"the machine's disks", `got = nothing([d for d in os.listdir("/dev") if d.startswith(("vd", "sd", "nvme", "loop", "kvm", "mem", "kmsg"))])`, `^LookupError: `, nil},
		{"the kernel's memory", `got = open("/proc/kcore", "rb").read(64)[0]`, `^(PermissionError|FileNotFoundError|IndexError): `, nil},
		{"a kernel setting", `open("/proc/sys/kernel/core_pattern", "w").write("|/tmp/x")`, `^(PermissionError|FileNotFoundError|OSError): `, nil},
		{"magic keys", `open("/proc/sysrq-trigger", "w").write("h")`, `^(PermissionError|FileNotFoundError|OSError): `, nil},
		{"control groups", `got = nothing([f for f in ("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/tasks", "/sys/fs/cgroup/unified/cgroup.procs") if os.path.exists(f)])`, `^LookupError: `, nil},

		// Other functions.
		{"other functions' code", `got = nothing([os.path.join(d, f) for d, _, files in os.walk("/") if not d.startswith(("/proc", "/sys")) for f in files if "treasure" in f])`, `^LookupError: `, nil},
		{"other functions' /tmp", `got = nothing(os.listdir("/tmp"))`, `^LookupError: `, nil},
		{"other functions' environment", `
found = []
for p in os.listdir("/proc"):
    try: found += ["x"] * open("/proc/%s/environ" % p).read().count("TREASURE")
    except OSError: pass
got = nothing(found)`, `^LookupError: `, nil},
		{"other functions' shared memory", `got = nothing([f for d in ("/dev/shm", "/run/lock", "/var/tmp", "/run") if os.path.isdir(d) for f in os.listdir(d) if f != "lock"])`, `^LookupError: `, nil},
		{"another event's answer", `got = urllib.request.urlopen("http://%s/2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response" % os.environ["AWS_LAMBDA_RUNTIME_API"], data=b"{}", timeout=2).status`, `^HTTPError: HTTP Error 4\d\d`, nil},

		// What runs on the machine.
		{"processes of the host", `
found = []
for p in os.listdir("/proc"):
    try: found += ["x"] * open("/proc/%s/cmdline" % p).read().count(event["data"])
    except OSError: pass
got = nothing(found)`, `^LookupError: `, nil},
		{"more processes than its own", `got = nothing([p for p in os.listdir("/proc") if p.isdigit()][6:])`, `^LookupError: `, nil},
		{"signal moln", `os.kill(event["pid"], 0)`, `^ProcessLookupError: \[Errno 3\]`, nil},
		{"signals to the parent", `
parent = os.getppid()
if parent == 0: raise OSError("it has none")
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSTOP, signal.SIGKILL):
    try: os.kill(parent, s)
    except PermissionError: pass
time.sleep(0.2)
os.kill(parent, 0) if os.getuid() != 0 else None
raise OSError("it lives")`, `^(OSError: it |PermissionError: )`, nil},
		{"the helper's memory", `
if os.getpid() == 1: raise OSError("it is process 1")
got = open("/proc/1/mem", "rb").read(1)`, `^(PermissionError|FileNotFoundError|OSError): `, nil},

		// The network.
		{"the store's port", `connect("127.0.0.1", event["port"])`, `^ConnectionRefusedError: \[Errno 111\]`, nil},
		{"the store's port at the machine's address", `connect(event["address"], event["port"])`, `^(OSError: \[Errno (101|113)\]|ConnectionRefusedError|TimeoutError)`, nil},
		{"moln's own port", `connect("127.0.0.1", event["moln"])`, `^ConnectionRefusedError: \[Errno 111\]`, nil},
		{"the machine's metadata", `connect("169.254.169.254", 80)`, `^(OSError: \[Errno (101|113)\]|ConnectionRefusedError|TimeoutError)`, nil},
		{"the internet", `connect("192.0.2.1", 443)`, `^(OSError: \[Errno (101|113)\]|ConnectionRefusedError|TimeoutError)`, nil},
		{"the store's port through moln", `
s = connect("127.0.0.1", 4566)
where = "127.0.0.1:%s" % event["port"]
s.sendall(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (where, where)).encode())
line = s.recv(200).decode().split("\r\n")[0]
if " 200 " not in line + " ": raise OSError(line)`, `^OSError: HTTP/1.1 4\d\d`, nil},
		{"moln's own pages", `
for page in ("", "clock?advance=1h", "why", "audit", "operations", "mail", "snapshot"):
    try: got = "%s: %s" % (page, urllib.request.urlopen("http://127.0.0.1:4566/_moln/" + page, timeout=2).status); break
    except urllib.error.HTTPError as e: last = e
else: raise last`, `^HTTPError: HTTP Error (403|404)`, nil},
		{"other interfaces", `got = nothing([n for _, n in socket.if_nameindex() if n != "lo"])`, `^LookupError: `, nil},
		{"vsock", `socket.socket(40, socket.SOCK_STREAM, 0)`, `^(OSError: \[Errno (97|93)\]|PermissionError)`, nil},

		// What it was given.
		{"write its code", `open("/var/task/x", "w")`, `^(OSError: \[Errno 30\]|PermissionError)`, nil},
		{"write its runtime", `open("/var/runtime/x", "w")`, `^(OSError: \[Errno 30\]|PermissionError)`, nil},
		{"write layers", `open("/opt/x", "w")`, `^(OSError: \[Errno 30\]|PermissionError)`, nil},
		{"write /etc/hosts", `open("/etc/hosts", "a")`, `^(OSError: \[Errno 30\]|PermissionError)`, nil},
		{"write programs", `open("/usr/bin/x", "w")`, `^(OSError: \[Errno 30\]|PermissionError)`, nil},
		{"write the root", `open("/x", "w")`, `^(OSError: \[Errno 30\]|PermissionError)`, nil},
		{"fill /tmp", `
try:
    with open("/tmp/big", "wb") as f:
        for _ in range(560): f.write(b"x" * (1 << 20))
finally: os.unlink("/tmp/big")`, `^OSError: \[Errno 28\] No space left on device`, nil},
		{"more descriptors than there are", `
held = []
try:
    while len(held) < 2000: held.append(os.open("/dev/null", 0))
finally:
    for fd in held: os.close(fd)`, `^OSError: \[Errno 24\] Too many open files`, nil},
		{"more processes than there are", `
held = []
try:
    while len(held) < 1500: held.append(subprocess.Popen(["/bin/sleep", "30"], close_fds=False))
finally:
    for p in held: p.kill()
    for p in held: p.wait()`, `^(BlockingIOError: \[Errno 11\]|OSError: \[Errno 12\])`, map[string]string{"runsc": "gVisor counts its own processes too: see the bomb below"}},
		{"mount", `call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))`, `^PermissionError: \[Errno 1\]`, nil},
		{"a program with the rights of its owner", `
data = open("/bin/cat", "rb").read()
open("/tmp/cat", "wb").write(data)
os.chmod("/tmp/cat", 0o6755)
got = nothing([l for l in subprocess.check_output(["/tmp/cat", "/proc/self/status"]).decode().splitlines() if l.startswith("Cap") and int(l.split()[1], 16)])
`, `^LookupError: `, nil},
		{"no filter, new privileges", `
status = open("/proc/self/status").read()
got = nothing([x for x in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000") if x not in status])`, `^LookupError: `, nil},
	},
	"hostile-js": {
		{"list moln's data directory", `return fs.readdirSync(event.data)`, `ENOENT`, nil},
		{"read a file of the host in a shell", `return child.execFileSync('/bin/cat', [event.file], { stdio: 'pipe' })`, `No such file or directory`, nil},
		{"a link to a file of the host", `fs.symlinkSync(event.file, '/tmp/link'); try { return fs.readFileSync('/tmp/link') } finally { fs.unlinkSync('/tmp/link') }`, `ENOENT`, nil},
		{"signal moln", `process.kill(event.pid, 0)`, `ESRCH`, nil},
		{"the store's port", `return connect(event.port, '127.0.0.1')`, `ECONNREFUSED`, nil},
		{"moln's own port", `return connect(event.moln, '127.0.0.1')`, `ECONNREFUSED`, nil},
		{"a socket of the host", `return new Promise((done, fail) => net.connect('/run/dbus/system_bus_socket', () => done('connected')).on('error', fail))`, `ENOENT|ERR_|EACCES|ECONNREFUSED`, nil},
		{"write its code", `fs.writeFileSync('/var/task/x', 'x')`, `EROFS|EACCES`, nil},
		{"other interfaces", `const other = Object.keys(os.networkInterfaces()).filter(n => n !== 'lo'); if (other.length) return other; throw new Error('none')`, `none`, nil},
		{"become root", `if (process.getuid() === 0) throw new Error('user 0 of a namespace'); process.setuid(0)`, `EPERM|EINVAL|user 0`, nil},
		{"unshare by a program", `return child.execFileSync('/usr/bin/unshare', ['-Urm', '/bin/true'], { stdio: 'pipe' }) + 'unshared'`, `not permitted|ENOENT|EPERM`, nil},
	},
	"hostile-go": {
		{"mount", "mount", `^1 `, nil},
		{"bind mount", "bind mount", `^1 `, nil},
		{"remount", "remount", `^1 `, nil},
		{"unmount", "unmount", `^1 `, nil},
		{"pivot root", "pivot root", `^1 `, nil},
		{"chroot", "chroot", `^1 `, nil},
		{"open tree", "open tree", `^(1|38) `, nil},
		{"new user namespace", "new user namespace", `^1 `, nil},
		{"new mount namespace", "new mount namespace", `^1 `, nil},
		{"trace process 1", "trace process 1", `^1 `, nil},
		{"become root", "become root", `^(1 |22 |user 0)`, nil},
		{"device", "device", `^1 `, nil},
		{"io_uring", "io_uring", `^(38|1) `, nil},
		{"descriptors of process 1", "descriptors of process 1", `^(1 |38 |3 |22 |it is process 1)`, nil},
		{"reboot", "reboot", `^1 `, nil},
		{"host name", "host name", `^1 `, nil},
		{"clock", "clock", `^(1|38) `, nil},
		{"priority", "priority", `^(13|1) `, map[string]string{"runsc": "priorities are those of gVisor's own scheduler"}},
		{"raw socket", "raw socket", `^(1|93) `, nil},
		{"packet socket", "packet socket", `^(97|1) `, nil},
	},
}

// end is an attempt that ends the environment: what AWS's API answers then.
type end struct {
	name, function, code string
	kind, message        string // patterns of errorType and errorMessage; "": it answers
}

const endedPattern = `^RequestId: [0-9a-f-]{36} Error: `

var ends = []end{
	{"a memory bomb", "hostile-py", `
held = []
while True: held.append(b"x" * (8 << 20))`, `^Runtime\.OutOfMemory$`, endedPattern + `Runtime exited with error: signal: killed$`},
	{"a memory bomb in JavaScript", "hostile-js", `const held = []; for (;;) held.push(Buffer.alloc(8 << 20, 'x'))`, `^Runtime\.OutOfMemory$`, endedPattern + `Runtime exited with error: signal: killed$`},
	{"a memory bomb of many processes", "hostile-py", `
for _ in range(40):
    if os.fork() == 0:
        held = b"x" * (24 << 20)
        time.sleep(100)
time.sleep(100)`, `^Runtime\.OutOfMemory$`, endedPattern + `Runtime exited with error: signal: killed$`},
	{"a fork bomb", "bomb", `
while True:
    try: os.fork()
    except OSError: pass`, `^(Sandbox\.Timedout|Runtime\.OutOfMemory|Runtime\.ExitError)$`, endedPattern + `(Task timed out after 1\.00 seconds|Runtime exited with error: )`},
	{"no end", "bomb", `
while True: pass`, `^Sandbox\.Timedout$`, endedPattern + `Task timed out after 1\.00 seconds$`},
	{"exit", "hostile-py", `os._exit(0)`, `^Runtime\.ExitError$`, endedPattern + `Runtime exited without providing a reason$`},
	{"exit with a status", "hostile-py", `os._exit(7)`, `^Runtime\.ExitError$`, endedPattern + `Runtime exited with error: exit status 7$`},
	{"signal itself", "hostile-py", `os.kill(os.getpid(), signal.SIGKILL); time.sleep(5)`, `^Runtime\.ExitError$`, endedPattern + `Runtime exited with error: signal: killed$`},
	{"a bad pointer", "hostile-py", `ctypes.string_at(8)`, `^Runtime\.ExitError$`, endedPattern + `Runtime exited with error: signal: segmentation fault$`},
	{"signal everybody", "hostile-py", `
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(-1, signal.SIGTERM)`, ``, ``},
	{"a flood of output", "hostile-py", `
for _ in range(4000): print("x" * 4000)`, ``, ``},
}
