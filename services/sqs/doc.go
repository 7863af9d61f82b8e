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
package sqs
