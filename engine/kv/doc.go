// Package kv stores bytes under ordered byte keys: point reads, range scans
// both ways, atomic batches, serializable transactions, snapshots, and watches
// of a prefix.
//
// DB is the one type that code uses; which store is below it (memory, Pebble,
// PostgreSQL) is chosen where it is opened, see package open. The stores
// implement package driver and pass the suite in package kvtest, which is the
// definition of this contract. Keys with several parts are built by package
// tuple.
//
// It is not a database of records: it knows no types, schemas, indexes or
// expiry. And it is not for large bytes: what is larger than a few kilobytes
// belongs into engine/blob.
//
// # Guarantees
//
//   - A write that returned nil is durable: it survives the death of the
//     process and of the machine (memory excepted). A write that returned
//     another error than ErrConflict, ErrTooLarge or ErrClosed may have
//     happened.
//   - Everything is strictly serializable: each Get, Scan, Put, Delete, Apply
//     and Update takes effect at one moment between its call and its return.
//     Nothing is ever read that may vanish in a crash.
//   - All methods of DB and Snapshot are safe for concurrent use. Tx and Batch
//     belong to one goroutine.
//   - Slices given to a method may be reused once it has returned (for Batch
//     and Tx values: once Apply or Update has). Slices returned belong to the
//     caller.
package kv
