// Package queue says what a queue is: its names and addresses, its attributes
// with all that AWS checks of them, its redrive and access policies. Everything
// here is a pure function of its arguments.
//
// Messages are the business of package message, and where anything is kept of
// package store.
package queue
