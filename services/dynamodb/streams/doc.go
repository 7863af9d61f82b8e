// Package streams is DynamoDB Streams: the API by which the changes of tables are
// read. What is read is written by package store, in the transaction of each
// change; package changelog says how it gets its order.
//
// A stream is a log with one to four lanes, by the partition key's digest; the
// segments of a lane are its shards, each the child of the one before. A shard is
// closed after four hours, or when its stream ends.
//
// # Differences from AWS
//
// A new record can be read as soon as the write has been answered; on a cluster,
// through another node than the writer's, some milliseconds later. LATEST is then
// where the reader's node stands. A table has one shard, or one for each 1,000
// provisioned write units, at most four; it keeps that number while the stream
// lives. Two readers of a shard are not slowed down.
package streams
