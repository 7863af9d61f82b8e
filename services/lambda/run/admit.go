package run

import (
	"crypto/sha256"
	"encoding/hex"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/runtimes"
	"moln.dev/moln/services/lambda/fn"
)

// Admit says whether a version may have the event: tenants are named where they
// are kept apart, and nowhere else; loops are stopped.
func (e *Engine) Admit(f *fn.Function, v *fn.Config, inv *Invocation) error {
	switch {
	case v.Tenancy != "" && inv.Tenant == "":
		return fn.Invalid("The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.")
	case v.Tenancy == "" && inv.Tenant != "":
		return fn.Invalid("The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.")
	}
	t := parseTrace(inv.Trace)
	if t.enter(inv.Ref.Unqualified().ARN()) > loopMax && f.RecursiveLoop() != api.RecursiveLoopAllow {
		return Recursive()
	}
	return nil
}

// Recursive is the end of a loop.
func Recursive() error {
	return api.ErrRecursiveInvocationException("Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.")
}

// traceOf is the trace header for an event, below the one that it came with;
// nothing is sampled that was not.
func (e *Engine) traceOf(inv Invocation) string {
	t := parseTrace(inv.Trace)
	if t.root == "" {
		t.root = "1-" + hexSeconds(e.deps.Clock.Now()) + "-" + e.deps.Ident.Hex(12)
	}
	if t.parent == "" {
		t.parent = e.deps.Ident.Hex(8)
	}
	t.enter(inv.Ref.Unqualified().ARN())
	return t.header()
}

// VersionARN names what runs an identifier on this host: another version of the
// interpreter has another name.
func VersionARN(region, identifier string, c runtimes.Choice) string {
	sum := sha256.Sum256([]byte(identifier + " " + string(c.Interpreter.Language) + " " + c.Interpreter.Version))
	return "arn:aws:lambda:" + region + "::runtime:" + hex.EncodeToString(sum[:])
}

// checkVersion refuses a version that is bound to another runtime version.
func checkVersion(r fn.Ref, v *fn.Config, c runtimes.Choice) error {
	if v.RuntimeARN == "" || v.RuntimeARN == VersionARN(r.Region, v.Runtime, c) {
		return nil
	}
	return api.ErrInvalidRuntimeException("The runtime or runtime version specified is not supported: %s is no longer on this host.", v.RuntimeARN)
}
