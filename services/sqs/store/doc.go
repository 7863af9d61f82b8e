// Package store keeps queues and messages, and carries out what happens to them:
// sent, received, hidden, deleted, moved, expired. It is the only place that
// knows keys and encodings. It checks no request and judges nobody.
//
// # Keys
//
// All begin with account and region. id is the queue's, place where the message
// stands in it; both are bytes.
//
//	"q" name                  queue
//	"g" name                  when a queue was deleted, while its name rests
//	"l" target source         that source's dead-letter queue is target, by name
//	"m" id "b" place          message: what was sent
//	"m" id "s" place          its state: receipts, and when it is visible
//	"m" id "v" due place      standard: by when it is visible
//	"m" id "o" group place    FIFO: by group
//	"m" id "g" group          FIFO: state of a group that has messages
//	"m" id "w" nanos group    FIFO: groups that may be received from
//	"m" id "x" due group      FIFO: groups with messages in flight, by until when
//	"d" id group dedup        FIFO: what was sent with a deduplication id
//	"e" id due group dedup    FIFO: those by when they are forgotten
//	"a" id attempt            FIFO: what an attempt to receive got
//	"f" id due attempt        FIFO: those by when they are forgotten
//	"t" source id             task that moves messages
//
// # Invariants
//
//   - Q1 A message has "b" and "s", or neither; and of a standard queue exactly
//     one "v", at the moment that its state says.
//   - Q2 A group has "g" while it has messages, and then one "w" or one "x".
//     Everything about a group changes in one transaction that reads its "g".
//   - Q3 Who receives a message has its state's token. No other deletes it.
//   - Q4 Everything that is visible at some time is in an index by time, so that
//     nothing is looked for.
package store
