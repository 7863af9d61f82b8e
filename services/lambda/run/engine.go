package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/pool"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/platform/resolver"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/code"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/host"
	"moln.dev/moln/services/lambda/image"
	"moln.dev/moln/services/lambda/logship"
	"moln.dev/moln/services/lambda/variables"
)

const (
	// sessionDuration is how long a function's credentials live, and
	// sessionMargin how long they must have left beside a whole invocation.
	sessionDuration = time.Hour
	sessionMargin   = 5 * time.Minute
	initTimeout     = 10 * time.Second
	// acquireTimeout is how long an invocation waits for an environment: a burst
	// of cold ones has to wait for the processors of this host.
	acquireTimeout = 30 * time.Second
	molnAddress    = "127.0.0.1:4566"
	tlsAddress     = "127.0.0.1:443"
	nameAddress    = "127.0.0.1:53"
	loopback       = "127.0.0.1"
	caFile         = "/var/runtime/moln-ca.pem"
	headerTimeout  = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	// headerBytesMax and guestConnections bound what one environment can make
	// moln hold; the latter is as many files as Lambda lets a function open.
	headerBytesMax   = 64 << 10
	guestConnections = 1024
	xrayHost         = "169.254.79.129"
	xrayPort         = "2000"
)

// Engine runs versions of functions in environments of the pool.
type Engine struct {
	deps      service.Deps
	store     fn.Store
	packages  *code.Packages
	variables variables.Box
	host      *host.Host
	shipper   *logship.Shipper
	images    *image.Images
	limits    limiter
	meters    *meters

	mu      sync.Mutex
	slots   map[fn.Ref]*slot
	started bool
	closed  bool
}

// slot holds what is prepared for one version.
type slot struct {
	mu   sync.Mutex
	live *live
}

// live is a version made ready to run (L3).
type live struct {
	key      string
	revision string
	until    time.Time
	template pool.Template
	session  service.Session
	choice   runtimes.Choice
}

// New starts nothing; the first invocation does.
func New(d service.Deps, st fn.Store, packages *code.Packages, h *host.Host) *Engine {
	return &Engine{
		deps: d, store: st, packages: packages, variables: variables.Box{Seal: d.Seal, IDs: d.Ident}, host: h, shipper: logship.New(d.Log), slots: map[fn.Ref]*slot{},
		limits: limiter{running: map[fn.Ref]int{}, provisioned: map[fn.Ref]int{}},
		meters: newMeters(d.Meter), images: image.New(d),
	}
}

// Close ends the environments and sends the rest of their logs.
func (e *Engine) Close() error {
	e.mu.Lock()
	started := e.started && !e.closed
	e.closed = true
	e.mu.Unlock()
	var err error
	if started {
		if g, hostErr := e.host.Guard(); hostErr == nil {
			err = g.Close()
		}
	}
	e.shipper.Close()
	return err
}

// RunningOf is how many invocations of a function with a reservation are under
// way, or of all others of the place where r has no name.
func (e *Engine) RunningOf(r fn.Ref) int { return e.limits.of(r) }

// RefusedLogs is how many batches of log lines could not be written.
func (e *Engine) RefusedLogs() int { return e.shipper.Refused() }

var errClosed = errors.New("lambda: shutting down")

// Guard is the sandbox and its pool, chosen at the first call.
func (e *Engine) Guard() (*host.Guard, error) {
	e.mu.Lock()
	closed := e.closed
	e.started = true
	e.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	g, err := e.host.Guard()
	if err != nil {
		return nil, api.ErrServiceException("moln cannot run functions: %s.", err)
	}
	return g, nil
}

// Forget drops what is ready for the version that r names, or for all versions of
// the function, which has changed or is gone. What runs goes on.
func (e *Engine) Forget(r fn.Ref) {
	e.mu.Lock()
	var gone []*slot
	for at, sl := range e.slots {
		if at.Place == r.Place && at.Name == r.Name && (r.Qualifier == "" || r.Qualifier == at.Qualifier) {
			gone = append(gone, sl)
			delete(e.slots, at)
		}
	}
	started := e.started
	e.mu.Unlock()
	if !started || len(gone) == 0 {
		return
	}
	g, err := e.host.Guard()
	if err != nil {
		return
	}
	for _, sl := range gone {
		sl.mu.Lock() // a version that is being made ready is waited for
		if sl.live != nil {
			g.Pool.Drop(sl.live.key)
		}
		sl.mu.Unlock()
	}
}

