// Package message says what a message is: its attributes and what AWS checks of
// them, its digests and its size, its place in the queue's order, its receipt
// handles. Everything here is a pure function of its arguments.
//
// It knows no queue and keeps nothing.
package message
