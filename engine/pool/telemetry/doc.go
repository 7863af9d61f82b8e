// Package telemetry carries what happens in one execution environment to the
// extensions in it that subscribed: the platform's events, the function's lines,
// the extensions' own. It answers the Telemetry API and its elder, the Logs API.
//
// It does not write the log that the host keeps, and decides nothing about the
// environment. It reaches a subscriber through a dial function that leads into
// the environment's own network; where there is none, subscriptions are refused
// with the answer these APIs have for places that cannot deliver.
//
// # Invariants
//
//   - T1 A subscriber gets events in order, those of the time before it subscribed
//     included, each at most once per delivery that it acknowledged.
//   - T2 What a slow subscriber does not take is dropped, counted, and told with
//     platform.logsDropped; nothing waits for it.
//   - T3 Nothing is sent while the hub is paused: the environment stands still.
package telemetry