// prepare makes a version ready, or returns what is.
func (e *Engine) prepare(ctx context.Context, c *service.Call, g *host.Guard, r fn.Ref, v *fn.Config) (*live, error) {
	at := fn.At(r.Place, r.Name, v.Version)
	e.mu.Lock()
	sl := e.slots[at]
	if sl == nil {
		sl = &slot{}
		e.slots[at] = sl
	}
	e.mu.Unlock()
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if l := sl.live; l != nil && l.revision == v.Revision && c.Now.Before(l.until) {
		return l, nil
	}
	fresh, err := e.build(ctx, c, g, r, v)
	if err != nil {
		return nil, err
	}
	if old := sl.live; old != nil {
		g.Pool.Drop(old.key)
	}
	sl.live = fresh
	return fresh, nil
}

func (e *Engine) build(ctx context.Context, c *service.Call, g *host.Guard, r fn.Ref, v *fn.Config) (*live, error) {
	m, err := e.material(ctx, r, v)
	if err != nil {
		return nil, err
	}
	ses, err := e.Assume(ctx, e.deps.System(r.Account, r.Region), r, v.Role)
	if err != nil {
		return nil, err
	}
	own, err := e.variables.ForRun(ctx, e.deps.System(r.Account, r.Region).As(ses.Principal), r, v)
	if err != nil {
		return nil, err
	}
	l := &live{
		// The session makes the key new whenever the credentials are.
		key:      strings.Join([]string{r.Account, r.Region, r.Name, v.Version, v.Revision, ses.AccessKeyID}, "/"),
		revision: v.Revision, until: ses.Expires.Add(-sessionMargin - v.Timeout()), session: ses, choice: m.choice,
	}
	l.template = pool.Template{
		Key: l.key, Launch: m.choice.Launch, CodeDir: m.codeDir, LayerDir: m.layerDir, Root: m.root, Dir: m.dir, Extensions: m.extensions,
		Handler: m.handler, Env: e.environment(r, v, ses, own, g),
		MemoryBytes: v.MemoryBytes(), TmpBytes: int64(v.EphemeralMB) << 20, InitTimeout: initTimeout, Network: g.Network,
		CPUWeight: cpuMilli(v.MemoryMB),
		Identity: pool.Identity{
			Name: v.Name, Version: v.Version, Account: r.Account, Runtime: v.Runtime, InitType: onDemand,
			JSONLogs: v.LogFormat == api.LogFormatJson,
		},
		Each: func(t *pool.Template) { e.furnish(t, r, v, l) },
	}
	if g.CPUQuota {
		l.template.CPUMilli = cpuMilli(v.MemoryMB)
	}
	if g.Private() {
		e.connect(&l.template, r.Region)
	}
	return l, nil
}

// memoryPerCore is the memory with which AWS gives a function one core
// (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
const memoryPerCore = 1769

// cpuMilli is a function's share of cores, in thousandths of one.
func cpuMilli(memoryMB int32) int { return int(memoryMB) * 1000 / memoryPerCore }

// material is what a version is made of, on this host.
type material struct {
	choice            runtimes.Choice
	handler           string
	codeDir, layerDir string   // of a package
	root, dir         string   // of an image
	extensions        []string // in the layers, or in the image
}

// material finds what a version is made of.
func (e *Engine) material(ctx context.Context, r fn.Ref, v *fn.Config) (m material, err error) {
	if v.Image != nil {
		return e.imageMaterial(ctx, r, v)
	}
	m.handler = v.Handler
	if m.choice, err = e.Resolve(v.Runtime); err != nil {
		return m, err
	}
	if err := checkVersion(r, v, m.choice); err != nil {
		return m, err
	}
	if m.codeDir, err = e.packages.Open(ctx, v); err != nil {
		return m, err
	}
	if m.layerDir, err = e.packages.OpenLayers(ctx, v); err == nil {
		m.extensions = pool.ExtensionsIn(m.layerDir)
	}
	return m, err
}

