// Package host finds what this machine offers for running functions: language
// interpreters, and the sandbox to run them in, with its pool.
//
// It runs nothing by itself and knows no function.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/ocisandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
	"moln.dev/moln/runtimes"
)

// Options say what to use.
type Options struct {
	// Sandbox is the driver: "" for moln's own namespaces, where they cannot be
	// had an error (and off Linux, plain processes with a warning); "ns" for
	// them and nothing else; "process" for plain processes; "none" to run
	// nothing; else an OCI runtime by name or path.
	Sandbox string
	// Strict refuses to run functions with less than "ns".
	Strict bool
	// CPULimits is "aws" to hold each environment to the share of a core that
	// AWS gives its memory; "none" (and "") divides cores by that share only
	// when they are short.
	CPULimits string
	// Egress is what functions may reach besides moln: "none" (and "") or
	// "host", everything that the host reaches.
	Egress string
	// RuntimesDir is a further directory, or pattern of directories, with
	// interpreters.
	RuntimesDir string
	// PackagesDir has what all functions of a language find: node_modules,
	// and python as pip's --target makes it. "" for none.
	PackagesDir string
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
	// CPUQuota says that the share of a core is a limit too.
	CPUQuota bool
	closers  []func() error
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
	c, err := h.Finder.Resolve(identifier)
	if err == nil && h.options.PackagesDir != "" {
		c = c.WithPackages(h.options.PackagesDir)
	}
	return c, err
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
	switch h.options.CPULimits {
	case "", "none":
	case "aws":
		g.CPUQuota = true
	default:
		return nil, fmt.Errorf("CPU limits %q are neither none nor aws", h.options.CPULimits)
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
		d, err := ocisandbox.New(h.options.Sandbox)
		if err != nil {
			return nil, err
		}
		if err := h.use(g, d); err != nil {
			return nil, fmt.Errorf("functions cannot be isolated by %s: %w", h.options.Sandbox, err)
		}
	}
	g.Pool = pool.New(pool.Config{Driver: g.Driver, Clock: h.clock, Logger: h.log})
	return g, nil
}

var errNoSandbox = errors.New("this moln was told to run no functions")

// useNamespaces takes the namespace driver. Where it does not work, nothing else
// is taken unasked, except on systems that never had it.
func (h *Host) useNamespaces(g *Guard) error {
	d, err := namespaceDriver()
	if err == nil {
		err = h.use(g, d)
	}
	if err == nil {
		return nil
	}
	if h.options.Strict || h.options.Sandbox == "ns" || runtime.GOOS == "linux" {
		return fmt.Errorf("functions cannot be isolated on this host: %w (moln doctor tells more; --sandbox=process runs them with nothing to hold them)", err)
	}
	h.log.Warn("functions run as plain processes, nothing isolates them", "why", err)
	g.Driver = procsandbox.Driver{}
	return nil
}

// closer is a driver that holds something on the host.
type closer interface {
	sandbox.Driver
	Close() error
}

const probeTimeout = 15 * time.Second

// use takes a driver if it works here, and says what it does not enforce.
func (h *Host) use(g *Guard, d closer) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	c := d.Probe(ctx)
	if !c.Usable {
		return errors.Join(errors.New(probeText(c)), d.Close())
	}
	g.Driver, g.closers = d, append(g.closers, d.Close)
	var missing []string
	for _, one := range c.List {
		if !one.OK {
			missing = append(missing, one.Name+": "+one.Detail)
		}
	}
	h.log.Info("functions are isolated", "sandbox", d.Name(), "givenUp", missing)
	return nil
}

// Known reports a name that no sandbox has, before anything is started.
func Known(name string) error {
	switch name {
	case "", "auto", "ns", "process", "none":
		return nil
	}
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("there is no sandbox %q: neither auto, ns, process nor none, and as an OCI runtime: %w", name, err)
	}
	return nil
}

// Demands says that running functions with anything less than asked, or not at
// all, is to be a failure at start.
func (o Options) Demands() bool {
	return o.Strict || (o.Sandbox != "" && o.Sandbox != "none")
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
	return g.Driver.Name() != procsandbox.Name && g.Network != sandbox.NetworkHost
}
