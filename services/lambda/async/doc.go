// Package async is Lambda's asynchronous invocation: events that are accepted
// at once and given to their function later, again where it fails, until it has
// succeeded or the event's attempts or its age are used up; and what is told of
// the end to the destinations of the function's owner.
//
// It runs no function (run does) and keeps no queue of its own (engine/sched
// does).
//
// # Invariants
//
//   - A1 An accepted event is in the scheduler's store before the answer; its
//     function is run at least once, unless it is too old by then or the function
//     is gone.
//   - A2 The end of an event and the record of it that a destination is to get
//     are one transaction, so that neither is without the other; a record is sent
//     at least once, unless its destination refuses it for good.
//   - A3 Records are sent as the function's role.
package async
