// Package deploy carries out what stacks are to become: it creates, updates,
// replaces and deletes resources in the order of their dependencies, writes the
// events, and rolls back when something fails.
//
// Everything it needs to go on is in the store: each step is written before it
// is taken and after, so that a process which dies in the middle is followed by
// one that finishes (see Engine.Run). A resource that was being created when
// the process died is created again with the same token. What the first try made
// under a generated name is removed before; under a name from the template it
// is not known from what was there before, and the creation fails.
//
// It answers no requests and knows no resource types but CloudFormation's own;
// all others come through SetTypes.
package deploy

import "time"

const (
	// maxParallel is how many resources of one stack are worked on at a time.
	maxParallel = 8
	// A process that dies leaves its stacks to others after leaseTTL.
	leaseTTL   = 15 * time.Second
	leaseRenew = 5 * time.Second
	// scanInterval is how often work is looked for besides being told of it.
	scanInterval = 3 * time.Second
	// retryPause is between tries after errors of our own, such as the store's.
	retryPause = 2 * time.Second
	// tokenLength is that of the random part of generated names.
	tokenLength = 12
	// StackType is the type of a stack in its own events.
	StackType = "AWS::CloudFormation::Stack"
)

const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
