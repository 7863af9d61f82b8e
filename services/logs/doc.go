// Package logs is CloudWatch Logs: groups, their streams, and the events in
// them, written by functions and read by people and deploy tools.
//
// # State (keys are tuples; account and region come first)
//
//	g, group                       -> group
//	s, group, stream               -> stream (first, last event, bytes)
//	e, group, stream, ms, sequence -> event
//	p                              -> the resource policies
//
// # Invariants
//
//	L1  An event is stored together with its stream's bounds, in one batch.
//	L2  Events of one stream are read in the order of their timestamps; equal
//	    ones in the order in which they came.
//	L3  Deleting a group or stream removes its events in the same transaction.
//
// # Differences from AWS
//
// Retention is carried out by a worker once an hour. Filter patterns are terms,
// quoted phrases, ?any and -none; JSON and space-delimited patterns are refused.
// Insights, subscriptions, metric filters, exports are not there (the table
// says so).
package logs