// environment is the function's whole environment. What the owner set cannot
// replace what the platform reserves, and replaces everything else.
func (e *Engine) environment(r fn.Ref, v *fn.Config, ses service.Session, own map[string]string, g *host.Guard) map[string]string {
	env := map[string]string{
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		// Where AWS has the daemon. Here nobody listens there: no trace that
		// moln hands out is sampled.
		"AWS_XRAY_DAEMON_ADDRESS": xrayHost + ":" + xrayPort, "_AWS_XRAY_DAEMON_ADDRESS": xrayHost, "_AWS_XRAY_DAEMON_PORT": xrayPort,
		"AWS_ENDPOINT_URL": e.deps.Site.Endpoint,
	}
	// Layers are laid out for the version asked for, whatever runs it.
	if major, ok := strings.CutPrefix(strings.TrimSuffix(v.Runtime, ".x"), "nodejs"); ok && len(v.Layers) > 0 {
		env["NODE_PATH"] = "/opt/nodejs/node" + major + "/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"
	}
	if g.Private() {
		env["AWS_ENDPOINT_URL"] = "http://" + molnAddress
		if e.tls() {
			for _, name := range []string{"MOLN_CA_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
				env[name] = caFile
			}
		}
	}
	maps.Copy(env, own)
	platform := map[string]string{
		"AWS_REGION": r.Region, "AWS_DEFAULT_REGION": r.Region,
		"AWS_ACCESS_KEY_ID": ses.AccessKeyID, "AWS_SECRET_ACCESS_KEY": ses.SecretAccessKey, "AWS_SESSION_TOKEN": ses.SessionToken,
		"AWS_LAMBDA_FUNCTION_NAME": v.Name, "AWS_LAMBDA_FUNCTION_VERSION": v.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(v.MemoryMB)), "AWS_LAMBDA_INITIALIZATION_TYPE": onDemand,
		"AWS_LAMBDA_LOG_GROUP_NAME": v.Group(), "AWS_LAMBDA_LOG_FORMAT": v.LogFormat,
	}
	if v.LogFormat == api.LogFormatJson {
		platform["AWS_LAMBDA_LOG_LEVEL"] = v.AppLevel
	}
	if v.Image == nil && !strings.HasPrefix(v.Runtime, "provided") {
		platform["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + v.Runtime
	}
	maps.Copy(env, platform)
	return env
}

// tls says that moln can stand in for AWS's own host names.
func (e *Engine) tls() bool {
	return e.deps.Site.ServeTLS != nil && len(e.deps.Site.CAPEM) > 0
}

// connect lets moln answer inside the function's own network: at a plain
// address, and in the place of AWS's hosts.
func (e *Engine) connect(t *pool.Template, region string) {
	site := e.deps.Site
	if site.Handler == nil {
		return
	}
	t.Listen = []string{molnAddress}
	if e.tls() {
		t.Listen = append(t.Listen, tlsAddress)
		t.Files = map[string][]byte{caFile: site.CAPEM}
		// For resolvers that know no connections: musl's.
		t.Hosts = awsHosts(region)
	}
	if e.tls() && site.AWSHost != nil {
		t.Listen = append(t.Listen, nameAddress)
		t.Files["/etc/resolv.conf"] = resolver.Config(loopback)
	}
	t.Serve = func(addr string, l net.Listener) {
		if l == nil {
			return
		}
		l = netutil.LimitListener(l, guestConnections)
		switch addr {
		case tlsAddress:
			_ = site.ServeTLS(l)
			return
		case nameAddress:
			names := resolver.Server{Owns: site.AWSHost, Address: netip.MustParseAddr(loopback).As4()}
			names.Serve(l)
			return
		}
		// It ends with its listener, when the environment ends.
		srv := &http.Server{Handler: site.Handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax}
		_ = srv.Serve(l)
	}
}

