// Package dynamodb is DynamoDB: tables of items with primary keys, global and
// local secondary indexes, expressions, PartiQL statements, transactions and
// expiry. Statements become the same reads and changes as the other operations'
// requests; each is judged as its own action on its table or index.
//
// Here are the handlers and who may call them. Package table knows what a table
// is, store how tables and items are kept; streams is the API of DynamoDB Streams,
// over changelog, which puts records in order, and record, what one holds; expr, partiql and legacy are the
// languages of requests, item the values, backup keeps tables as they were, cfn the CloudFormation type.
//
// # State (keys are tuples; account and region come first)
//
//	t, name                                   -> table: schema, indexes, settings
//	d, table id, #hash, range                 -> item
//	i, table id, index id, #hash, range, #key -> projected item
//	k, token                                  -> outcome of a transaction with a client token
//	s, table name, label                      -> stream: what it was told, and when it ended
//	n, table id                               -> how much it was last counted to hold
//	c, stream id, ...                         -> its records, see package changelog
//	g, table id, capture, ...                 -> changes that a copy or a recovery needs, likewise
//	b, x, m, o, q, ...                        -> backups, exports, imports and copies, see package backup
//
// #hash is a digest of the partition key's value, which spreads items evenly (a
// segment of a scan is a part of the digests) and keeps keys short; #key is a
// digest of the whole primary key. Range keys are encoded so that their order
// is that of the bytes. A table's id is never used again.
//
// A table is ACTIVE as soon as CreateTable answers, and gone when DeleteTable
// does; one that is restored or imported is CREATING until all of it is there. An index added later is CREATING until a worker has filled it. Expiry
// uses an index of its own, over the attribute that holds the time.
//
// # Invariants
//
//	D1  The rows of an index are changed in the transaction that changes the item.
//	D2  An index is filled only with items as they are when it is written: the
//	    filling transaction reads the item.
//	D3  While an index is added in this process no write that does not know of
//	    it is under way.
//	D4  A transaction's items are read and written at one moment.
//	D5  What a stream holds of an item is its history: each change that was made
//	    while the stream was on, once, in the order of the changes. The record is
//	    written in the transaction of the change.
//
// # Differences from AWS
//
// Reads are always consistent. Provisioned throughput and the maxima of on-demand
// tables are enforced by each node for itself, with a full burst to begin with; a
// request that costs more than is left is refused before it changes anything,
// reads leave a debt. A KMS key is checked and shown, and encrypts nothing. Item counts
// and sizes in descriptions are of when the table was last counted, which happens
// after it was described, at most every ten seconds, and of large tables every six
// hours; AWS counts every six hours.
// Items that expire are deleted within seconds. An index that is added while
// another node of a cluster is writing may miss items whose write began before,
// and a stream that is turned on then the records of such writes.
// A SELECT with keys joined by IN or OR reads one partition after the other, and
// filters on an index see only what the index holds. A batch of statements fails
// as a whole where the caller may make none of them.
package dynamodb
