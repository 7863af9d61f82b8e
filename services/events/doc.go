// Package events is EventBridge: buses that take events, rules that say which of
// them are wanted, and the delivery of those to the rules' targets.
//
// What an event looks like to a target is in package transform, how targets are
// reached in package send, the language of patterns in aws/eventpattern, that of
// schedules in aws/cron. Pipes, the schema registry and partner sources are not
// here.
//
// # State (keys are tuples; account and region come first)
//
//	b, bus                 -> bus, with its policy; the default bus is there without
//	r, bus, rule           -> rule, with its targets
//	a, archive             -> archive
//	e, archive, ms, id     -> archived event
//	p, replay              -> replay
//
// # Invariants
//
//	E1  An event whose id was answered is queued for each target of each rule that
//	    matched it at that moment, in transactions that are durable before the
//	    answer; what is queued is delivered at least once, or goes to the target's
//	    dead-letter queue when its retries are used up.
//	E2  Only a service may put events whose source begins with "aws.", and only
//	    those of its own name.
//	E3  Each due time of a schedule fires once, on one node: the firing, its
//	    deliveries and the next due time are one transaction. Due times that passed
//	    while nothing ran are made up for by one firing.
//	E4  A bus's Generation changes with each change of its rules, in the same
//	    transaction, so rules that were compiled for a generation are current as
//	    long as it stands.
//	E5  Nothing is sent that the target's policy or the target's role does not
//	    allow to events.amazonaws.com.
//
// # Differences from AWS
//
// Changes of rules are in force at once. A target that was removed gets nothing of
// what was queued for it before.
package events
