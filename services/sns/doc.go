// Package sns is AWS's Simple Notification Service: topics, who subscribes to them,
// and the delivery of what is published.
//
// # State (keys are tuples; account and region come first)
//
//	t, topic name                          -> topic: attributes, policy, tags, counts
//	s, topic name, subscription id         -> subscription
//	e, topic name, hash of endpoint        -> subscription id: an endpoint subscribes once
//	o, topic's account, topic name, sub id -> "", in the place of the subscription's owner
//	c, hash of token                       -> token of a confirmation
//	q, topic name                          -> the last sequence number (FIFO)
//	d, topic name, hash of id              -> message that was seen (FIFO)
//	y, topic name, expiry, key of "d"      -> ""
//	f, topic name, hash of group, sequence -> message that waits in its group's line (FIFO)
//	"", "", signing                        -> the key of signatures, sealed
//
// Standard topics' messages wait as jobs of engine/sched.
//
// # Invariants
//
//	N1  A Publish that was answered is delivered at least once to every
//	    subscription that was confirmed and matched at that moment, or is given to
//	    its dead-letter queue, or its policy's attempts are over: the message is
//	    durable before the answer, with the list of whom it is for.
//	N2  Queues and functions are asked as sns.amazonaws.com with the topic as
//	    aws:SourceArn; their own policies decide.
//	N3  A subscription gets the messages of one group of a FIFO topic in the order
//	    of their sequence numbers; one that fails keeps those behind it waiting.
//	N4  Messages are never at rest in the clear.
//	N5  A subscription is the business of its owner's account and the topic's.
//	N6  A generation of a topic is a set of subscriptions: every change of one
//	    makes a new generation, in the same transaction.
//
// # States of a subscription
//
//	pending -> confirmed -> gone; pending -> gone, after two days
//
// Queues and functions of the subscriber's own account are confirmed at once.
//
// # Differences from AWS
//
// Links in messages lead to moln: by its own address for queues, web servers and
// mail, by AWS's host names for functions, where these are moln. Certificates are
// moln's own, one for all regions. Requests to web servers go where the operator
// allows (platform/outbound). Filter policies take effect at once. Retries have no
// jitter. Not there: text messages, mobile applications, Firehose, data protection
// policies, archives, X-Ray, and the logging of delivery status.
package sns
