package extension

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"moln.dev/moln/engine/pool/runtimeapi"
)

const (
	basePath       = "/2020-01-01/extension/"
	nameHeader     = "lambda-extension-name"
	idHeader       = "lambda-extension-identifier"
	errorHeader    = "Lambda-Extension-Function-Error-Type"
	featureHeader  = "lambda-extension-accept-feature"
	featureAccount = "accountId"

	typeNoID      = "Extension.MissingExtensionIdentifier"
	typeBadID     = "Extension.InvalidExtensionIdentifier"
	typeName      = "Extension.InvalidExtensionName"
	typeClosed    = "Extension.RegistrationClosed"
	typeUnknown   = "Extension.UnknownExtensionIdentifier"
	typeState     = "Extension.InvalidExtensionState"
	typeHeader    = "Extension.MissingHeader"
	typeTooMany   = "Extension.TooManyExtensions"
	typeEvent     = "Extension.InvalidEventType"
	typeFormat    = "InvalidRequestFormat"
	notAllowed    = "State transition is not allowed"
	accepted      = "{\"status\":\"OK\"}\n"
	tooManyText   = "Extension limit (10) reached"
	keysRetired   = "configurationKeys are deprecated; use environment variables instead"
	unknownEvent  = "ErrorInvalidEventType"
	shutdownInner = "ShutdownEventNotSupportedForInternalExtension"
)

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

func forbidden(kind, message string) runtimeapi.Response {
	return runtimeapi.ErrorResponse(403, kind, message)
}

func badTransition(from, to State, who string) runtimeapi.Response {
	return forbidden(typeState, "State transition from "+string(from)+" to "+string(to)+" failed for extension "+who+". Error: "+notAllowed)
}

// Serve answers a request to the Extensions API. ok is false when it is none.
// Asking for the next event blocks until there is one, or ctx is done.
func (r *Registry) Serve(ctx context.Context, q runtimeapi.Request) (response runtimeapi.Response, ok bool) {
	verb, ok := strings.CutPrefix(strings.TrimSuffix(q.Path, "/"), basePath)
	if !ok {
		return runtimeapi.Response{}, false
	}
	method := "POST"
	if verb == "event/next" {
		method = "GET"
	}
	switch verb {
	case "register", "event/next", "init/error", "exit/error":
	default:
		return runtimeapi.ErrorResponse(404, "NotFound", "no such resource: "+q.Method+" "+q.Path), true
	}
	if q.Method != method {
		return runtimeapi.ErrorResponse(405, "MethodNotAllowed", "only "+method+" is allowed"), true
	}
	if verb == "register" {
		return r.register(q), true
	}
	id, refusal := identifier(q)
	if refusal != nil {
		return *refusal, true
	}
	switch verb {
	case "event/next":
		return r.next(ctx, id), true
	case "init/error":
		return r.report(id, q, InitError, TypeInit), true
	}
	return r.report(id, q, ExitError, TypeExit), true
}

// identifier reads who asks.
func identifier(q runtimeapi.Request) (string, *runtimeapi.Response) {
	id := q.Header[idHeader]
	if id == "" {
		refusal := forbidden(typeNoID, "Missing Lambda-Extension-Identifier header")
		return "", &refusal
	}
	if !uuidPattern.MatchString(id) {
		refusal := forbidden(typeBadID, "Invalid Lambda-Extension-Identifier")
		return "", &refusal
	}
	return strings.ToLower(id), nil
}

