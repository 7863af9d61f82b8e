package lambda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/procsandbox"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/runtimes"
)

// host is what this machine offers: interpreters and a sandbox. Both are looked
// for at first need.
type host struct {
	deps    service.Deps
	options Options

	interpreters func() []runtimes.Interpreter
	sandbox      func() (*guard, error)
}

// guard is the chosen sandbox driver with its pool.
type guard struct {
	driver  sandbox.Driver
	pool    *pool.Pool
	network sandbox.Network
	closers []func() error
}

func newHost(d service.Deps, opts Options) *host {
	h := &host{deps: d, options: opts}
	h.interpreters = sync.OnceValue(h.discover)
	h.sandbox = sync.OnceValues(h.choose)
	return h
}

// discover asks the interpreters of this host for their versions.
func (h *host) discover() []runtimes.Interpreter {
	home, _ := os.UserHomeDir()
	dirs := runtimes.UsualDirs(home)
	if h.options.RuntimesDir != "" {
		dirs = append([]string{h.options.RuntimesDir, h.options.RuntimesDir + "/*/bin"}, dirs...)
	}
	return runtimes.Discover(context.Background(), os.Getenv("PATH"), dirs)
}

// resolve finds what runs a runtime identifier, or the fault that says why
// nothing does.
func (h *host) resolve(identifier string) (runtimes.Choice, error) {
	c, err := runtimes.Resolver{Interpreters: h.interpreters()}.Resolve(identifier)
	var unknown *runtimes.UnknownError
	var missing *runtimes.MissingError
	switch {
	case errors.As(err, &unknown):
		return c, unknownRuntime(identifier)
	case errors.As(err, &missing):
		return c, invalid("moln cannot run %s here: %s.", identifier, missing.Need)
	}
	return c, err
}

// choose picks the sandbox driver. What it gives up is said, or refused.
func (h *host) choose() (*guard, error) {
	g := &guard{}
	switch h.options.Egress {
	case "", "none":
	case "host":
		g.network = sandbox.NetworkHost
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
		g.driver = procsandbox.Driver{}
	case "", "ns":
		if err := h.useNamespaces(g); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("there is no sandbox driver %q", h.options.Sandbox)
	}
	g.pool = pool.New(pool.Config{Driver: g.driver, Clock: h.deps.Clock, Logger: h.deps.Log})
	return g, nil
}

var errNoSandbox = errors.New("this moln was told to run no functions")

// useNamespaces takes the namespace driver, or, where it does not work and
// nothing forbids it, the process driver.
func (h *host) useNamespaces(g *guard) error {
	d, why := namespaceDriver()
	if d != nil {
		g.driver = d
		if closer, ok := d.(interface{ Close() error }); ok {
			g.closers = append(g.closers, closer.Close)
		}
		return nil
	}
	if h.options.Strict || h.options.Sandbox == "ns" {
		return fmt.Errorf("functions cannot be isolated on this host: %s", why)
	}
	h.deps.Log.Warn("functions run as plain processes, nothing isolates them", "why", why)
	g.driver = procsandbox.Driver{}
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

func (g *guard) close() error {
	g.pool.Close()
	var errs []error
	for _, f := range g.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// private says that functions have a network of their own, in which moln can
// listen where it likes.
func (g *guard) private() bool {
	return g.driver.Name() == "ns" && g.network != sandbox.NetworkHost
}
