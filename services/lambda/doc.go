// Package lambda is AWS Lambda: functions with their versions, aliases,
// policies and settings, and the running of them in sandboxes of this host. Here
// are the operations; beneath it fn has names and records, code the packages, layers
// the layers, image the container images, variables the environment variables, run
// the invocations, provisioned the environments that wait for some, host what they
// run on, logship their logs, url the addresses in the web, async the events that
// nobody waits for, esm the event source mappings, target where records are sent,
// cfn the resources of templates.
//
// It does not start processes (engine/pool and the sandbox drivers do), knows
// no interpreter by itself (runtimes does), and keeps no queue (engine/sched
// does). VPCs, file systems and durable executions are not here; a request for
// one fails.
//
// # Resources
//
//	function   the changing version $LATEST, a counter, reserved and provisioned
//	           concurrency, tags
//	version    a frozen copy of $LATEST, numbered from 1, numbers never reused
//	alias      a name for a version, or for two by weight
//	policy     statements by function and qualifier ("" is the function itself)
//	layer      versions of content for /opt, each with a policy; numbers never reused
//	URL        an HTTP address of a function or alias
//	invoke configuration  retries and age of asynchronous events, by qualifier
//
// # Keys
//
// Account and region come first, but for what is looked for in all of them. The
// keys of event source mappings are in package esm.
//
//	account region "f" name              -> function, JSON
//	account region "v" name number       -> version, JSON
//	account region "a" name alias        -> alias, JSON
//	account region "p" name qualifier    -> policy, JSON
//	account region "i" name qualifier    -> invoke configuration, JSON
//	account region "u" name qualifier    -> URL, JSON
//	"url" id                             -> what the URL of this id is of, JSON
//	account region "l" layer             -> number of its newest version, JSON
//	account region "lv" layer number     -> layer version, JSON
//	account region "lp" layer number     -> layer version's policy, JSON
//	"blob" id account region name number -> CodeSha256 (number 0 is $LATEST;
//	                                        a layer's name is "layer:" and its own)
//	"merged" sum account region name number -> nothing: the version has these
//	                                        layers put over each other
//	"provisioned" account region name    -> nothing: the function has provisioned
//	                                        concurrency
//
// # Invariants
//
//   - L1 A package is unpacked once, and durable, before a version names it;
//     its blob goes only when no version, of a function or layer, names it.
//   - L2 Environment variables are stored sealed, bound to their function; where
//     it names a KMS key, nobody reads them without that key.
//   - L3 An execution environment runs one revision of one version with one
//     set of credentials, and is given up before those expire.
//   - L4 An accepted asynchronous event is in the scheduler's store before the
//     answer; it runs at least once, and is dropped when its attempts or its
//     age are used up.
//   - L5 A role is given to a function only by one who may pass it, and only if
//     its trust policy lets Lambda assume it; that is judged again whenever
//     credentials are made.
//   - L6 Log lines are written as the function's role: without the permission
//     there are none, and the invocation goes on.
//
// # Differences from AWS
//
// A function is Active when CreateFunction answers. Retired runtimes run on the
// nearest interpreter that this host has, with a line about it in the log.
// An environment that failed is replaced, not reset: what was in its /tmp is gone.
// An init that failed fails the invocation that waited for it; it is tried again
// only where it took too long. X-Ray headers are passed on, but nobody listens at
// the address of the X-Ray daemon. Where the caller does not ask for the log, the
// answer of a function with layers is given before its extensions are done.
// A function's memory is its weight where functions compete for cores, and the
// limit that AWS sets only where moln is told so. Code for another architecture is
// taken unless it is native. Concurrency is counted per process.
package lambda
