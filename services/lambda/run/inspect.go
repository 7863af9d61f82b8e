package run

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/fn"
)

// inspectTimeout is how long a person may take over one event.
const inspectTimeout = 30 * time.Minute

// Inspect runs one event in an environment of its own, in which the language's
// debugger waits for a client before it loads the code. Clients find it at
// address, a loopback address of this host: the environment's network stays its
// own, and carries the debugger's connections out over a listener of ours.
func (e *Engine) Inspect(ctx context.Context, c *service.Call, inv Invocation, address string) (Result, error) {
	_, v, err := e.Target(ctx, inv.Ref)
	if err != nil {
		return Result{}, err
	}
	g, err := e.Guard()
	if err != nil {
		return Result{}, err
	}
	long := *v
	long.TimeoutS = int32(inspectTimeout / time.Second)
	l, err := e.build(ctx, c, g, inv.Ref, &long)
	if err != nil {
		return Result{}, err
	}
	if !runtimes.CanInspect(l.choice.Interpreter.Language) {
		return Result{}, fn.Invalid("moln has no debugger for %s: --inspect is for functions of Node.js and Python.", v.Runtime)
	}
	public, err := listenLoopback(address)
	if err != nil {
		return Result{}, err
	}
	defer public.Close()
	l.key += "/inspected/" + inv.RequestID
	l.template.Key = l.key
	defer g.Pool.Drop(l.key)
	l.template.Launch.Assignable = false // it starts as this function, with the variable below
	l.template.Env = maps.Clone(l.template.Env)
	l.template.Env[runtimes.InspectVariable] = runtimes.InspectReference(public.Addr().(*net.TCPAddr).Port)
	l.template.Listen = append([]string{runtimes.InspectAddress}, l.template.Listen...)
	serve := l.template.Serve
	l.template.Serve = func(addr string, guest net.Listener) {
		if addr == runtimes.InspectAddress {
			carry(public, guest)
		} else if serve != nil {
			serve(addr, guest)
		}
	}
	try := attempt{engine: e, guard: g, live: l, v: &long, inv: inv, init: inspectTimeout, last: true, bound: true}
	out, _, err := try.once(ctx)
	return out, err
}

// listenLoopback opens an address of this host that no other host reaches.
func listenLoopback(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	n, numErr := strconv.ParseUint(port, 10, 16)
	ip := net.ParseIP(host)
	if err != nil || numErr != nil || ip == nil || !ip.IsLoopback() || n == 0 {
		return nil, fn.Invalid("The debugger's address %s is not a loopback address with a port, such as 127.0.0.1:9229.", strconv.Quote(address))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fn.Invalid("The debugger's address cannot be used: %s.", strings.TrimSuffix(err.Error(), "."))
	}
	return l, nil
}

// carry gives each client of public the next connection that the guest offers.
// It ends when public is closed, which is when the invocation is over.
func carry(public, guest net.Listener) {
	for {
		client, err := public.Accept()
		if err != nil {
			return
		}
		inner, err := guest.Accept()
		if err != nil {
			_ = client.Close()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		go join(client, inner)
	}
}

// join copies both ways until both ends have said all.
func join(a, b net.Conn) {
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = a.Close()
			_ = b.Close()
		})
	}
	wg.Wait()
}
