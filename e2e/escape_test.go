package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEscape deploys hostile functions to a moln and lets them try: to read what
// is not theirs, to reach the host, to fill and to break things, to leave
// something behind. Each attempt ends with the error that AWS would show, and
// after each moln and another function serve on. MOLN_ESCAPE_SANDBOX names the
// sandbox, ns by default. Where the test is root's, it is done once as root and,
// unless the test is to be short, once as an ordinary user.
func TestEscape(t *testing.T) {
	name := os.Getenv("MOLN_ESCAPE_SANDBOX")
	if name == "" {
		name = "ns"
	}
	if name == "process" || name == "none" || name == "auto" {
		t.Fatalf("%s holds nothing: the attempts would be the host's", name)
	}
	t.Run("by "+name, func(t *testing.T) {
		if os.Geteuid() != 0 {
			escape(t, name, nil)
			return
		}
		t.Run("as root", func(t *testing.T) { escape(t, name, nil) })
		t.Run("as an ordinary user", func(t *testing.T) {
			if testing.Short() {
				t.Skip("short")
			}
			if _, err := exec.LookPath("setpriv"); err != nil {
				t.Skip(err)
			}
			escape(t, name, []string{"setpriv", "--reuid", ordinaryUser, "--regid", ordinaryUser, "--clear-groups"})
		})
	})
}

// ordinaryUser is nobody, who may do nothing.
const ordinaryUser = "65534"

// prison is a moln with hostile functions in it.
type prison struct {
	*process
	c       *client
	sandbox string
	data    string
	facts   fields // what attempts are told: where the things lie that they try for
}

// escape makes a moln of the user that by starts, and runs the suite on it.
func escape(t *testing.T, sandboxName string, by []string) {
	dir := t.TempDir()
	for _, open := range []string{dir, filepath.Dir(dir)} { // to ordinary users too
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &prison{sandbox: sandboxName, data: filepath.Join(dir, "data")}
	p.start(t, by)
	p.deploy(t)
	p.look(t)
	for _, function := range []string{"hostile-py", "hostile-js", "hostile-go"} {
		t.Run(function, func(t *testing.T) {
			for _, a := range attempts[function] {
				t.Run(a.name, func(t *testing.T) { p.try(t, function, a) })
			}
			p.serves(t)
		})
	}
	for _, e := range ends {
		t.Run(e.name, func(t *testing.T) { p.end(t, e) })
	}
	t.Run("a bomb beside others", p.bombBesideOthers)
	t.Run("nothing is kept for another", p.nothingKept)
	t.Run("packages", p.packages)
	t.Run("nothing outlives moln", func(t *testing.T) { p.nothingOutlives(t, by) })
}

func (p *prison) start(t *testing.T, by []string) {
	t.Helper()
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if len(by) > 0 {
		id, _ := strconv.Atoi(ordinaryUser)
		if err := os.Chown(p.data, id, id); err != nil {
			t.Fatal(err)
		}
		by = append(by, p.ownBinary(t)...)
	}
	p.process = launchBy(t, by, nil, []string{"up", "--data-dir", p.data, "--sandbox", p.sandbox})
	p.awaitStart(t)
	p.c = newClient(p.endpoint)
}

// ownBinary is a moln that anybody may run. It takes the place of the one that
// follows it on the command line.
func (p *prison) ownBinary(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "moln-escape-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(needBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "moln"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"sh", "-c", `shift; cd / && exec "$0" "$@"`, filepath.Join(dir, "moln")}
}

// deploy makes the functions: those that are hostile, one whose environment ends
// soon, and the one that all are after.
func (p *prison) deploy(t *testing.T) {
	t.Helper()
	p.c.lambdaRole(t, "prisoner")
	python, js := packageOf(t, "testdata/escape/index.py"), packageOf(t, "testdata/escape/index.js")
	p.function(t, "hostile-py", "python3.11", python, 128, 60, nil)
	p.function(t, "bomb", "python3.11", python, 128, 1, nil)
	p.function(t, tenanted, "python3.11", python, 128, 30, nil)
	p.function(t, "hostile-js", "nodejs20.x", js, 128, 60, nil)
	p.function(t, "hostile-go", "provided.al2023", programOf(t, "./testdata/escape/gofn"), 128, 30, nil)
	p.function(t, "victim", "python3.11", packageOf(t, "testdata/escape/index.py", "treasure.txt"), 128, 30, fields{"TREASURE": "gold"})
	p.treasure(t)
	if said := p.stderr.String(); !strings.Contains(said, `"sandbox":"`+filepath.Base(p.sandbox)+`"`) {
		t.Fatalf("functions do not run in %s:\n%s", p.sandbox, said)
	}
}

func (p *prison) must(t *testing.T) func(answer, error) {
	return func(a answer, err error) {
		t.Helper()
		if err == nil {
			err = a.err()
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, p.stderr)
		}
	}
}

