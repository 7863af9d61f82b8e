// Package usage counts what S3 would have cost, in AWS's units: what is stored
// by storage class and tier, once a day; requests, bytes read and restores by
// storage class, as they happen; and what is deleted before its class's least
// storage duration. It counts units and knows no prices.
//
// Counts are kept in memory and added to the store's records every minute, so
// that a crash loses up to a minute of them. Storage is counted by the daily
// walk over a bucket and is exact for the moment of the walk. Parts of uploads
// that go on are not counted.
package usage

import (
	"maps"
	"strings"
	"sync"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/class"
)

// Storage is what is kept of one class or tier.
type Storage struct {
	Objects int64
	Bytes   int64
	// Billed are the bytes with the least billed sizes, and with what archives
	// add for their index.
	Billed int64
}

// Counts are what happened.
type Counts struct {
	// Requests by "CLASS/KIND"; the kinds are Tier1 and Tier2 of AWS's price
	// list, Transition, and Restore with its tier.
	Requests map[string]int64 `json:",omitempty"`
	// Read are the bytes that were read, by class; Retrieved is the part of
	// them that is billed for being retrieved.
	Read      map[string]int64 `json:",omitempty"`
	Retrieved map[string]int64 `json:",omitempty"`
	// Early are byte-days that are billed for what was deleted or moved before
	// its least storage duration, by class.
	Early map[string]int64 `json:",omitempty"`
}

// Record is the usage of one bucket on one day of UTC.
type Record struct {
	Account, Bucket string
	Day             string // 2006-01-02
	// Counted is when Storage was; zero: not on this day, and the record of the
	// last day before tells it.
	Counted time.Time          `json:",omitzero"`
	Storage map[string]Storage `json:",omitempty"`
	// Monitored are the objects of INTELLIGENT_TIERING that are watched.
	Monitored int64 `json:",omitempty"`

	Counts
}

// DayForm is how a day is written.
const DayForm = "2006-01-02"

// Kinds of requests.
const (
	Tier1      = "Tier1" // PUT, COPY, POST, LIST
	Tier2      = "Tier2" // GET and all others; DELETE and CANCEL are free
	Transition = "Transition"
	restored   = "Restore"
)

func add(m *map[string]int64, name string, n int64) {
	if n == 0 {
		return
	}
	if *m == nil {
		*m = map[string]int64{}
	}
	(*m)[name] += n
}

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	for _, pair := range []struct {
		to   *map[string]int64
		from map[string]int64
	}{{&c.Requests, o.Requests}, {&c.Read, o.Read}, {&c.Retrieved, o.Retrieved}, {&c.Early, o.Early}} {
		for k, n := range pair.from {
			add(pair.to, k, n)
		}
	}
}

// Request counts requests of a kind about objects of a class.
func (c *Counts) Request(name, kind string, n int64) {
	add(&c.Requests, class.Full(name)+"/"+kind, n)
}

// Gone counts a version that leaves its class, by deletion or by a move.
func (c *Counts) Gone(name string, size int64, since, now time.Time) {
	info, _ := class.Of(name)
	const day = 24 * time.Hour
	left := time.Duration(info.LeastDays)*day - now.Sub(since)
	if left <= 0 {
		return
	}
	billed, _ := class.Billed(name, size)
	add(&c.Early, class.Full(name), billed*int64((left+day-1)/day))
}

// Of counts one operation that succeeded, from its name, input and output.
func (c *Counts) Of(operation string, in, out any) {
	switch in := in.(type) {
	case *api.PutObjectInput:
		c.Request(smithy.Val(in.StorageClass), Tier1, 1)
		return
	case *api.CopyObjectInput:
		c.Request(smithy.Val(in.StorageClass), Tier1, 1)
		return
	case *api.CreateMultipartUploadInput:
		c.Request(smithy.Val(in.StorageClass), Tier1, 1)
		return
	case *api.RestoreObjectInput:
		return // counted where its class and tier are known
	}
	switch out := out.(type) {
	case *api.GetObjectOutput:
		name := class.Full(smithy.Val(out.StorageClass))
		c.Request(name, Tier2, 1)
		add(&c.Read, name, smithy.Val(out.ContentLength))
		if info, _ := class.Of(name); info.Retrieval && out.Restore == nil {
			add(&c.Retrieved, name, smithy.Val(out.ContentLength))
		}
		return
	case *api.HeadObjectOutput:
		c.Request(smithy.Val(out.StorageClass), Tier2, 1)
		return
	}
	switch {
	case strings.HasPrefix(operation, "Delete"), strings.HasPrefix(operation, "Abort"):
	case strings.HasPrefix(operation, "Get"), strings.HasPrefix(operation, "Head"):
		c.Request(class.Standard, Tier2, 1)
	default:
		c.Request(class.Standard, Tier1, 1)
	}
}

// Restored counts a restore and the bytes that it retrieves.
func (c *Counts) Restored(name, tier string, size int64) {
	c.Request(name, restored+tier, 1)
	add(&c.Retrieved, class.Full(name), size)
}

// Bucket names whose usage is counted.
type Bucket struct{ Account, Name string }

// Counters collect counts until they are stored. They are safe for concurrent
// use.
type Counters struct {
	mu  sync.Mutex
	all map[string]*counted
}

type counted struct {
	account string
	Counts
}

// bucketsMax bounds what is kept in memory between two flushes; what comes
// after is not counted.
const bucketsMax = 100_000

// Count lets fn add to the counts of a bucket. The account is the one that is
// asked to pay should the bucket be gone when the counts are stored.
func (c *Counters) Count(b Bucket, fn func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counts := c.at(b); counts != nil {
		fn(counts)
	}
}

// at is where the counts of a bucket are; nil where there is no room. c.mu is
// held.
func (c *Counters) at(b Bucket) *Counts {
	counts := c.all[b.Name]
	if counts == nil {
		if len(c.all) >= bucketsMax {
			return nil
		}
		if c.all == nil {
			c.all = map[string]*counted{}
		}
		counts = &counted{}
		c.all[b.Name] = counts
	}
	counts.account = b.Account
	return &counts.Counts
}

// Take calls fn with what was counted since the last time, until it fails.
func (c *Counters) Take(fn func(b Bucket, counts Counts) error) error {
	c.mu.Lock()
	all := c.all
	c.all = nil
	c.mu.Unlock()
	for name, counts := range all {
		if err := fn(Bucket{counts.account, name}, counts.Counts); err != nil {
			return err
		}
	}
	return nil
}

// Tally sums the storage of a bucket.
type Tally struct {
	Storage   map[string]Storage `json:",omitempty"`
	Monitored int64              `json:",omitempty"`
}

// monitoredBytesMin is the size below which AWS does not watch objects of
// INTELLIGENT_TIERING.
const monitoredBytesMin = 128 << 10

// Add counts one version; tier is the one of INTELLIGENT_TIERING.
func (t *Tally) Add(name, tier string, size int64) {
	if t.Storage == nil {
		t.Storage = map[string]Storage{}
	}
	key := class.Full(name)
	billed, standard := class.Billed(name, size)
	if tier != "" {
		key += "/" + tier
		if size >= monitoredBytesMin {
			t.Monitored++
		}
	}
	s := t.Storage[key]
	t.Storage[key] = Storage{s.Objects + 1, s.Bytes + size, s.Billed + billed}
	if standard > 0 {
		s := t.Storage[class.Standard]
		s.Billed += standard
		t.Storage[class.Standard] = s
	}
}

// Clone is a copy of its own.
func (t Tally) Clone() Tally { return Tally{maps.Clone(t.Storage), t.Monitored} }
