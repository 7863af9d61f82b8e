package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/nssandbox"
	"moln.dev/moln/runtimes"
)

// echoProgram answers each line with a line, over one socket.
const echoProgram = `const s = require('net').connect({host: '127.0.0.1', port: +process.argv[1], noDelay: true}); s.on('data', (d) => s.write(d)); s.on('error', () => process.exit())`

// floors measures what no platform can be faster than: a language that starts,
// and a line that goes to it and back.
func (b *bench) floors() error {
	for _, f := range []struct {
		name    string
		command []string
	}{
		{"floor: node starts", []string{"node", "-e", "process.stdout.write('x')"}},
		{"floor: python3 starts", []string{"python3", "-c", "print('x')"}},
		{"floor: /bin/true starts", []string{"/bin/true"}},
	} {
		var took []time.Duration
		for range coldRuns {
			began := time.Now()
			cmd := exec.CommandContext(b.ctx, f.command[0], f.command[1:]...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			took = append(took, time.Since(began))
		}
		b.report.add(lambdaPart, f.name, 1, load.Summarize(took, sum(took)))
	}
	return b.echo()
}

func sum(took []time.Duration) (all time.Duration) {
	for _, d := range took {
		all += d
	}
	return all
}

// echo sends lines to a bare Node and waits for each to come back.
func (b *bench) echo() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := exec.CommandContext(b.ctx, "node", "-e", echoProgram, port)
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	line := make([]byte, 200)
	return b.compare(lambdaPart, []contender{{"floor: a line to node and back", 1, func(limit load.Limit) (load.Result, error) {
		return timed(limit, func() error {
			if _, err := conn.Write(line); err != nil {
				return err
			}
			_, err := io.ReadFull(conn, line)
			return err
		})
	}}})
}

// timed does something again and again until the limit.
func timed(limit load.Limit, do func() error) (load.Result, error) {
	var took []time.Duration
	began := time.Now()
	for time.Since(began) < limit.Time {
		start := time.Now()
		if err := do(); err != nil {
			return load.Result{}, err
		}
		took = append(took, time.Since(start))
	}
	return load.Summarize(took, time.Since(began)), nil
}

// inside measures the sandbox and the pool without requests, roles and logs.
func (b *bench) inside() error {
	driver, err := nssandbox.New()
	if err != nil {
		return err
	}
	defer driver.Close()
	var took []time.Duration
	for range coldRuns {
		began := time.Now()
		sb, err := driver.Start(b.ctx, sandbox.Spec{Command: []string{"/bin/true"}})
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		sb.Wait()
		if err := sb.Kill(); err != nil {
			return err
		}
		for _, f := range sb.Pipes() {
			f.Close()
		}
	}
	b.report.add(lambdaPart, "inside: a sandbox is made", 1, load.Summarize(took, sum(took)))
	p := pool.New(pool.Config{Driver: driver, Clock: clock.System(), Logger: slog.New(slog.DiscardHandler)})
	defer p.Close()
	found := runtimes.Resolver{Interpreters: runtimes.Discover(b.ctx, os.Getenv("PATH"), nil)}
	var warm []contender
	for _, h := range hellos() {
		choice, err := found.Resolve(h.runtime)
		if err != nil {
			return err
		}
		dir, err := b.dir("inside-" + h.name)
		if err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil { // the guest is somebody else
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, h.file), []byte(h.source), 0o644); err != nil {
			return err
		}
		t := &pool.Template{Key: h.name, Launch: choice.Launch, CodeDir: dir, Handler: h.handler, MemoryBytes: 256 << 20}
		invoke := func() error { return invokeInside(b.ctx, p, t) }
		if err := invoke(); err != nil {
			return err
		}
		if err := b.coldInside(p, *t, "inside: cold, pooled "+h.runtime); err != nil {
			return err
		}
		warm = append(warm, contender{"inside: warm " + h.runtime, 1, func(l load.Limit) (load.Result, error) { return timed(l, invoke) }})
	}
	return b.compare(lambdaPart, warm)
}

// coldInside invokes with a new key each time, when a spare environment is ready.
func (b *bench) coldInside(p *pool.Pool, t pool.Template, title string) error {
	var took []time.Duration
	for i := range coldRuns {
		t.Key = fmt.Sprint(title, i)
		if err := b.await(activeWait, func() (bool, error) { return p.Stats().Spares > 0, nil }); err != nil {
			return err
		}
		time.Sleep(spareWait)
		began := time.Now()
		if err := invokeInside(b.ctx, p, &t); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		p.Drop(t.Key)
	}
	b.report.add(lambdaPart, title, 1, load.Summarize(took, sum(took)))
	return nil
}

func invokeInside(ctx context.Context, p *pool.Pool, t *pool.Template) error {
	env, _, err := p.Acquire(ctx, t)
	if err != nil {
		return err
	}
	r, err := env.Invoke(ctx, pool.Invocation{RequestID: "bench", Payload: []byte("{}"), Timeout: time.Minute})
	p.Release(env, err == nil && r.Outcome.Healthy())
	if err == nil && r.Outcome != pool.Succeeded {
		err = fmt.Errorf("%v: %s %s", r.Outcome, r.Payload, r.LogTail)
	}
	return err
}
