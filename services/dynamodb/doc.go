// Package dynamodb is DynamoDB: tables of items with primary keys, global and
// local secondary indexes, expressions, PartiQL statements, transactions and
// expiry. Statements become the same reads and changes as the other operations'
// requests; each is judged as its own action on its table or index.
//
// Here are the handlers and who may call them. Package table knows what a table
// is, store how tables and items are kept; expr, partiql and legacy are the
// languages of requests, item the values, cfn the CloudFormation type.
//
// # State (keys are tuples; account and region come first)
//
//	t, name                                   -> table: schema, indexes, settings
//	d, table id, #hash, range                 -> item
//	i, table id, index id, #hash, range, #key -> projected item
//	k, token                                  -> outcome of a transaction with a client token
//
// #hash is a digest of the partition key's value, which spreads items evenly (a
// segment of a scan is a part of the digests) and keeps keys short; #key is a
// digest of the whole primary key. Range keys are encoded so that their order
// is that of the bytes. A table's id is never used again.
//
// A table is ACTIVE as soon as CreateTable answers, and gone when DeleteTable
// does. An index added later is CREATING until a worker has filled it. Expiry
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
//
// # Differences from AWS
//
// Reads are always consistent. Throughput is recorded, not enforced. Item counts
// and sizes in descriptions are zero: AWS updates them every six hours.
// Items that expire are deleted within seconds. An index that is added while
// another node of a cluster is writing may miss items whose write began before.
// A SELECT with keys joined by IN or OR reads one partition after the other, and
// filters on an index see only what the index holds. A batch of statements fails
// as a whole where the caller may not make one of them.
package dynamodb
