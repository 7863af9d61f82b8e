// Package extension keeps the books of the extensions of one execution
// environment: which programs there are, which have registered and for what, who
// waits for the next event, who failed. It answers the Extensions API.
//
// It starts no process and ends none, and waits for nothing but the events that
// extensions ask for; engine/pool does those. What is telemetry it passes on.
//
// # States
//
// started -> registered -> ready -> running -> ready …; from registered an
// extension may report that its init failed, from registered on that it will
// exit. What does not fit the state is refused with 403.
//
// An external extension is a program of its own, expected by name. Any other name
// that registers is an internal one, inside the runtime's process: it may ask for
// INVOKE alone, and only until the runtime is ready.
package extension
