// Package run gives events to functions: it prepares a version with its code,
// its credentials and its environment, finds it a place to run within the
// limits, and words what came of it as Lambda does, to the caller and in the
// log. It answers no request and keeps no queue of events.
package run
