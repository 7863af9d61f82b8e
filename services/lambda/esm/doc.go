// Package esm is event source mappings: their operations, and the pollers that
// read streams as the functions' roles and give what they read to the functions
// in batches. A batch is retried, split, passed or given up as the mapping says.
//
// It runs no function (package run does), knows no stream from the inside (it is
// a client of DynamoDB Streams' API), and keeps no records: what is not processed
// is read again. Queues are polled by package queue below it.
//
// # State (keys are tuples below Lambda's own; see package fn)
//
//	account region "esm" uuid             -> mapping, JSON
//	account region "esm-of" function source -> uuid: one mapping for each pair
//	account region "esm-result" uuid      -> what came of the last batch, text
//	account region "esm-at" uuid shard    -> checkpoint, JSON
//	"esm" account region uuid             -> who polls it, and its generation, JSON
//	"esm-node" holder                     -> until when a node lives, JSON
//
// # Invariants
//
//   - E1 A mapping is polled by one node at a time: a checkpoint is stored only
//     in a transaction that has read that the node still holds the mapping.
//   - E2 A checkpoint is a sequence number below which every record was
//     processed, passed by the filter, or given up. A record is given to the
//     function at least once before the checkpoint passes it, or is told to the
//     destination, or was too old.
//   - E3 Records of one item reach the function in their order: a shard begins
//     when its parent is done, and of what has one key one batch is under way.
//   - E4 The state of a tumbling window is stored with the checkpoint of the
//     records that are in it.
//   - E5 What a mapping holds in memory is bounded, whatever its function does:
//     a shard is read no further than room is.
//
// # Differences from AWS
//
// A shard of an embedded store is read when it is written, and not four times a
// second. A mapping is Enabled some milliseconds after it was made, and LATEST is the
// moment of CreateEventSourceMapping. How often a batch has failed is forgotten
// when the poller is stopped: after a restart its retries are counted anew. A
// tumbling window is closed a second after its end; AWS waits for up to two
// minutes. Pollers are not spread over the nodes of a cluster by load. A queue's
// mapping shows LastProcessingResult where that is a problem; AWS has none for
// queues. One machine has no more batches of a queue under way than 32 for each of
// its cores, whatever MaximumConcurrency and provisioned pollers allow.
package esm