func (p *prison) create(t *testing.T, name, runtime, code string, memory, timeout int, env fields) (answer, error) {
	in := fields{
		"FunctionName": name, "Runtime": runtime, "Handler": "index.handler", "Role": "arn:aws:iam::" + accountID + ":role/prisoner",
		"Timeout": timeout, "MemorySize": memory, "Code": fields{"ZipFile": code}, "Environment": fields{"Variables": env},
	}
	if name == tenanted {
		in["TenancyConfig"] = fields{"TenantIsolationMode": "PER_TENANT"}
	}
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return p.c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions", nil, body)
}

func (p *prison) function(t *testing.T, name, runtime, code string, memory, timeout int, env fields) {
	t.Helper()
	p.must(t)(p.create(t, name, runtime, code, memory, timeout, env))
}

// look finds out what there is to be had on this machine.
func (p *prison) look(t *testing.T) {
	t.Helper()
	file := filepath.Join(filepath.Dir(p.data), "secret.txt")
	if err := os.WriteFile(file, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	store, err := net.Listen("tcp", "0.0.0.0:0") // as a database would
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	address := "192.0.2.2"
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			address = ip.IP.String()
		}
	}
	endpoint, err := url.Parse(p.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	moln, _ := strconv.Atoi(endpoint.Port())
	p.facts = fields{
		"data": p.data, "file": file, "pid": p.cmd.Process.Pid, "address": address, "port": store.Addr().(*net.TCPAddr).Port, "moln": moln,
	}
}

// told is an answer of a function: its payload, or its error.
type told struct {
	Got, Refused            string
	ErrorType, ErrorMessage string
}

// tenanted is the function whose callers are tenants.
const tenanted = "tenants"

// invoke calls a function with code to run.
func (p *prison) invoke(t *testing.T, function, code string) told {
	t.Helper()
	return p.invokeFor(t, "", function, code)
}

// invokeFor is invoke as a tenant, if it names one.
func (p *prison) invokeFor(t *testing.T, tenant, function, code string) told {
	t.Helper()
	header := http.Header{}
	if tenant != "" {
		header.Set("X-Amz-Tenant-Id", tenant)
	}
	event := fields{"code": code}
	for name, value := range p.facts {
		event[name] = value
	}
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions/"+function+"/invocations", header, body)
	p.must(t)(a, err)
	var out told
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	if failed := a.header.Get("X-Amz-Function-Error") != ""; failed != (out.ErrorType != "") {
		t.Errorf("function error %v: %s", failed, a.body)
	}
	return out
}

// try runs an attempt that must be refused and leave the function as it was.
func (p *prison) try(t *testing.T, function string, a attempt) {
	if why := a.skip[p.sandbox]; why != "" {
		t.Skip(why)
	}
	got := p.invoke(t, function, a.code)
	if got.Got != "" || got.ErrorType != "" || !regexp.MustCompile(a.want).MatchString(got.Refused) {
		t.Errorf("got %+v, want it refused as %s", got, a.want)
	}
}

// end runs an attempt that ends its environment.
func (p *prison) end(t *testing.T, e end) {
	got := p.invoke(t, e.function, e.code)
	if e.kind == "" {
		if got.ErrorType != "" {
			t.Errorf("got %+v", got)
		}
	} else if !regexp.MustCompile(e.kind).MatchString(got.ErrorType) || !regexp.MustCompile(e.message).MatchString(got.ErrorMessage) {
		t.Errorf("got %+v, want %s, %s", got, e.kind, e.message)
	}
	p.serves(t)
	if again := p.invoke(t, e.function, `got = "again"`); e.function != "hostile-js" && again.Got != "again" {
		t.Errorf("the function itself afterwards: %+v", again)
	}
}