// Name returns which extension makes a request, or the refusal it gets.
func (r *Registry) Name(q runtimeapi.Request) (string, *runtimeapi.Response) {
	id, refusal := identifier(q)
	if refusal != nil {
		return "", refusal
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.byID(id)
	if a == nil {
		refusal := forbidden(typeUnknown, "Unknown extension "+id)
		return "", &refusal
	}
	return a.name, nil
}

func (r *Registry) byID(id string) *agent {
	return r.find(func(a *agent) bool { return a.id == id && a.state != Started })
}

// parseEvents reads what an extension registers for.
func parseEvents(body []byte) ([]string, error) {
	var given struct {
		Events            []string `json:"events"`
		ConfigurationKeys []string `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &given); err != nil {
		return nil, err
	}
	if len(given.ConfigurationKeys) > 0 {
		return nil, errors.New(keysRetired)
	}
	return given.Events, nil
}

// judgeEvents names the first event an extension may not have, and why.
func judgeEvents(events []string, internal bool) (event, why string) {
	for _, event := range events {
		switch {
		case event == Invoke:
		case event != Shutdown:
			return event, unknownEvent
		case internal:
			return event, shutdownInner
		}
	}
	return "", ""
}

func (r *Registry) register(q runtimeapi.Request) runtimeapi.Response {
	name := q.Header[nameHeader]
	if name == "" {
		return forbidden(typeName, "Empty extension name")
	}
	events, err := parseEvents(q.Body)
	if err != nil {
		return forbidden(typeFormat, err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.find(func(a *agent) bool { return a.name == name && !a.internal })
	if event, why := judgeEvents(events, a == nil); why != "" {
		return forbidden(typeEvent, event+": "+why)
	}
	if a == nil {
		var refusal *runtimeapi.Response
		if a, refusal = r.admit(name); refusal != nil {
			return *refusal
		}
	}
	if a.state != Started {
		return badTransition(a.state, Registered, name)
	}
	a.state = Registered
	for _, event := range []string{Invoke, Shutdown} {
		if slices.Contains(events, event) {
			a.events = append(a.events, event)
		}
	}
	r.notify()
	return r.welcome(a, q.Header[featureHeader])
}

// admit enters an internal extension. Called with mu held.
func (r *Registry) admit(name string) (*agent, *runtimeapi.Response) {
	var refusal runtimeapi.Response
	switch {
	case r.closed:
		refusal = forbidden(typeClosed, "Extension registration closed already")
	case len(r.agents) >= Max:
		refusal = forbidden(typeTooMany, tooManyText)
	case r.find(func(a *agent) bool { return a.name == name }) != nil:
		refusal = forbidden(typeState, "Extension with this name already registered")
	default:
		a := &agent{name: name, id: r.newID(), internal: true, state: Started}
		r.agents = append(r.agents, a)
		return a, nil
	}
	return nil, &refusal
}

func (r *Registry) welcome(a *agent, features string) runtimeapi.Response {
	answer := struct {
		Account string `json:"accountId,omitempty"`
		Name    string `json:"functionName"`
		Version string `json:"functionVersion"`
		Handler string `json:"handler"`
	}{Name: r.function.Name, Version: r.function.Version, Handler: r.function.Handler}
	for feature := range strings.SplitSeq(features, ",") {
		if strings.TrimSpace(feature) == featureAccount {
			answer.Account = r.function.Account
		}
	}
	body, _ := json.Marshal(answer)
	return runtimeapi.Response{Status: 200, Body: body, Header: []string{"Lambda-Extension-Identifier", a.id}}
}

// next parks an extension until there is an event for it.
func (r *Registry) next(ctx context.Context, id string) runtimeapi.Response {
	r.mu.Lock()
	a := r.byID(id)
	if a == nil {
		r.mu.Unlock()
		return forbidden(typeUnknown, "Unknown extension "+id)
	}
	if a.state != Registered && a.state != Running {
		defer r.mu.Unlock()
		return badTransition(a.state, Ready, id)
	}
	if event := a.pending; event != nil {
		a.pending, a.state = nil, Running
		r.notify()
		r.mu.Unlock()
		return r.event(event)
	}
	wait := make(chan []byte, 1)
	a.waiter, a.state = wait, Ready
	r.notify()
	r.mu.Unlock()
	select {
	case event := <-wait:
		return r.event(event)
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.waiter == wait { // its connection broke: it may ask again
		a.waiter, a.state = nil, Running
	} else { // it was told at the same moment
		a.pending = <-wait
	}
	return runtimeapi.Response{}
}

func (r *Registry) event(event []byte) runtimeapi.Response {
	return runtimeapi.Response{Status: 200, Body: event, Header: []string{"Lambda-Extension-Event-Identifier", r.newID()}}
}

// report takes an extension's word that it failed. It is expected to exit now.
func (r *Registry) report(id string, q runtimeapi.Request, to State, kind string) runtimeapi.Response {
	why := q.Header[strings.ToLower(errorHeader)]
	if why == "" {
		return forbidden(typeHeader, errorHeader+" not found")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.byID(id)
	if a == nil {
		if to == InitError {
			return forbidden(typeUnknown, "Unknown Lambda-Extension-Identifier")
		}
		return forbidden(typeUnknown, "Unknown extension "+id)
	}
	fits := a.state == Registered || a.state == to || (to == ExitError && (a.state == Ready || a.state == Running))
	if !fits {
		return badTransition(a.state, to, id)
	}
	if a.state != to {
		a.state, a.why = to, why
	}
	if r.fatal == "" {
		r.fatal = kind
	}
	if a.internal { // it has no process of its own whose exit would tell
		r.fail(kind, why)
	}
	return runtimeapi.Response{Status: 202, Body: []byte(accepted)}
}
