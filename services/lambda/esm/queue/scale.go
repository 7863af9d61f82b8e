package queue

import (
	"runtime"
	"time"
)

// How many batches of a mapping are under way at once.
//
// Source: services-sqs-scaling.
const (
	// batchesFirst is how many a mapping begins with.
	batchesFirst = 5
	// batchesLeast is what throttling and errors leave it.
	batchesLeast = 2
	// batchesMost is the most that a mapping without provisioned pollers has.
	batchesMost = 1250
	// growEvery is how often one batch is added while there are messages: 300 a
	// minute. growProvisioned is how often provisioned pollers do: 1,000 a minute.
	growEvery       = 200 * time.Millisecond
	growProvisioned = 60 * time.Millisecond
	// batchesPerPoller is how many a provisioned poller has under way.
	batchesPerPoller = 10
	// batchesPerCore bounds all of this on one machine.
	batchesPerCore = 32
)

// Concurrency is what the mapping says of it; zeros are nothing said.
type Concurrency struct {
	Most                   int // ScalingConfig
	PollersMin, PollersMax int // ProvisionedPollerConfig
}

// scale is how many batches there may be.
type scale struct {
	limit, first, least, most int
	every                     time.Duration
}

func (c Concurrency) scale() scale {
	s := scale{first: batchesFirst, least: batchesLeast, most: batchesMost, every: growEvery}
	switch {
	case c.PollersMax > 0:
		s.least, s.most, s.every = c.PollersMin*batchesPerPoller, c.PollersMax*batchesPerPoller, growProvisioned
		s.first = s.least
	case c.Most > 0:
		s.most = c.Most
	}
	s.most = max(min(s.most, runtime.NumCPU()*batchesPerCore), batchesLeast)
	s.first, s.least = min(s.first, s.most), min(s.least, s.most)
	s.limit = s.first
	return s
}

// grow adds one.
func (s *scale) grow() { s.limit = min(s.limit+1, s.most) }

// failed takes one away, throttled half of them.
func (s *scale) failed()    { s.limit = max(s.limit-1, s.least) }
func (s *scale) throttled() { s.limit = max(s.limit/2, s.least) }

// idle goes back to the beginning: the queue is empty.
func (s *scale) idle() { s.limit = s.first }
