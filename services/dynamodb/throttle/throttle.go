// Package throttle counts capacity units: a bucket for the reads and one for the
// writes of each table and index, which fill at the rate that is provisioned
// and keep what was not used for a while.
//
// It counts for this process only, forgets when the process ends, and knows
// neither tables nor faults: package store asks it.
package throttle

import (
	"sync"
	"time"
)

const (
	// BurstSeconds is how long DynamoDB keeps provisioned capacity that is not
	// used: up to five minutes.
	BurstSeconds = 300
	// sweepAt is how many buckets there are before full ones are forgotten.
	sweepAt = 4096
)

// Name is what a bucket is for; Index is "" for the table itself.
type Name struct {
	Table, Index string
	Write        bool
}

// Rate is how many units a bucket gets in a second, and how many it holds.
type Rate struct{ PerSecond, Burst float64 }

// Provisioned is the rate of capacity that is paid for, used or not.
func Provisioned(units int64) Rate {
	return Rate{PerSecond: float64(units), Burst: float64(units) * BurstSeconds}
}

// Maximum is the rate of a limit that on-demand tables may have, which saves
// nothing for later.
func Maximum(units int64) Rate { return Rate{PerSecond: float64(units), Burst: float64(units)} }

// Buckets are all buckets. The zero value is ready and full. Safe for
// concurrent use.
type Buckets struct {
	mu      sync.Mutex
	buckets map[Name]*bucket
}

type bucket struct {
	rate   Rate
	tokens float64
	at     time.Time
}

// Allows reports whether there are units for a request. One that needs more
// than a bucket can hold gets a full bucket's, and leaves a debt.
func (b *Buckets) Allows(n Name, r Rate, units float64, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.level(n, r, now).tokens >= min(units, r.Burst)
}

// Take uses units up. The bucket may then be in debt: what a request costs is
// known after it was made.
func (b *Buckets) Take(n Name, r Rate, units float64, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.level(n, r, now).tokens -= units
}

// level fills the bucket up to now.
func (b *Buckets) level(n Name, r Rate, now time.Time) *bucket {
	have := b.buckets[n]
	if have == nil {
		if len(b.buckets) >= sweepAt {
			b.sweep(now)
		}
		if b.buckets == nil {
			b.buckets = map[Name]*bucket{}
		}
		have = &bucket{rate: r, tokens: r.Burst, at: now}
		b.buckets[n] = have
	}
	// What is provisioned anew counts from the last use: when it was is not known.
	have.rate = r
	have.fill(now)
	return have
}

func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens += passed.Seconds() * b.rate.PerSecond
		b.at = now
	}
	b.tokens = min(b.tokens, b.rate.Burst)
}

// sweep forgets full buckets: a new one is as full.
func (b *Buckets) sweep(now time.Time) {
	for n, have := range b.buckets {
		if have.fill(now); have.tokens >= have.rate.Burst {
			delete(b.buckets, n)
		}
	}
}
