package extension

import (
	"context"
	"slices"
	"sync"
)

// Max is how many extensions an environment may have.
const Max = 10

// Events an extension may register for.
const (
	Invoke   = "INVOKE"
	Shutdown = "SHUTDOWN"
)

// Types of what went wrong with an extension.
const (
	TypeLaunch = "Extension.LaunchError"
	TypeInit   = "Extension.InitError"
	TypeExit   = "Extension.ExitError"
	TypeCrash  = "Extension.Crash"
)

// Why an extension could not be started.
const (
	PermissionDenied  = "PermissionDenied"
	TooManyExtensions = "TooManyExtensions"
	UnknownError      = "UnknownError"
)

// State is where an extension stands. Its text is the platform's name for it.
type State string

// States of an extension.
const (
	Started      State = "Started"
	Registered   State = "Registered"
	Ready        State = "Ready"
	Running      State = "Running"
	InitError    State = "InitError"
	ExitError    State = "ExitError"
	LaunchFailed State = "LaunchError"
	Exited       State = "Exited"
)

// Info is what the platform tells about an extension.
type Info struct {
	Name      string   `json:"name"`
	State     State    `json:"state"`
	Events    []string `json:"events"`
	ErrorType string   `json:"errorType,omitempty"`
}

// Failure is the first thing that went wrong with any extension.
type Failure struct{ Type, Text string }

// Function is what extensions are told at registration.
type Function struct{ Name, Version, Handler, Account string }

// agent is one extension. Guarded by the Registry's mu.
type agent struct {
	name     string
	id       string
	internal bool
	state    State
	events   []string
	why      string // an error type, of the failed states
	gone     bool   // its program has ended, or never began
	waiter   chan []byte
	pending  []byte // an event that came while nobody waited
}

// Registry holds the extensions of one environment. It is safe for concurrent
// use.
type Registry struct {
	newID func() string

	mu       sync.Mutex
	function Function
	agents   []*agent
	closed   bool // no more registrations
	ending   bool // exits are expected
	fatal    string
	failure  *Failure
	changed  chan struct{} // closed, and replaced, at each change
}

// NewRegistry returns a registry that expects nobody. newID makes identifiers.
func NewRegistry(newID func() string) *Registry {
	return &Registry{newID: newID, changed: make(chan struct{})}
}

// Assign says which function this is.
func (r *Registry) Assign(f Function) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.function = f
}

// Expect enters an external extension that is about to be started.
func (r *Registry) Expect(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agents = append(r.agents, &agent{name: name, id: r.newID(), state: Started})
}

// notify wakes all who wait. Called with mu held.
func (r *Registry) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Registry) find(match func(*agent) bool) *agent {
	i := slices.IndexFunc(r.agents, match)
	if i < 0 {
		return nil
	}
	return r.agents[i]
}

// Condition is something to wait for; see Check.
type Condition int

// Conditions. A failure fulfils them all.
const (
	// AllRegistered: every external extension has registered.
	AllRegistered Condition = iota
	// AllReady: every extension waits for an event.
	AllReady
	// AllDone: those that were told of the invocation wait for the next event.
	AllDone
)

// Check says whether the condition holds now, and returns a channel that is closed
// when it is worth asking again.
func (r *Registry) Check(c Condition) (holds bool, failure *Failure, again <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return true, r.failure, nil
	}
	for _, a := range r.agents {
		if !a.meets(c) {
			return false, nil, r.changed
		}
	}
	return true, nil, r.changed
}

func (a *agent) meets(c Condition) bool {
	switch c {
	case AllRegistered:
		return a.state != Started
	case AllReady:
		return a.state == Ready
	}
	return a.state == Ready || !slices.Contains(a.events, Invoke)
}

// Wait blocks until the condition holds. The failure, if any, comes back.
func (r *Registry) Wait(ctx context.Context, c Condition) (*Failure, error) {
	for {
		holds, failure, again := r.Check(c)
		if holds {
			return failure, nil
		}
		select {
		case <-again:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends registration: the runtime is ready.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Closed says whether registration is over.
func (r *Registry) Closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Count says how many extensions are registered, outside and inside the runtime.
func (r *Registry) Count() (external, internal int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.agents {
		if a.internal {
			internal++
		} else {
			external++
		}
	}
	return external, internal
}

// Listening says whether any extension is told of invocations.
func (r *Registry) Listening() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(func(a *agent) bool { return slices.Contains(a.events, Invoke) }) != nil
}

// List describes all extensions.
func (r *Registry) List() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Info, 0, len(r.agents))
	for _, a := range r.agents {
		list = append(list, Info{Name: a.name, State: a.state, Events: slices.Clone(a.events), ErrorType: a.why})
	}
	return list
}

// LaunchError notes that a program could not be started.
func (r *Registry) LaunchError(name, why, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.find(func(a *agent) bool { return a.name == name }); a != nil {
		a.state, a.why, a.gone = LaunchFailed, why, true
	}
	r.fail(TypeLaunch, text)
}

// Exited notes that an external extension's program has ended. Before End that is
// a failure, whatever its status.
func (r *Registry) Exited(name, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.find(func(a *agent) bool { return a.name == name && !a.internal })
	if a == nil {
		return
	}
	a.gone = true
	if r.ending {
		a.state = Exited
		r.notify()
		return
	}
	kind := TypeCrash
	if r.fatal != "" {
		kind = r.fatal
	}
	if a.state != InitError && a.state != ExitError {
		a.state, a.why = ExitError, TypeCrash
	}
	r.fail(kind, text)
}

// fail keeps the first failure. Called with mu held.
func (r *Registry) fail(kind, text string) {
	if r.failure == nil {
		r.failure = &Failure{kind, text}
	}
	r.notify()
}

// Deliver hands an event to those who registered for its kind.
func (r *Registry) Deliver(kind string, event []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.agents {
		if !slices.Contains(a.events, kind) {
			continue
		}
		if a.waiter == nil {
			a.pending = event
			continue
		}
		a.state = Running
		a.waiter <- event
		a.waiter = nil
	}
}

// End says that exits are expected from now on, and names the external
// extensions that wish to hear of the end, and those that do not.
func (r *Registry) End() (told, untold []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending, r.closed = true, true
	for _, a := range r.agents {
		switch {
		case a.internal || a.gone:
		case slices.Contains(a.events, Shutdown):
			told = append(told, a.name)
		default:
			untold = append(untold, a.name)
		}
	}
	return told, untold
}

// Remaining counts those of names whose programs have not ended.
func (r *Registry) Remaining(names []string) (left int, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.agents {
		if !a.internal && !a.gone && slices.Contains(names, a.name) {
			left++
		}
	}
	return left, r.changed
}
