// Package backup keeps tables as they were: backups on demand, recovery to any
// second of the last days, exports to S3 and imports from it. What is restored
// or imported becomes a new table.
//
// It does not know how items are keyed or changes are recorded: package store
// copies items and applies changes. It knows when which of it is done.
//
// # How a copy is of one moment
//
// A table is copied in pages while it is written to, by a job that goes on where
// it was left when its process dies. From before the copy until after it, a
// capture (see package store) records each change with the item before and
// after. Applying what came later, or taking it back, makes a copy of any one
// moment between: a backup is as the table was when it was asked for. No
// snapshot is held open, so it is the same on every store.
//
// A table that can be recovered has a capture all the time, and one copy, the
// base, from which changes lead to every second of the window, forwards and
// backwards. The base is renewed from time to time so that changes older than
// the window can be dropped.
//
// # State (keys are tuples; account and region come first)
//
//	b, table name, id   -> backup: the table as it was, and where its items are
//	x, table name, id   -> export
//	m, table name, id   -> import
//	xt / mt, token      -> id of the export or import that was asked for with it
//	o, copy id, ...     -> items of a copy, by the keys they have in a table
//	q, copy id          -> how far a copy came
//	g, table id, ...    -> captures, see packages store and changelog
//
// # Invariants
//
//	B1  A backup that is AVAILABLE is as its table was at one moment: no
//	    transaction of another moment is in it, and none is in it in part.
//	B2  A table that is restored or imported is CREATING, and nobody reaches its
//	    items, until all of them are there.
//	B3  A capture ends only after the copy it is needed for was made or given up.
//
// # Differences from AWS
//
// The last moment that a table can be recovered to is a few seconds ago, not five
// minutes. A table that can be recovered keeps its items as a SYSTEM backup when
// it is deleted, which is there at once. On a cluster, moments are by the nodes'
// clocks.
package backup