// regionalHosts and globalHosts are the services whose AWS host names lead to
// moln inside an environment.
var (
	regionalHosts = []string{
		"apigateway", "appconfig", "cloudformation", "cognito-identity", "cognito-idp", "dynamodb", "ecr", "email", "events",
		"execute-api", "firehose", "iam", "kinesis", "kms", "lambda", "logs", "monitoring", "s3", "scheduler", "secretsmanager", "ses",
		"sns", "sqs", "ssm", "states", "streams.dynamodb", "sts", "xray",
	}
	globalHosts = []string{"iam.amazonaws.com", "sts.amazonaws.com", "s3.amazonaws.com"}
)

func awsHosts(region string) map[string]string {
	out := make(map[string]string, len(regionalHosts)+len(globalHosts))
	for _, name := range regionalHosts {
		out[name+"."+region+".amazonaws.com"] = loopback
	}
	for _, name := range globalHosts {
		out[name] = loopback
	}
	// Where custom resources put their answers.
	out["cloudformation-custom-resource-response-"+strings.ReplaceAll(region, "-", "")+".s3."+region+".amazonaws.com"] = loopback
	return out
}

// stream makes a log stream for an environment of a version.
func (e *Engine) stream(r fn.Ref, v *fn.Config, l *live) *logship.Stream {
	return e.shipper.Open(&logship.Stream{
		Group: v.Group(), Subject: r.Unqualified().ARN(),
		Name: e.deps.Clock.Now().UTC().Format("2006/01/02") + "/[" + v.Version + "]" + e.deps.Ident.Hex(16),
		Call: func() *service.Call { return e.deps.System(r.Account, r.Region).As(l.session.Principal) },
	})
}

// furnish gives a new environment of a version a log stream, which is its Owner.
func (e *Engine) furnish(t *pool.Template, r fn.Ref, v *fn.Config, l *live) {
	st := e.stream(r, v, l)
	t.Env = maps.Clone(t.Env)
	t.Env["AWS_LAMBDA_LOG_STREAM_NAME"] = st.Name
	t.Log = func(rec pool.LogRecord) { st.Add(rec.Time, rec.Line) }
	t.Identity.Instance, t.Event, t.Owner = st.Name, e.hear(v, st), st
}

// acquire gets an environment and the log stream it writes to.
func (e *Engine) acquire(ctx context.Context, g *host.Guard, inv Invocation, l *live, init time.Duration) (*pool.Env, *logship.Stream, error) {
	t := &l.template
	if inv.Tenant != "" || init != t.InitTimeout {
		own := *t
		own.InitTimeout = init
		if inv.Tenant != "" {
			own.Key += "/" + inv.Tenant // tenants share nothing
		}
		t = &own
	}
	if env := g.Pool.Warm(ctx, t); env != nil {
		return env, env.Owner().(*logship.Stream), nil
	}
	wait, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	env, cold, err := g.Pool.Acquire(wait, t)
	switch {
	case errors.Is(err, pool.ErrBusy), errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		e.meters.throttled(reasonConcurrent)
		return nil, nil, fn.Throttled(reasonConcurrent)
	case errors.Is(err, pool.ErrClosed):
		return nil, nil, api.ErrServiceException("moln is shutting down.")
	case errors.Is(err, sandbox.ErrNoRoot):
		return nil, nil, api.ErrServiceException("moln cannot run container images here: the sandbox gives functions no root of their own.")
	case err != nil:
		return nil, nil, fmt.Errorf("environment for %s: %w", inv.Ref.ARN(), err)
	}
	st := env.Owner().(*logship.Stream)
	if cold && l.choice.Warning != "" {
		st.Add(e.deps.Clock.Now(), "[moln] "+l.choice.Warning)
	}
	return env, st, nil
}

// RealNow is the host's time: deadlines of processes do not follow an account's
// clock.
func RealNow() time.Time { return clock.System().Now() }
