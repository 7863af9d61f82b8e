package server

import (
	"os"
	"runtime"
	"runtime/metrics"
)

// Of moln's own process, under the names that Prometheus's dashboards know.
const (
	goroutinesMetric = "go_goroutines"
	heapMetric       = "go_memstats_heap_inuse_bytes"
	filesMetric      = "process_open_fds"
)

// measure brings the gauges of moln's own process up to date; they are read when
// somebody asks.
func (s *Server) measure() {
	s.metrics.Gauge(goroutinesMetric, "goroutines of moln").With().Set(float64(runtime.NumGoroutine()))
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(heap)
	s.metrics.Gauge(heapMetric, "bytes of the heap's spans in use").With().Set(float64(heap[0].Value.Uint64() + heap[1].Value.Uint64()))
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.metrics.Gauge(filesMetric, "open file descriptors of moln").With().Set(float64(len(open)))
	}
}