// treasure gives the victim something in /tmp to be robbed of.
func (p *prison) treasure(t *testing.T) {
	t.Helper()
	if got := p.invoke(t, "victim", `open("/tmp/treasure", "w").write("gold")`); got.Got != "done" {
		t.Fatalf("got %+v", got)
	}
}

// serves checks that the victim, and so moln, is as it was.
func (p *prison) serves(t *testing.T) {
	t.Helper()
	if got := p.invoke(t, "victim", `got = open("/tmp/treasure").read() + os.environ["TREASURE"] + open("/var/task/treasure.txt").read()`); got.Got != "goldgoldgold\n" {
		t.Errorf("the victim afterwards: %+v", got)
	}
}

// bombBesideOthers lets a fork bomb and a memory bomb go off, and looks how the
// victim fares meanwhile.
func (p *prison) bombBesideOthers(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, e := range ends[:4] {
			body, _ := json.Marshal(fields{"code": e.code})
			_, _ = p.c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions/bomb/invocations", nil, body)
		}
	}()
	const patience = 10 * time.Second
	for served := 0; ; served++ {
		began := time.Now()
		p.serves(t)
		if took := time.Since(began); took > patience {
			t.Errorf("the victim took %v", took)
		}
		select {
		case <-done:
			t.Logf("%d answers meanwhile", served+1)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// nothingKept leaves a file, a process and a socket behind, and looks for them
// from other functions and from the same one in another version.
func (p *prison) nothingKept(t *testing.T) {
	const leave = `
open("/tmp/left", "w").write("x")
sleeper = subprocess.Popen(["/bin/sleep", "4711"], start_new_session=True, close_fds=True)
held = socket.socket(); held.bind(("127.0.0.1", 4711)); held.listen()
globals_of = sys.modules["index"]; globals_of.held = (held, sleeper)`
	const find = `
found = os.listdir("/tmp")
for p in os.listdir("/proc"):
    try: found += ["process"] * open("/proc/%s/cmdline" % p).read().count("4711")
    except OSError: pass
try: connect("127.0.0.1", 4711); found.append("port")
except OSError: pass
if hasattr(sys.modules["index"], "held"): found.append("variable")
got = nothing(found)`
	if got := p.invoke(t, "hostile-py", leave); got.Got != "done" {
		t.Fatalf("got %+v", got)
	}
	if got := p.invoke(t, "hostile-py", find); got.Got == "" {
		t.Errorf("the same environment has lost its own: %+v", got)
	}
	if got := p.invoke(t, "bomb", find); got.Refused == "" {
		t.Errorf("another function found %+v", got)
	}
	if got := p.invokeFor(t, "one", tenanted, leave); got.Got != "done" {
		t.Errorf("got %+v", got)
	}
	if got := p.invokeFor(t, "two", tenanted, find); got.Refused == "" {
		t.Errorf("another tenant found %+v", got)
	}
	if got := p.invokeFor(t, "one", tenanted, find); got.Got == "" {
		t.Errorf("the tenant has lost its own: %+v", got)
	}
	body, _ := json.Marshal(fields{"Description": "changed"})
	p.must(t)(p.c.do(t.Context(), "lambda", http.MethodPut, "/2015-03-31/functions/hostile-py/configuration", nil, body))
	if got := p.invoke(t, "hostile-py", find); got.Refused == "" {
		t.Errorf("the changed function found %+v", got)
	}
	p.serves(t)
}

// packages uploads archives that lead out of where they are unpacked.
func (p *prison) packages(t *testing.T) {
	const handler = "def handler(e, c): return 'ran'\n"
	type entry = [2]string // a name, and a file's text or "-> " and a link's target
	big := strings.Repeat("\x00", 300<<20)
	for name, tt := range map[string]struct {
		entries []entry
		want    string
	}{
		"up":                  {[]entry{{"index.py", handler}, {"../../../../../../../../tmp/moln-escaped", "x"}}, "InvalidParameterValueException"},
		"absolute":            {[]entry{{"index.py", handler}, {"/tmp/moln-escaped", "x"}}, "InvalidParameterValueException"},
		"a link out":          {[]entry{{"index.py", handler}, {"out", "-> " + p.data}}, "InvalidParameterValueException"},
		"a link up":           {[]entry{{"index.py", handler}, {"out", "-> ../../../../../../etc"}}, "InvalidParameterValueException"},
		"through a link":      {[]entry{{"index.py", handler}, {"out", "-> /tmp"}, {"out/moln-escaped", "x"}}, "InvalidParameterValueException"},
		"a link to itself":    {[]entry{{"index.py", handler}, {"a", "-> b"}, {"b", "-> a"}, {"a/x", "x"}}, "InvalidParameterValueException"},
		"more than there is":  {[]entry{{"index.py", handler}, {"big", big}}, "Unzipped size must be smaller than 262144000 bytes"},
		"a name with a zero":  {[]entry{{"index.py", handler}, {"a\x00b", "x"}}, "InvalidParameterValueException"},
		"a file in its place": {[]entry{{"index.py", handler}, {"index.py/x", "x"}}, "InvalidParameterValueException"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := p.create(t, "package", "python3.11", zipOf(t, tt.entries), 128, 3, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text := a.header.Get("X-Amzn-ErrorType") + string(a.body); a.status != http.StatusBadRequest || !strings.Contains(text, tt.want) {
				t.Errorf("status %d: %.300s", a.status, text)
			}
			if _, err := os.Lstat("/tmp/moln-escaped"); err == nil {
				t.Error("a file has come out")
			}
		})
	}
	p.serves(t)
}

// nothingOutlives kills moln while environments run, with processes of their own
// and one frozen, and looks whether anything is left of them: processes, control
// groups, mounts. The next start cleans what only it can.
func (p *prison) nothingOutlives(t *testing.T, by []string) {
	p.invoke(t, "hostile-py", `subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)`)
	pid := p.cmd.Process.Pid
	family := familyOf(pid)
	if len(family) < 2 {
		t.Fatalf("moln has %d processes", len(family))
	}
	p.kill()
	deadline := time.Now().Add(10 * time.Second)
	for _, member := range family {
		for member.alive() {
			if time.Now().After(deadline) {
				t.Fatalf("process %d outlives moln: %s", member.pid, member.command())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), p.data) {
		t.Errorf("mounts: %v, %s", err, mounts)
	}
	p.start(t, by)
	p.treasure(t)
	p.serves(t)
	if left := groupsOf(pid); len(left) > 0 {
		t.Errorf("control groups left: %v", left)
	}
}

// kin is a process, told from a later one of the same number by its start.
type kin struct {
	pid     int
	started string
}

// familyOf is a process and all that it started, directly or not.
func familyOf(pid int) []kin {
	all := []kin{{pid, startOf(pid)}}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(task)
		for _, word := range strings.Fields(string(list)) {
			child, _ := strconv.Atoi(word)
			all = append(all, familyOf(child)...)
		}
	}
	return all
}

// startOf is when a process started, in the kernel's words; "" when it is gone.
func startOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	const start = 19 // counted from the state, which follows the name
	_, rest, _ := strings.Cut(string(text), ") ")
	if words := strings.Fields(rest); len(words) > start {
		return words[start]
	}
	return ""
}

func (k kin) alive() bool { return k.started != "" && startOf(k.pid) == k.started }

func (k kin) command() string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", k.pid))
	return strings.ReplaceAll(string(text), "\x00", " ")
}

// groupsOf are the control groups that a moln of that number has made.
func groupsOf(pid int) []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == fmt.Sprintf("moln-%d", pid) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// zipOf makes an archive of entries; a text of "-> x" is a link to x.
func zipOf(t *testing.T, entries [][2]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e[0], Method: zip.Deflate}
		h.SetMode(0o755)
		text := e[1]
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			h.SetMode(fs.ModeSymlink | 0o777)
			text = target
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// packageOf is a package of a source, and a treasure under each of the names.
func packageOf(t *testing.T, source string, treasures ...string) string {
	t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	entries := [][2]string{{filepath.Base(source), string(text)}}
	for _, name := range treasures {
		entries = append(entries, [2]string{name, "gold\n"})
	}
	return zipOf(t, entries)
}

// programOf is a package of a program of one's own.
func programOf(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return zipOf(t, [][2]string{{"bootstrap", string(data)}})
}
