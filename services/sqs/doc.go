// Package sqs is Simple Queue Service: queues of messages that are received by
// one at a time, hidden while he works on them, and deleted when he is done.
//
// What a queue is, with all that AWS checks of its attributes and policies, is in
// package queue; what a message is, in package message; how both are kept, and
// what happens to messages, in package store, which has the layout of keys. Here
// are the operations.
//
// # Differences from AWS
//
//   - The URL of a queue has the address that the client used, so that he can
//     reach it; with an AWS host name AWS's form. A URL with any host, or a path
//     alone, names the queue of its account and name.
//   - Nobody sends or receives without a signature, whatever a queue's policy
//     says.
//   - A receipt that is not the message's newest deletes nothing in a standard
//     queue, as AWS documents; AWS itself sometimes deletes.
//   - Moving dead letters back asks for the permission to send to the destination
//     where the request names it; without, for none on the queues they came from.
//   - Counts are exact, but for queues of more than 50,000 messages, which are
//     counted every five seconds.
package sqs
