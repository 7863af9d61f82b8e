// Package target is what benchmarks run against: a server process that they
// start and stop, and signed requests to it.
//
// It makes requests as bytes (Request.Bytes), to be sent many times by package
// load, and sends single ones itself (Server.Send) to prepare state.
package target

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"moln.dev/moln/aws/sigv4"
)

// The key that the servers are started with, and the region of everything.
const (
	AccessKey = "benchkey"
	SecretKey = "bench-secret-key-of-forty-characters-000"
	Region    = "us-east-1"
	Account   = "000000000000"
)

const (
	readyTimeout = 30 * time.Second
	readyPoll    = 500 * time.Microsecond
	stopTimeout  = 15 * time.Second
	sendTimeout  = 60 * time.Second
)

// Server is a process that answers AWS requests at Addr.
type Server struct {
	Addr    string
	Started time.Duration // from exec to the first answer of the ready page
	cmd     *exec.Cmd
	ended   chan error
	log     *bytes.Buffer
	client  http.Client
	stopped bool
	parents []int // processes whose children work for the server
}

// Launch says how to start a server; Ready is polled until it answers 2xx, or
// anything at all where AnyStatus is set.
type Launch struct {
	Command   []string // {addr}, {host} and {port} are replaced
	Dir       string
	Env       []string // beside the process's own
	Ready     string   // path
	AnyStatus bool
}

// At is a server that runs already; it cannot be stopped.
func At(addr string) *Server {
	return &Server{Addr: addr, client: http.Client{Timeout: sendTimeout, Transport: &http.Transport{Proxy: nil}}}
}

// Start starts a server on a free loopback port and waits until it is ready.
func Start(ctx context.Context, l Launch) (*Server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr)
	args := make([]string, len(l.Command))
	for i, a := range l.Command {
		args[i] = strings.NewReplacer("{addr}", addr, "{host}", host, "{port}", port).Replace(a)
	}
	s := At(addr)
	s.ended, s.log = make(chan error, 1), new(bytes.Buffer)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Dir, s.cmd.Env = l.Dir, append(os.Environ(), l.Env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	if err := s.awaitReady(ctx, l, began); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s: %w\n%s", args[0], err, s.log)
	}
	return s, nil
}

func (s *Server) awaitReady(ctx context.Context, l Launch, began time.Time) error {
	for time.Since(began) < readyTimeout {
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("ended: %v", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
		resp, err := s.client.Get("http://" + s.Addr + l.Ready)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if l.AnyStatus || resp.StatusCode/100 == 2 {
			s.Started = time.Since(began)
			return nil
		}
	}
	return errors.New("not ready in time")
}

// Pid is the process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// clockTick is the unit of times in /proc, the same on all of Linux.
const clockTick = 10 * time.Millisecond

// Count adds the children of a process to what CPU counts: a database's.
func (s *Server) Count(parent int) { s.parents = append(s.parents, parent) }

// CPU is the processor time that the process has used, of all its threads, with
// that of the processes that work for it.
func (s *Server) CPU() (time.Duration, error) {
	total, _, err := processTime(strconv.Itoa(s.Pid()))
	if err != nil || len(s.parents) == 0 {
		return total, err
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		// Those that have ended meanwhile count no more.
		if used, parent, err := processTime(filepath.Base(dir)); err == nil && slices.Contains(s.parents, parent) {
			total += used
		}
	}
	return total, nil
}

// processTime is the processor time of a process, and who started it.
func processTime(pid string) (used time.Duration, parent int, err error) {
	raw, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0, err
	}
	// The name, in parentheses, may hold anything. The parent is the second
	// field after it, user and system time are the twelfth and thirteenth.
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	var numbers [3]int64
	for i, field := range []string{f[1], f[11], f[12]} {
		if numbers[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return time.Duration(numbers[1]+numbers[2]) * clockTick, int(numbers[0]), nil
}

// Stop ends the process: politely, then not. It may be called again.
func (s *Server) Stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		s.cmd.Process.Kill()
		<-s.ended
	}
}

// Kill ends the process as a crash would.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Request is one request before it is signed. Service "" leaves it unsigned.
type Request struct {
	Service string
	Method  string // POST by default
	Path    string // "/" by default; may carry a query
	Host    string // where it is not the address
	Header  map[string]string
	Body    []byte
	Sum     string // hex SHA-256 of Body, where it is known
}

// JSON makes an awsJson request.
func JSON(service, prefix, operation string, in any) Request {
	body, err := json.Marshal(in)
	if err != nil {
		panic(err) // in is a literal of this program
	}
	return Request{Service: service, Body: body, Header: map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": prefix + "." + operation,
	}}
}

// REST makes a restJson request; in may be nil.
func REST(service, method, path string, in any) Request {
	r := Request{Service: service, Method: method, Path: path}
	if in == nil {
		return r
	}
	body, err := json.Marshal(in)
	if err != nil {
		panic(err) // in is a literal of this program
	}
	r.Body, r.Header = body, map[string]string{"Content-Type": "application/json"}
	return r
}

func (r Request) build(addr string) (*http.Request, error) {
	method, path := r.Method, r.Path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/"
	}
	req, err := http.NewRequest(method, "http://"+addr+path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	if r.Host != "" {
		req.Host = r.Host
	}
	req.Header.Set("User-Agent", "moln-bench")
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	if r.Service != "" {
		digest := r.Sum
		if digest == "" {
			sum := sha256.Sum256(r.Body)
			digest = hex.EncodeToString(sum[:])
		}
		sigv4.Sign(req, sigv4.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, Region, r.Service, digest, time.Now())
	}
	return req, nil
}

// Bytes is the signed request as it goes over the wire. A signature is good for
// a quarter of an hour.
func (r Request) Bytes(addr string) ([]byte, error) {
	req, err := r.build(addr)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = req.Write(&b)
	return b.Bytes(), err
}

// Head is the signed request without its body, which is to follow.
func (r Request) Head(addr string) ([]byte, error) {
	req, err := r.build(addr)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", req.Method, req.URL.RequestURI(), req.Host, len(r.Body))
	if err := req.Header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

// Send sends one request and decodes a JSON answer into out unless that is nil.
func (s *Server) Send(ctx context.Context, r Request, out any) error {
	req, err := r.build(s.Addr)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s%s: %s: %s", req.Method, req.URL.Path, r.Header["X-Amz-Target"], resp.Status, body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}
