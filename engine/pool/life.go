package pool

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"moln.dev/moln/engine/pool/extension"
	"moln.dev/moln/engine/pool/runtimeapi"
	"moln.dev/moln/engine/pool/telemetry"
	"moln.dev/moln/engine/sandbox"
	"moln.dev/moln/engine/sandbox/crew"
	"moln.dev/moln/runtimes"
)

const (
	// runtimeProgram is the runtime's name in a crew; extensions have theirs
	// behind extensionPrefix.
	runtimeProgram  = "runtime"
	extensionPrefix = "extension/"
	extensionDir    = runtimes.LayerRoot + "/extensions"

	// pauseRetry is how soon freezing is tried again while telemetry is sent.
	pauseRetry = 5 * time.Millisecond
	// stopTimeout bounds the wait for a runtime that was killed inside a crew.
	stopTimeout = time.Second

	// statusNoProgram is a shell's status for a program that cannot be run.
	statusNoProgram = 127
)

// extensions are the programs to start before the runtime.
func (t *Template) extensions() []string {
	if t.Extensions != nil || t.LayerDir == "" {
		return t.Extensions
	}
	return ExtensionsIn(t.LayerDir)
}

// ExtensionsIn are the extensions that a directory of layers holds, for
// Template.Extensions: never nil, so that nobody looks again.
func ExtensionsIn(layerDir string) []string {
	names := []string{} // sorted already
	if layerDir == "" {
		return names
	}
	entries, err := os.ReadDir(filepath.Join(layerDir, "extensions"))
	if err != nil {
		return names
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// makeRoom turns a runtime's sandbox into one for a crew, and returns the runtime
// as a program of it.
func makeRoom(spec *sandbox.Spec) (*crew.Program, error) {
	runtime := &crew.Program{
		Name: runtimeProgram, Command: spec.Command, Env: spec.Env, Dir: spec.Dir,
		Output: 0, Errors: 1, Pipes: []int{logPipe},
	}
	spec.Pipes = runtimes.LogPipes + 1
	return runtime, crew.Fit(spec)
}

// introduce tells the environment's own books whose it is.
func (e *Env) introduce(t *Template) {
	id := t.Identity
	e.exts.Assign(extension.Function{Name: id.Name, Version: id.Version, Handler: t.Handler, Account: id.Account})
	e.tele.Watch(t.Event)
	e.logs.hear(func(r LogRecord) {
		category := telemetry.Function
		if r.Output == pipeOutputs[extensionPipe] {
			category = telemetry.Extended
		}
		e.tele.Line(category, r.Time, r.Line, id.JSONLogs)
	})
	e.tellInitStart()
}

// serve answers the APIs that are not the runtime's.
func (e *Env) serve(ctx context.Context, q runtimeapi.Request) runtimeapi.Response {
	if response, ok := e.exts.Serve(ctx, q); ok {
		return response
	}
	response, ok := e.tele.Serve(q, func() (string, *runtimeapi.Response) { return e.exts.Name(q) })
	if ok {
		return response
	}
	return runtimeapi.ErrorResponse(404, "NotFound", "no such resource: "+q.Method+" "+q.Path)
}

// dialer leads into the environment, where the driver can.
func (e *Env) dialer() telemetry.Dial {
	d, ok := e.sb.(sandbox.Dialer)
	if !ok {
		return nil
	}
	return d.Dial
}

// muster takes the crew's supervisor in and has it start, in the background, the
// extensions and, when they have registered, the runtime.
func (e *Env) muster(ctx context.Context, runtime crew.Program) error {
	c, err := crew.Accept(ctx, e.sb, e.programEnded)
	if err != nil {
		return err
	}
	e.crew = c
	lead, cancel := context.WithCancel(context.Background())
	e.leading = cancel
	t := e.template
	env := extensionEnv(runtime.Env)
	go func() {
		for i, name := range t.extensions() {
			if !e.startExtension(lead, name, env, i) {
				return
			}
		}
		if failure, err := e.exts.Wait(lead, extension.AllRegistered); failure != nil || err != nil {
			return
		}
		e.launched.Store(true)
		var launch *crew.LaunchError
		if err := c.Start(lead, runtime); errors.As(err, &launch) {
			e.settle(sandbox.ExitState{Status: statusNoProgram})
		}
	}()
	return nil
}

// startExtension starts one; false says that init is over.
func (e *Env) startExtension(ctx context.Context, name string, env []string, already int) bool {
	e.exts.Expect(name)
	if already >= extension.Max {
		e.exts.LaunchError(name, extension.TooManyExtensions, "ErrTooManyExtensions")
		return false
	}
	err := e.crew.Start(ctx, crew.Program{
		Name: extensionPrefix + name, Command: []string{sandbox.PathRef(extensionDir + "/" + name)}, Env: env,
		Output: extensionPipe, Errors: extensionPipe,
	})
	var launch *crew.LaunchError
	if errors.As(err, &launch) {
		why := extension.UnknownError
		if errors.Is(launch, fs.ErrPermission) {
			why = extension.PermissionDenied
		}
		e.exts.LaunchError(name, why, launch.Reason)
	}
	return err == nil
}

// runtimesOwn are the variables that are the runtime's and not the extensions'.
var runtimesOwn = map[string]bool{
	"AWS_EXECUTION_ENV": true, "AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true,
	"LAMBDA_TASK_ROOT": true, "LAMBDA_RUNTIME_DIR": true, "AWS_XRAY_CONTEXT_MISSING": true,
	"NODE_PATH": true, "PYTHONPATH": true, "PYTHONDONTWRITEBYTECODE": true,
}

// extensionEnv is what extensions get of the runtime's environment.
func extensionEnv(runtime []string) []string {
	var env []string
	for _, variable := range runtime {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "_") && !runtimesOwn[name] {
			env = append(env, variable)
		}
	}
	return env
}

// programEnded hears of each program of a crew that has ended.
func (e *Env) programEnded(name string, state sandbox.ExitState) {
	if name != runtimeProgram {
		text := state.String()
		if state.Signal == 0 && state.Status == 0 {
			text = "exit code 0"
		}
		e.exts.Exited(strings.TrimPrefix(name, extensionPrefix), text)
		return
	}
	if s, err := e.sb.Stats(); state.Signal == syscall.SIGKILL && err == nil && s.OOMKills > 0 {
		state.OutOfMemory = true
	}
	e.settle(state)
}

// extended says whether any extension has to hear of the environment's end.
func (e *Env) extended() bool {
	external, internal := e.exts.Count()
	return external+internal > 0
}

// invoked says whether the extensions are done with the invocation.
func (e *Env) invoked() (done bool, failure *extension.Failure, changed <-chan struct{}) {
	if !e.listening && e.crew == nil {
		return true, nil, nil
	}
	return e.exts.Check(extension.AllDone)
}

func (r *Result) failBy(f *extension.Failure) {
	r.Outcome, r.ErrorType, r.Reason = ExtensionFailed, f.Type, f.Text
}

// stop ends the runtime of an environment that will not serve again. Extensions
// get their time to end when it is let go.
func (e *Env) stop(why Outcome) {
	switch {
	case e.reason != reasonSpindown:
	case why == TimedOut || why == InitTimedOut:
		e.reason = reasonTimeout
	default:
		e.reason = reasonFailure
	}
	if e.crew != nil {
		e.leading()
		e.exts.End()
		if !e.launched.Load() {
			e.settle(sandbox.ExitState{Killed: true})
		}
		_ = e.crew.Signal(runtimeProgram, syscall.SIGKILL)
		select {
		case <-e.exited:
			return
		case <-time.After(stopTimeout):
		}
	}
	_ = e.sb.Kill()
	e.settle(e.sb.Wait())
}

// Why an environment is let go, as extensions are told.
const (
	reasonSpindown = "spindown"
	reasonTimeout  = "timeout"
	reasonFailure  = "failure"
)

// How long the end of an environment may take where extensions hear of it, and
// the runtime's share of that.
const (
	shutdownInternal     = 500 * time.Millisecond
	shutdownExternal     = 2000 * time.Millisecond
	runtimeShare         = 30 // percent
	telemetryLast        = 300 * time.Millisecond
	shutdownEventMessage = "SHUTDOWN"
)

// shutdown lets runtime and extensions end in order: the runtime is asked to,
// then the extensions are told. What remains after the time for it is killed by
// whoever called.
func (e *Env) shutdown() {
	external, internal := e.exts.Count()
	if external+internal == 0 || e.template == nil {
		return
	}
	limit := shutdownInternal
	if external > 0 {
		limit = shutdownExternal
	}
	deadline := time.Now().Add(limit)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	e.thaw()
	told, untold := e.exts.End()
	if e.crew != nil {
		e.leading()
	}
	if e.crew == nil || e.launched.Load() {
		e.endRuntime(limit * runtimeShare / 100)
	}
	flush, stop := context.WithTimeout(ctx, telemetryLast)
	e.tele.Flush(flush)
	stop()
	if e.crew == nil {
		return
	}
	for _, name := range untold {
		_ = e.crew.Signal(extensionPrefix+name, syscall.SIGKILL)
	}
	event, _ := json.Marshal(struct {
		Type     string `json:"eventType"`
		Deadline int64  `json:"deadlineMs"`
		Reason   string `json:"shutdownReason"`
	}{shutdownEventMessage, deadline.UnixMilli(), e.reason})
	e.exts.Deliver(extension.Shutdown, event)
	e.awaitExits(ctx, told)
}

// endRuntime asks the runtime to end, and makes it after a while.
func (e *Env) endRuntime(patience time.Duration) {
	signal := e.sb.Signal
	if e.crew != nil {
		signal = func(sig syscall.Signal) error { return e.crew.Signal(runtimeProgram, sig) }
	}
	select {
	case <-e.exited:
		return
	default:
	}
	_ = signal(syscall.SIGTERM)
	select {
	case <-e.exited:
	case <-time.After(patience):
		_ = signal(syscall.SIGKILL)
	}
}

// awaitExits waits until the extensions named have ended.
func (e *Env) awaitExits(ctx context.Context, names []string) {
	for len(names) > 0 {
		left, changed := e.exts.Remaining(names)
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-e.crew.Gone():
			return
		case <-ctx.Done():
			return
		}
	}
}
