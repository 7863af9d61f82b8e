// Package queue polls a queue for an event source mapping: it receives messages
// as the function's role, makes batches of them, gives these to the function and
// deletes what it has processed. What fails is left where it is, and comes back
// when its visibility timeout is over, so that the queue's own redrive policy
// decides how often.
//
// It keeps no state: a message that was not deleted is received again. It knows
// SQS as a client of its API does, and neither stores nor describes mappings.
//
// # Invariants
//
//   - Q1 A message is deleted only after the function has processed it, or the
//     filters do not want it.
//   - Q2 No more batches are under way than the mapping's concurrency, and no
//     more messages are received than a batch has room for: what waits, waits in
//     the queue.
//   - Q3 Of a FIFO queue's batch that has to be split, nothing is given to the
//     function after a part that failed.
//   - Q4 A poller that is stopped gives the function what it has received.
//
// Sources: services-sqs-configure, services-sqs-scaling,
// services-sqs-errorhandling, invocation-eventfiltering (Lambda developer guide).
package queue
