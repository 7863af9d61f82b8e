package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"moln.dev/moln/bench/target"
)

// The floor of a warm invocation: a request that comes over HTTP, is handed on as
// a line over a socket to a process of the language that waits for it, and is
// answered with the line that comes back. Nothing is signed, judged, isolated,
// limited, counted or logged. As in Lambda a process has one request at a time;
// there are as many as there were requests at once, and the last used is used first.

const (
	bareCommand = "bare" // this program as the server
	lineCommand = "line" // and as the process behind it, of a function in Go
	bareSocket  = "bare.sock"
)

// bareLines are programs that answer each line with a line, over the socket that
// their argument names.
var bareLines = map[string][]string{
	"node": {"node", "-e", `const s = require('net').connect(process.argv[1]); s.on('data', () => s.write('"hi"\n')); s.on('close', () => process.exit())`},
	"python": {"python3", "-c", `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
while s.recv(65536): s.sendall(b'"hi"\n')`},
}

// bareServer starts the floor's server for the language of a function.
func (b *bench) bareServer(language string) (*target.Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := b.dir("bare-" + language)
	if err != nil {
		return nil, err
	}
	return target.Start(b.ctx, target.Launch{Command: []string{self, bareCommand, language, dir, "{addr}"}, Ready: "/ready"})
}

// bare hands requests to processes of one language.
type bare struct {
	command []string
	l       net.Listener
	starts  sync.Mutex // one process at a time connects

	mu   sync.Mutex
	idle []*bareProcess
}

type bareProcess struct {
	net.Conn
	answers *bufio.Reader
}

func serveBare(language, dir, addr string) error {
	command := bareLines[language]
	if command == nil {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		command = []string{self, lineCommand}
	}
	path := filepath.Join(dir, bareSocket)
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	b := &bare{command: append(command, path), l: l}
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", b.serve)
	return http.ListenAndServe(addr, mux)
}

func (b *bare) serve(w http.ResponseWriter, r *http.Request) {
	answer, err := b.invoke(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

func (b *bare) invoke(r *http.Request) ([]byte, error) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p, err := b.take()
	if err != nil {
		return nil, err
	}
	if _, err := p.Write(append(event, '\n')); err != nil {
		return nil, err
	}
	answer, err := p.answers.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.idle = append(b.idle, p)
	b.mu.Unlock()
	return answer, nil
}

// take returns a process that waits, else a new one.
func (b *bare) take() (*bareProcess, error) {
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		p := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		return p, nil
	}
	b.mu.Unlock()
	b.starts.Lock()
	defer b.starts.Unlock()
	cmd := exec.CommandContext(context.Background(), b.command[0], b.command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn, err := b.l.Accept()
	if err != nil {
		return nil, err
	}
	return &bareProcess{conn, bufio.NewReader(conn)}, nil
}

// answerLines is the process of a function in Go.
func answerLines(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for {
		if _, err := in.ReadSlice('\n'); err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		if _, err := io.WriteString(conn, "\"hi\"\n"); err != nil {
			return err
		}
	}
}
