// Package changelog keeps logs of what concurrent transactions changed: an entry
// is written in the transaction of its change and comes to have one place in one
// order, which readers follow without ever missing one. Streams are made of it;
// whatever else has to see every change of a table once may be.
//
// It knows neither tables nor items nor shards' names: an entry is bytes, of a
// thing that has a digest.
//
// # How an entry gets its number
//
// Numbers given out before a commit do not work: 7 may be committed, and read,
// before 6 is. A counter that every transaction locks works, and lets no two
// commit at once. So an entry is written twice:
//
//  1. The transaction of the change appends it to what waits for the thing that
//     changed: one key per thing, which only changes of the same thing contend
//     for, and they do so anyway.
//  2. A move takes what waits, in a transaction that also reads and writes the
//     head of the log, and gives it the next numbers.
//
// A lane is a log of its own within a log; things are spread over lanes.
//
// # Invariants
//
//	C1  All transactions that give numbers in a lane read and write its head, so
//	    they have one order, in which numbers ascend. Who has read up to N has read
//	    a state in which every move up to N's was done: nothing below N can appear
//	    later. This needs only that the store is serializable; it does not matter
//	    how many processes write and move.
//	C2  What waits for one thing is in the order of the thing's transactions, as each
//	    reads what is there and appends to it, and is moved as a whole: entries of
//	    one thing are in the order of its history.
//	C3  In one process, a change that began after another had ended comes after it
//	    in its lane: each gets an ascending stamp before its transaction begins, and
//	    a move orders by stamps and takes none above one that it leaves out. An
//	    entry's stamp is at least that of the entry before it of the same thing,
//	    which does not break this: who committed before had begun before.
//	C4  An entry is in the log or waits, whenever a process dies. What waits is found
//	    by its prefix when a process first uses the lane, and from time to time.
//
// A lane is cut into segments by time. Entries lie below their segment's first
// number, so that who reads one never sees the next one's.
//
// # State (keys, after a log's prefix)
//
//	h, lane                 -> head: segments, next number, what is trimmed
//	w, lane, digest         -> entries that wait for one thing
//	e, lane, segment number -> entry
package changelog
