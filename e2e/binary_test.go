package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// buildDir is removed when the tests of the package end.
var buildDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// molnBinary is MOLN_BIN, or a binary built once for this run.
var molnBinary = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("MOLN_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	dir, err := os.MkdirTemp("", "moln-e2e")
	if err != nil {
		return "", err
	}
	buildDir = dir
	bin := filepath.Join(dir, "moln")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "../cmd/moln")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building moln: %w\n%s", err, out)
	}
	return bin, nil
})

func needBinary(t testing.TB) string {
	t.Helper()
	bin, err := molnBinary()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// startTimeout bounds the time from exec to the ready line; a store with a long
// log to replay takes seconds, never this long.
const startTimeout = 60 * time.Second

// process is a running moln.
type process struct {
	cmd      *exec.Cmd
	endpoint string
	// access and secret are the root key, where this start made it.
	access, secret string
	stderr         *lockedBuffer
	ready          chan struct{} // closed when endpoint is known
	exited         chan struct{}
	err            error // how it ended; to be read after exited is closed
}

// start runs `moln up` with args on a port of its own choice, and waits until
// it says that it is ready.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	p := launch(t, nil, append([]string{"up"}, args...))
	p.awaitStart(t)
	return p
}

// launch runs moln with args on a port of its own choice.
func launch(t testing.TB, env, args []string) *process {
	t.Helper()
	return launchBy(t, nil, env, args)
}

// launchBy is launch through another program, which ends with its arguments.
func launchBy(t testing.TB, by, env, args []string) *process {
	t.Helper()
	argv := append(append(append([]string{}, by...), needBinary(t)), append(args, "--listen", "127.0.0.1:0", "--json")...)
	p := &process{
		cmd:    exec.Command(argv[0], argv[1:]...),
		stderr: &lockedBuffer{}, exited: make(chan struct{}), ready: make(chan struct{}),
	}
	p.cmd.Env = append(cleanEnvironment(), env...)
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go func() {
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			p.said(scanner.Bytes())
		}
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p
}

// said takes one line of moln's standard output; the last of a start says that
// it is ready.
func (p *process) said(text []byte) {
	var line struct {
		Event, Endpoint string
		Access          string `json:"accessKeyId"`
		Secret          string `json:"secretAccessKey"`
	}
	if json.Unmarshal(text, &line) != nil {
		return
	}
	if line.Access != "" {
		p.access, p.secret = line.Access, line.Secret
	}
	if line.Event == "moln is ready" {
		p.endpoint = line.Endpoint
		close(p.ready)
	}
}

// awaitStart waits until moln says that it is ready, and answers.
func (p *process) awaitStart(t testing.TB) {
	t.Helper()
	select {
	case <-p.ready:
	case <-p.exited:
		t.Fatalf("moln ended before it was ready: %v\n%s", p.err, p.stderr)
	case <-time.After(startTimeout):
		t.Fatalf("moln was not ready after %v\n%s", startTimeout, p.stderr)
	}
	p.awaitReady(t)
}

func (p *process) awaitReady(t testing.TB) {
	t.Helper()
	if err := awaitReady(p.endpoint, startTimeout); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
}

// readyPoll is the pause between two looks at /_moln/ready.
const readyPoll = 20 * time.Millisecond

func awaitReady(endpoint string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_moln/ready", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready after %v: %w", endpoint, limit, err)
		case <-time.After(readyPoll):
		}
	}
}

// kill ends the process with SIGKILL and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// cleanEnvironment is this process's, without what steers moln or AWS tools.
func cleanEnvironment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "MOLN_") && !strings.HasPrefix(kv, "AWS_") {
			env = append(env, kv)
		}
	}
	return env
}

// lockedBuffer is read while a process still writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
