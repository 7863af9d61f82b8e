package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moln.dev/moln/engine/bell"
	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/gateway"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/tokens"
	"moln.dev/moln/services/lambda"
)

// shutdownGrace is how long requests in flight may take to end.
const shutdownGrace = 10 * time.Second

// Server is one moln.
type Server struct {
	cfg     Config
	log     *slog.Logger
	clock   *clock.Virtual
	ident   *ident.Source
	metrics *observe.Registry
	db      *kv.DB
	blobs   *blob.Store
	sched   *sched.Scheduler
	sealer  *seal.Sealer
	// rootMade says that this start made the root key.
	rootMade bool
	audit    *audit.Log
	ca       *authority
	mailbox  *mail.Mailer
	funcs    functions.Broker
	bell     bell.Bell
	inspect  func(context.Context, lambda.Inspection) (lambda.Inspected, error)
	tokens   tokens.Broker

	clockMu sync.Mutex
	ahead   time.Duration // how far clock is ahead of the machine's

	gateway     atomic.Pointer[gateway.Gateway]
	definitions []service.Definition
	scopes      []string // of blobs, one per service
	scrubbing   sync.Mutex
	closers     []func() error // run in reverse
	scratch     string         // removed at shutdown when ephemeral

	listener net.Listener
	http     *http.Server
	ready    atomic.Bool
	memory   memory
	workers  sync.WaitGroup
	stop     context.CancelFunc
	failed   chan error
}

// Open makes a server and starts to listen; Serve answers. The error says what
// to do about it.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	if err := cfg.normalise(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: log, failed: make(chan error, 1)}
	ok := false
	defer func() {
		if !ok {
			s.close()
		}
	}()
	// The port comes first: "already running" is the most common mistake, and
	// nothing has been touched yet.
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, listenError(cfg.Listen, err)
	}
	s.listener = l
	s.closers = append(s.closers, l.Close)
	if err := s.openEngines(ctx); err != nil {
		return nil, err
	}
	if err := s.openServices(ctx); err != nil {
		return nil, err
	}
	ok = true
	return s, nil
}

func listenError(addr string, err error) error {
	if strings.Contains(err.Error(), "address already in use") {
		return fmt.Errorf("%s is taken: another program, or another moln, listens there; stop it or choose --listen", addr)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// Endpoint is the base URL of this server.
func (s *Server) Endpoint() string {
	scheme := "http"
	if s.cfg.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// MadeRoot gives the root key, if this start has made it.
func (s *Server) MadeRoot() (access, secret string, ok bool) {
	return s.cfg.RootAccessKey, s.cfg.RootSecretKey, s.rootMade
}

// port is the listener's.
func (s *Server) port() string {
	addr := s.listener.Addr().String()
	return addr[strings.LastIndexByte(addr, ':')+1:]
}

// CAFile is where the authority's certificate lies.
func (s *Server) CAFile() string { return filepath.Join(s.dir(), "ca.pem") }

// dir is where files go: the data directory, or the scratch one.
func (s *Server) dir() string {
	if s.scratch != "" {
		return s.scratch
	}
	return s.cfg.DataDir
}

// Definitions are the services of this server, as the gateway has them.
func (s *Server) Definitions() []service.Definition { return s.definitions }

// Close releases a server that was opened and not served.
func (s *Server) Close() error { return s.close() }

// Call makes a call that runs inside this server, for tests of the tree.
func (s *Server) Call(account, region string) *service.Call { return s.system(account, region) }

func (s *Server) openServices(ctx context.Context) error {
	defs, asm, err := s.makeServices(ctx)
	if err != nil {
		return err
	}
	s.definitions = defs
	g, err := gateway.New(gateway.Config{
		Services: defs, Directory: asm.directory, Assumer: asm.assumer, Clock: s.clock, Wall: clock.System(), Ident: s.ident,
		Log: s.log, Metrics: s.metrics, Audit: s.audit, Account: s.cfg.Account,
		Suffixes: []string{"localhost"}, TrustProxies: s.cfg.TrustProxies,
	})
	if err != nil {
		return err
	}
	s.gateway.Store(g)
	return nil
}

// handler is everything that the port answers.
func (s *Server) handler() http.Handler {
	admin := s.admin()
	gw := s.gateway.Load()
	px := newProxy(s.ca, gw, s.cfg.ProxyAllow, s.port())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			px.connect(w, r)
		case r.URL.IsAbs():
			px.absolute(w, r)
		case strings.HasPrefix(r.URL.Path, adminPrefix):
			admin.ServeHTTP(w, r)
		default:
			gw.ServeHTTP(w, r)
		}
	})
}

// Serve answers until ctx ends, then shuts down in order.
func (s *Server) Serve(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = cancel
	s.startWorkers(run)
	s.http = &http.Server{
		Handler: s.memory.count(s.handler()), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	l := s.listener
	if s.cfg.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.cfg.TLSCert, s.cfg.TLSKey)
		if err != nil {
			cancel()
			return fmt.Errorf("TLS certificate: %w", err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(l) }()
	s.ready.Store(true)
	var err error
	select {
	case <-ctx.Done():
	case err = <-done:
	case err = <-s.failed:
	}
	s.ready.Store(false)
	grace, cancelGrace := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancelGrace()
	s.http.Shutdown(grace)
	cancel()
	s.workers.Wait()
	if cerr := s.close(); err == nil {
		err = cerr
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

func (s *Server) startWorkers(ctx context.Context) {
	run := func(name string, f func(context.Context) error) {
		s.workers.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				select {
				case s.failed <- fmt.Errorf("worker %s: %w", name, err):
				default:
				}
			}
		})
	}
	run("scheduler", s.sched.Run)
	run("memory", s.memory.run)
	for _, d := range s.definitions {
		for _, w := range d.Workers {
			run(d.Schema.Name+" "+w.Name, w.Run)
		}
	}
}

func (s *Server) close() error {
	var first error
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil && first == nil && !errors.Is(err, net.ErrClosed) {
			first = err
		}
	}
	s.closers = nil
	if s.scratch != "" {
		os.RemoveAll(s.scratch)
	}
	return first
}

// system makes a call for background work; the caller sets its principal.
func (s *Server) system(account, region string) *service.Call {
	id := s.ident.RequestID()
	return service.NewCall(s.gateway.Load(), service.Call{
		Caller: identity.Anonymous(), Account: account, Region: region,
		RequestID: id, Now: s.clock.Now(), Log: s.log.With("request", id),
	})
}

func (s *Server) kvHealth(ctx context.Context) error {
	_, err := s.db.Get(ctx, []byte("health"))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}

func pid() int { return os.Getpid() }
