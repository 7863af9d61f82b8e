package pool

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// LogTailBytes is how much of an invocation's log Result.LogTail keeps.
	LogTailBytes = 4 << 10
	// logRecordMax is the longest record; what exceeds it starts a new one.
	logRecordMax  = 256 << 10
	logReadBytes  = 64 << 10
	frameHeader   = 16
	frameKindMask = 0xffffff00
	frameKind     = 0xa55a0000
)

// LogRecord is one event a function logged.
type LogRecord struct {
	Time time.Time
	// Line is the record without its line end; it may hold several lines.
	Line string
	// RequestID is the invocation it was written in, "" during init.
	RequestID string
	// Output is where it came from: "stdout", "stderr", "log" or "extension".
	Output string
}

// collector gathers what an environment writes. A record is delivered before
// the drain that follows its writing returns.
type collector struct {
	now func() time.Time

	mu        sync.Mutex
	pipes     []*pipeReader
	requestID string
	tail      []byte
	sink      func(LogRecord) // nil until assigned
	listen    func(LogRecord) // telemetry; may be nil
	held      []LogRecord     // written before that
	buffer    []byte          // for one read
}

const heldMax = 256

// pipeReader splits the bytes of one pipe into records. Guarded by the
// collector's mu.
type pipeReader struct {
	file    *os.File
	raw     syscall.RawConn
	fd      int32
	output  string
	framed  bool
	partial []byte
}

// Pipes of an environment, as the sandbox counts them.
const (
	logPipe       = 2
	extensionPipe = 3
)

var pipeOutputs = [...]string{"stdout", "stderr", "log", "extension"}

func newCollector(files []*os.File, now func() time.Time) *collector {
	c := &collector{now: now, buffer: make([]byte, logReadBytes)}
	for i, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			continue
		}
		p := &pipeReader{file: f, raw: raw, output: "log", framed: i == logPipe}
		_ = raw.Control(func(fd uintptr) { p.fd = int32(fd) })
		if i < len(pipeOutputs) {
			p.output = pipeOutputs[i]
		}
		c.pipes = append(c.pipes, p)
		go c.follow(p)
	}
	return c
}

// follow reads a pipe whenever there is something, until its end.
func (c *collector) follow(p *pipeReader) {
	ended := false
	for !ended {
		err := p.raw.Read(func(fd uintptr) bool {
			more := c.read(p, int(fd))
			ended = more == readEnd
			return more != readAgain
		})
		if err != nil {
			return
		}
	}
	c.mu.Lock()
	c.flush(p)
	c.mu.Unlock()
}

type readResult int

const (
	readSome readResult = iota
	readAgain
	readEnd
)

// read takes what one system call gives. Reading and delivering are one step
// under the lock: that is what makes drain complete.
func (c *collector) read(p *pipeReader, fd int) readResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := syscall.Read(fd, c.buffer)
	switch {
	case err == syscall.EAGAIN:
		return readAgain
	case err == syscall.EINTR:
		return readSome
	case err != nil || n <= 0:
		return readEnd
	}
	c.take(p, c.buffer[:n])
	return readSome
}

// drain delivers everything written so far. One question to the system tells
// whether there is anything, which mostly there is not.
func (c *collector) drain() {
	var room [len(pipeOutputs)]unix.PollFd
	asked := room[:0]
	for _, p := range c.pipes {
		asked = append(asked, unix.PollFd{Fd: p.fd, Events: unix.POLLIN})
	}
	if n, err := unix.Poll(asked, 0); n == 0 && err == nil {
		return
	}
	for _, p := range c.pipes {
		_ = p.raw.Control(func(fd uintptr) {
			for c.read(p, int(fd)) == readSome {
			}
		})
	}
}

// finish delivers lines that never got their end, too.
func (c *collector) finish() {
	c.drain()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pipes {
		c.flush(p)
	}
}

// begin starts a share of the log, end returns its tail. What comes after name is
// the invocation's; what came before is init's.
func (c *collector) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requestID, c.tail = "", c.tail[:0]
}

func (c *collector) name(requestID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requestID = requestID
}

func (c *collector) end() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requestID = ""
	return string(c.tail)
}

// assign names who gets the records, and hands over what was held.
func (c *collector) assign(sink func(LogRecord)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink = sink
	for _, r := range c.held {
		sink(r)
	}
	c.held = nil
}

// hear names who else hears every record.
func (c *collector) hear(listen func(LogRecord)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listen = listen
}

// take splits data into records. Called with mu held.
func (c *collector) take(p *pipeReader, data []byte) {
	p.partial = append(p.partial, data...)
	rest := p.partial
	for {
		line, n := nextLine(rest)
		if p.framed {
			line, n = nextFrame(rest)
		}
		if n == 0 {
			break
		}
		c.emit(p, line)
		rest = rest[n:]
	}
	p.partial = append(p.partial[:0], rest...)
}

func (c *collector) flush(p *pipeReader) {
	if len(p.partial) > 0 && !p.framed {
		c.emit(p, p.partial)
	}
	p.partial = nil
}

// emit stamps the record with the pool's clock, so that an account whose time was
// moved finds its logs where its time is. Called with mu held.
func (c *collector) emit(p *pipeReader, line []byte) {
	r := LogRecord{Time: c.now(), Line: string(line), RequestID: c.requestID, Output: p.output}
	c.tail = appendTail(c.tail, line)
	if c.listen != nil {
		c.listen(r)
	}
	if c.sink != nil {
		c.sink(r)
		return
	}
	if len(c.held) < heldMax {
		c.held = append(c.held, r)
	}
}

// appendTail keeps the last LogTailBytes.
func appendTail(tail, line []byte) []byte {
	tail = append(append(tail, line...), '\n')
	if over := len(tail) - LogTailBytes; over > 0 {
		tail = append(tail[:0], tail[over:]...)
	}
	return tail
}

// nextLine finds one line; n is how many bytes it took, 0 when it is not whole.
func nextLine(data []byte) (line []byte, n int) {
	end := bytes.IndexByte(data, '\n')
	if end >= 0 && end <= logRecordMax {
		return bytes.TrimSuffix(data[:end], []byte{'\r'}), end + 1
	}
	if len(data) > logRecordMax {
		return data[:logRecordMax], logRecordMax
	}
	return nil, 0
}

// nextFrame finds one framed record. What is no frame is passed on as it is, so
// that a function which writes there itself loses nothing but the framing.
func nextFrame(data []byte) (line []byte, n int) {
	if len(data) < frameHeader {
		return nil, 0
	}
	kind := binary.BigEndian.Uint32(data)
	size := int(binary.BigEndian.Uint32(data[4:]))
	if kind&frameKindMask != frameKind {
		if line, n := nextLine(data); n > 0 {
			return line, n
		}
		return data, len(data)
	}
	kept := min(size, logRecordMax)
	if len(data) < frameHeader+kept {
		return nil, 0
	}
	if kept < size {
		// The rest of an oversize record follows as plain bytes.
		size = kept
	}
	return bytes.TrimSuffix(data[frameHeader:frameHeader+size], []byte{'\n'}), frameHeader + size
}
