// Package sched is the one place for later: durable jobs that run at a time,
// are retried, and end as done or as dead letters. Asynchronous invokes,
// notifications, stream readers, expiry and schedules are jobs here.
//
// It is not a queue that clients see, and it makes no promise of order between
// jobs: they start in the order of RunAt as far as concurrency lets them.
//
// # Promises
//
//   - S1: a job whose Enqueue returned nil, or whose EnqueueTx was committed,
//     survives crashes and runs at least once, on some node that registered its
//     kind, not before its RunAt.
//   - S2: at most one node holds a job's lease, and while it is renewed no other
//     runs the job. A node that stalls for longer than its lease may go on
//     beside the next one: effects that must not happen twice go through
//     Run.FinishTx, which fails for all but the holder of the lease.
//   - S3: of one kind and key there is at most one job. What is enqueued under
//     the key of a job that runs is run once more, after it.
//   - S4: Attempt counts the runs that began, those a crash cut short included,
//     so a job that kills its process ends as a dead letter too.
//
// Time is the clock's, which may be a virtual one: moving it forward fires what
// comes due. A lease that expires because the clock was moved is not taken
// over by the node that runs the job. Nodes' clocks must agree to within a
// fraction of the shortest lease.
//
// # Keys
//
// Below the scope given to New, all tuples:
//
//	"d" kind due id   -> ""       the index: waiting jobs by when to run, leased
//	                              ones by when the lease expires
//	"s" id            -> state    everything but the payload, as JSON
//	"p" id            -> payload
//	"f" id            -> payload  of what was enqueued while the job ran
//	"k" kind key      -> id       jobs with a key
//	"x" kind died id  -> Dead     dead letters, as JSON
//
// due and died are microseconds since 1970. A job is claimed by moving its
// index entry to the lease's expiry, so a job whose node died comes due by
// itself.
package sched
