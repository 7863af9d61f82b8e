// Package pool keeps execution environments: sandboxes in which a language
// runtime waits for work. It boots them, hands them out, invokes them, freezes
// them while idle, replaces them when they break, and lets them go.
//
// It knows processes, the Runtime API and limits of this host. It does not know
// functions, accounts, retries, concurrency quotas or the wording of errors; the
// Lambda service turns an Outcome into those.
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
