// Package host finds what this machine offers for running functions: language
// interpreters, and the sandbox to run them in, with its pool.
//
// It runs nothing by itself and knows no function.
package host

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
	"moln.dev/moln/runtimes"
)

// Options say what to use.
type Options struct {
	// Sandbox is the driver: "" for the best that this host allows, "ns",
	// "process", or "none" to run nothing.
	Sandbox string
	// Strict refuses to run functions with less than "ns".
	Strict bool
	// Egress is what functions may reach besides moln: "none" (and "") or
	// "host", everything that the host reaches.
	Egress string
	// RuntimesDir is a further directory, or pattern of directories, with
	// interpreters.
	RuntimesDir string
	// CacheDir is where what is known of interpreters is kept; "" for the
	// service's own directory.
	CacheDir string
}

// Host is what this machine offers. Everything is looked for at first need.
type Host struct {
	clock   clock.Clock
	log     *slog.Logger
	options Options

	// Finder looks for interpreters, each language at its first function.
	Finder *runtimes.Finder
	// Guard is the sandbox, chosen once.
	Guard func() (*Guard, error)
}

// Guard is the chosen sandbox driver with its pool.
type Guard struct {
	Driver  sandbox.Driver
	Pool    *pool.Pool
	Network sandbox.Network
	closers []func() error
}

// New returns a Host that has not looked yet.
func New(c clock.Clock, log *slog.Logger, opts Options) *Host {
	h := &Host{clock: c, log: log, options: opts}
	h.Finder = runtimes.HostFinder(opts.RuntimesDir, opts.CacheDir)
	h.Guard = sync.OnceValues(h.choose)
	return h
}

// Resolve finds what runs a runtime identifier. Its errors are runtimes' own.
func (h *Host) Resolve(identifier string) (runtimes.Choice, error) {
	return h.Finder.Resolve(identifier)
}

// choose picks the sandbox driver. What it gives up is said, or refused.
func (h *Host) choose() (*Guard, error) {
	g := &Guard{}
	switch h.options.Egress {
	case "", "none":
	case "host":
		g.Network = sandbox.NetworkHost
	default:
		return nil, fmt.Errorf("egress %q is neither none nor host", h.options.Egress)
	}
	switch h.options.Sandbox {
	case "none":
		return nil, errNoSandbox
	case "process":
		if h.options.Strict {
			return nil, errors.New("strict isolation and the process driver exclude each other")
		}
		g.Driver = procsandbox.Driver{}
	case "", "ns":
		if err := h.useNamespaces(g); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("there is no sandbox driver %q", h.options.Sandbox)
	}
	g.Pool = pool.New(pool.Config{Driver: g.Driver, Clock: h.clock, Logger: h.log})
	return g, nil
}

var errNoSandbox = errors.New("this moln was told to run no functions")

// useNamespaces takes the namespace driver, or, where it does not work and
// nothing forbids it, the process driver.
func (h *Host) useNamespaces(g *Guard) error {
	d, why := namespaceDriver()
	if d != nil {
		g.Driver = d
		if closer, ok := d.(interface{ Close() error }); ok {
			g.closers = append(g.closers, closer.Close)
		}
		return nil
	}
	if h.options.Strict || h.options.Sandbox == "ns" {
		return fmt.Errorf("functions cannot be isolated on this host: %s", why)
	}
	h.log.Warn("functions run as plain processes, nothing isolates them", "why", why)
	g.Driver = procsandbox.Driver{}
	return nil
}

// probeText is the first thing that is missing.
func probeText(c sandbox.Capabilities) string {
	for _, one := range c.List {
		if !one.OK {
			return one.Name + ": " + one.Detail
		}
	}
	return "the driver does not work here"
}

// Close ends every environment and frees what the driver holds.
func (g *Guard) Close() error {
	g.Pool.Close()
	var errs []error
	for _, f := range g.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Private says that functions have a network of their own, in which moln can
// listen where it likes.
func (g *Guard) Private() bool {
	return g.Driver.Name() == "ns" && g.Network != sandbox.NetworkHost
}
