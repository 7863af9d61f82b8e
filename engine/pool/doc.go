// Package pool keeps execution environments: sandboxes in which a language
// runtime waits for work. It boots them, hands them out, invokes them, freezes
// them while idle, replaces them when they break, and lets them go.
//
// It knows processes, the Runtime API and limits of this host. It does not know
// functions, accounts, retries, concurrency quotas or the wording of errors; the
// Lambda service turns an Outcome into those.
//
// # Extensions
//
// Where there are programs in /opt/extensions, a crew (engine/sandbox/crew) runs
// them and the runtime: they register (package extension), then the runtime
// starts. Init is over when all wait for an event; an invocation, when the runtime
// and those that were told of it wait again, though its answer is known before
// (Invocation.Answered). An environment that is let go ends in order: SIGTERM to
// the runtime, SHUTDOWN to the extensions, and after 500 ms, or 2 s where there are
// external ones, an end to what is left. Package telemetry tells them of it all.
// Without extensions there is none of this, and an environment is killed.
//
// # Invariants
//
//   - P1 An environment serves one key, the one it was assigned to, for life.
//     Generic environments have no key and have seen no code.
//   - P2 An environment that timed out, crashed, ran out of memory or answered
//     out of turn is killed, never reused.
//   - P3 An environment serves one invocation at a time.
//   - P4 Log records of an invocation are delivered before Invoke returns.
//   - P5 Everything counted (environments, memory, boots) is given back exactly
//     once, by the reservation that took it.
//
// Lock order: Pool.mu, then Env.mu; collector.mu is a leaf.
package pool
