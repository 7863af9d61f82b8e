package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/engine/blob/driver"
	"moln.dev/moln/engine/blob/filesblob"
	"moln.dev/moln/engine/blob/memblob"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/open"
	"moln.dev/moln/engine/observe"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/service"
)

// dirMode keeps other users of the machine out of state and keys.
const dirMode = 0o700

// openEngines opens what services are made from, cheapest mistakes first.
func (s *Server) openEngines(ctx context.Context) error {
	if err := s.openDir(); err != nil {
		return err
	}
	s.clock = clock.NewVirtual(clock.System())
	s.ident = ident.New(nil, s.clock)
	s.metrics = observe.NewRegistry()
	if err := s.openStore(ctx); err != nil {
		return err
	}
	var err error
	if s.sealer, err = s.openSeal(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.openRoot, s.restoreClock, s.openCA, s.openBlobs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	auditDir := s.cfg.DataDir
	if s.audit, err = audit.New(auditDir); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.audit.Close(); return nil })
	s.sched = sched.New(s.db.Scope([]byte("sched/")), s.clock, s.ident, s.log)
	return s.openMail()
}

func (s *Server) openDir() error {
	if s.cfg.Ephemeral {
		dir, err := os.MkdirTemp("", "moln-")
		if err != nil {
			return err
		}
		s.scratch = dir
		return nil
	}
	if err := os.MkdirAll(s.cfg.DataDir, dirMode); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

func (s *Server) openStore(ctx context.Context) error {
	where := s.cfg.Store
	switch {
	case where == "" && s.cfg.Ephemeral:
		where = "mem:"
	case where == "":
		where = "pebble:" + filepath.Join(s.cfg.DataDir, "store")
	}
	db, err := open.Open(ctx, where)
	if err != nil {
		return s.storeError(err)
	}
	s.db = db
	s.closers = append(s.closers, db.Close)
	return nil
}

// restoreClock moves the account's clock as far ahead as it was.
func (s *Server) restoreClock(ctx context.Context) error {
	v, err := s.db.Get(ctx, clockKey)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ahead, err := time.ParseDuration(string(v))
	if err != nil {
		return fmt.Errorf("stored clock: %w", err)
	}
	s.ahead = ahead
	s.clock.Advance(ahead)
	return nil
}

// errSharedClock: leases of jobs and stacks are times of the account's clock,
// so a node whose clock is moved would lose what it is doing to the others.
var errSharedClock = errors.New("the clock of a store that several nodes may share (--store postgres://…) cannot be moved; moln on an embedded store can")

// advance moves the account's clock forward, durably.
func (s *Server) advance(ctx context.Context, d time.Duration) error {
	if s.cfg.sharedStore() && d > 0 {
		return errSharedClock
	}
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	if err := s.db.Put(ctx, clockKey, []byte((s.ahead + d).String())); err != nil {
		return err
	}
	s.ahead += d
	s.clock.Advance(d)
	return nil
}

// storeError says what to do about a store that cannot be opened.
func (s *Server) storeError(err error) error {
	switch {
	case errors.Is(err, kv.ErrLocked):
		return fmt.Errorf("%w; stop the moln that uses %s, or choose another --data-dir", err, s.cfg.DataDir)
	case errors.Is(err, kv.ErrNewerFormat):
		return fmt.Errorf("%w; run the newer moln that wrote %s, or restore a backup of this version", err, s.cfg.DataDir)
	case errors.Is(err, kv.ErrCorrupt):
		return fmt.Errorf("%w; nothing was changed: restore %s from a backup, or move it away to start empty", err, s.cfg.DataDir)
	}
	return fmt.Errorf("open the store: %w", err)
}

func (s *Server) openBlobs(ctx context.Context) error {
	d, err := s.blobDriver()
	if err != nil {
		return fmt.Errorf("open the blob store: %w", err)
	}
	s.blobs = blob.New(d, s.ident)
	s.closers = append(s.closers, s.blobs.Close)
	return s.tieBlobs(ctx)
}

func (s *Server) blobDriver() (driver.Driver, error) {
	switch {
	case s.cfg.Blobs != "":
		return s3Blobs(s.cfg.Blobs)
	case s.cfg.Ephemeral:
		return memblob.New(), nil
	}
	return filesblob.Open(filepath.Join(s.cfg.DataDir, "blobs"))
}

// openMail opens the mailbox, and the mail server where there is one.
func (s *Server) openMail() error {
	cfg := mail.Config{Allow: s.adminAllowed}
	if s.cfg.SMTP != "" {
		u, err := url.Parse(s.cfg.SMTP)
		if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") {
			return fmt.Errorf("mail server %q is not smtp://user:password@host:port", s.cfg.SMTP)
		}
		port, _ := strconv.Atoi(u.Port())
		password, _ := u.User.Password()
		cfg.SMTP = &mail.SMTP{Host: u.Hostname(), Port: port, Username: u.User.Username(), Password: password, From: s.cfg.MailFrom, TLS: mail.TLSStart}
		if u.Scheme == "smtps" {
			cfg.SMTP.TLS = mail.TLSImplicit
		}
		if isLoopback(u.Hostname()) && u.User == nil {
			cfg.SMTP.TLS = mail.TLSNone
		}
	}
	m, err := mail.New(s.db.Scope([]byte("mail/")), s.clock, cfg)
	s.mailbox = m
	return err
}

// deps gives a service its engines, scoped to it.
func (s *Server) deps(name string) service.Deps {
	s.scopes = append(s.scopes, name)
	return service.Deps{
		KV: s.db.Scope([]byte("svc/" + name + "/")), Blobs: s.blobs.Scope(name), Clock: s.clock, Ident: s.ident,
		Sched: s.sched, Seal: s.sealer, Log: s.log.With("service", name), Meter: s.metrics,
		Bell: &s.bell, Functions: &s.funcs, System: s.system, DataDir: filepath.Join(s.dir(), "work", name),
		Site: service.Site{
			Endpoint: s.Endpoint(), Port: s.port(), WebsiteDomains: s.cfg.WebsiteDomains, CAPEM: s.ca.pem,
			Handler: s.inner(), ServeTLS: s.serveTLS, AWSHost: isAWSHost,
		},
	}
}
