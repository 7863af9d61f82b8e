// Package audit keeps the record of calls: who asked for what, how it was
// judged and why, what came out and how long it took.
//
// The newest records are held in memory (RecordsMax) for `moln why` and the
// console; all of them are written, one JSON object a line, to a file that is
// rotated by size, when the server has a data directory. Writing is behind the
// request: a full queue drops records and counts them, it never delays a call.
// The package takes no decision and holds no secrets: request bodies and
// credentials never reach it.
package audit

import (
	"bufio"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the record.
const (
	RecordsMax   = 10_000   // held in memory
	queueMax     = 4_096    // waiting to be written
	fileBytesMax = 64 << 20 // then the file is renamed to audit.jsonl.1
	flushEvery   = 500 * time.Millisecond
)

// Decision is one authorization decision.
type Decision struct {
	Action     string   `json:"action"`
	Resource   string   `json:"resource"`
	Allowed    bool     `json:"allowed"`
	Layer      string   `json:"layer,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Statements []string `json:"statements,omitempty"`
	Missing    []string `json:"missingContextKeys,omitempty"`
	Least      string   `json:"leastPolicy,omitempty"`
}

// Record is one call.
type Record struct {
	Time      time.Time  `json:"time"`
	RequestID string     `json:"requestId"`
	Service   string     `json:"service"`
	Operation string     `json:"operation,omitempty"`
	Caller    string     `json:"caller"`
	AccessKey string     `json:"accessKeyId,omitempty"`
	Account   string     `json:"account"`
	Region    string     `json:"region"`
	SourceIP  string     `json:"sourceIp,omitempty"`
	UserAgent string     `json:"userAgent,omitempty"`
	Status    int        `json:"status"`
	Code      string     `json:"errorCode,omitempty"`
	Message   string     `json:"errorMessage,omitempty"`
	Micros    int64      `json:"durationMicros"`
	Depth     int        `json:"depth,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
	Notes     []string   `json:"notes,omitempty"`
}

// Log is the record. Safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	ring    []Record // ring[next-1] is the newest
	next    int
	dropped atomic.Int64

	queue chan Record
	done  chan struct{}
}

// New opens the record. dir is where audit.jsonl goes; "" keeps it in memory
// only.
func New(dir string) (*Log, error) {
	l := &Log{ring: make([]Record, 0, 256)}
	if dir == "" {
		return l, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "audit.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	l.queue = make(chan Record, queueMax)
	l.done = make(chan struct{})
	go l.write(f)
	return l, nil
}

// Add records one call.
func (l *Log) Add(r Record) {
	l.mu.Lock()
	if len(l.ring) < RecordsMax {
		l.ring = append(l.ring, r)
	} else {
		l.ring[l.next%RecordsMax] = r
	}
	l.next++
	l.mu.Unlock()
	if l.queue == nil {
		return
	}
	select {
	case l.queue <- r:
	default:
		l.dropped.Add(1)
	}
}

// Dropped counts the records that did not reach the file.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Newest returns up to max records, newest first, that keep accepts (nil: all).
func (l *Log) Newest(max int, keep func(*Record) bool) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Record
	for i := 0; i < len(l.ring) && len(out) < max; i++ {
		at := l.next - 1 - i
		r := &l.ring[((at%len(l.ring))+len(l.ring))%len(l.ring)]
		if keep == nil || keep(r) {
			out = append(out, *r)
		}
	}
	return out
}

// Close writes what waits and closes the file. No Add may follow.
func (l *Log) Close() {
	if l.queue != nil {
		close(l.queue)
		<-l.done
	}
}

func (l *Log) write(f *os.File) {
	defer close(l.done)
	w := bufio.NewWriterSize(f, 32<<10)
	size := int64(0)
	if st, err := f.Stat(); err == nil {
		size = st.Size()
	}
	var line []byte
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case r, ok := <-l.queue:
			if !ok {
				w.Flush()
				f.Close()
				return
			}
			line = append(appendRecord(line[:0], &r), '\n')
			n, _ := w.Write(line)
			if size += int64(n); size > fileBytesMax {
				w.Flush()
				f, size = rotate(f), 0
				w.Reset(f)
			}
		case <-tick.C:
			w.Flush()
		}
	}
}

// rotate moves the full file aside and opens a new one; when that fails the old
// one goes on growing, which loses nothing.
func rotate(f *os.File) *os.File {
	if err := os.Rename(f.Name(), f.Name()+".1"); err != nil {
		return f
	}
	n, err := os.OpenFile(f.Name(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return f
	}
	f.Close()
	return n
}
