// Package retry says when a delivery is tried again: the four phases of SNS's
// delivery policies, and the policies that subscriptions of web servers may have
// of their own. It is pure: it knows no messages and waits for nothing.
//
// Source: SNS developer guide, sns-message-delivery-retries.
package retry

import (
	"math"
	"time"
)

// Policy is how often and when a failed delivery is tried again, in the words of
// delivery policies. Delays are seconds.
type Policy struct {
	MinDelayTarget     int    `json:"minDelayTarget"`
	MaxDelayTarget     int    `json:"maxDelayTarget"`
	NumRetries         int    `json:"numRetries"`
	NumMaxDelayRetries int    `json:"numMaxDelayRetries"`
	NumNoDelayRetries  int    `json:"numNoDelayRetries"`
	NumMinDelayRetries int    `json:"numMinDelayRetries"`
	BackoffFunction    string `json:"backoffFunction"`
}

// The policies that AWS defines.
var (
	// HTTP is the default of web servers.
	HTTP = Policy{MinDelayTarget: 20, MaxDelayTarget: 20, NumRetries: 3, BackoffFunction: linear}
	// Managed is that of queues and functions: 100,015 attempts over 23 days.
	Managed = Policy{MinDelayTarget: 1, MaxDelayTarget: 20, NumRetries: 100_015, NumNoDelayRetries: 3, NumMinDelayRetries: 2, NumMaxDelayRetries: 100_000, BackoffFunction: exponential}
	// Customer is that of mail: 50 attempts over 6 hours.
	Customer = Policy{MinDelayTarget: 10, MaxDelayTarget: 600, NumRetries: 50, NumMinDelayRetries: 2, NumMaxDelayRetries: 38, BackoffFunction: exponential}
)

// Functions by which delays grow in the backoff phase.
const (
	linear      = "linear"
	arithmetic  = "arithmetic"
	geometric   = "geometric"
	exponential = "exponential"
)

// Delay is how long to wait after the failure of an attempt, the first of which
// has number 1; false where that was the last.
func (p Policy) Delay(attempt int) (time.Duration, bool) {
	n := attempt // the number of the retry to come
	if n < 1 || n > p.NumRetries {
		return 0, false
	}
	if n <= p.NumNoDelayRetries {
		return 0, true
	}
	n -= p.NumNoDelayRetries
	if n <= p.NumMinDelayRetries {
		return seconds(float64(p.MinDelayTarget)), true
	}
	n -= p.NumMinDelayRetries
	backoff := p.NumRetries - p.NumNoDelayRetries - p.NumMinDelayRetries - p.NumMaxDelayRetries
	if n > backoff {
		return seconds(float64(p.MaxDelayTarget)), true
	}
	return seconds(p.between(n, backoff)), true
}

// between is the n-th of count delays that grow from the least to the greatest.
func (p Policy) between(n, count int) float64 {
	low, high := float64(p.MinDelayTarget), float64(p.MaxDelayTarget)
	if count <= 1 {
		return low
	}
	x := float64(n-1) / float64(count-1)
	switch p.BackoffFunction {
	case arithmetic:
		// Each delay is longer than the one before by one step more than that.
		return low + (high-low)*float64(n*(n-1))/float64(count*(count-1))
	case geometric:
		return low + (high-low)*x*x
	case exponential:
		return low * math.Pow(high/low, x)
	}
	return low + (high-low)*x
}

// Total is how long all retries take together.
func (p Policy) Total() time.Duration {
	var sum time.Duration
	for n := 1; ; n++ {
		d, more := p.Delay(n)
		if !more {
			return sum
		}
		sum += d
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
