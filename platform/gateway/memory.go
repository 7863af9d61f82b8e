package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"moln.dev/moln/aws/fault"
)

// Bounds of what strangers can make the gateway hold. A body is read before its
// signature can be verified, so none of this trusts the caller.
const (
	// heldMax is what the bodies of all requests in flight may hold together; with
	// what growing buffers leave behind it is about four times that.
	heldMax = 256 << 20
	// anonymousBodyMax bounds bodies of unsigned API requests: what may be
	// called without a signature is small.
	anonymousBodyMax = 1 << 20
	// stallMax is how long a client may send nothing in the middle of a body.
	stallMax = 60 * time.Second
)

var errHeld = errors.New("gateway: the bodies in flight hold all the memory they may")

// memory counts the bytes of bodies that are held.
type memory struct{ held atomic.Int64 }

func (m *memory) take(n int64) bool {
	if m.held.Add(n) <= heldMax {
		return true
	}
	m.held.Add(-n)
	return false
}

// inbound is a request's body on its way in: every byte read counts as held
// until the request is over, unless the body is streamed, and no read waits for
// ever.
type inbound struct {
	io.ReadCloser
	memory   *memory
	control  *http.ResponseController
	held     int64
	streamed bool
}

// Read implements io.Reader.
func (b *inbound) Read(p []byte) (int, error) {
	// Connections that have no deadlines (tests, pipes) are read without.
	_ = b.control.SetReadDeadline(time.Now().Add(stallMax))
	n, err := b.ReadCloser.Read(p)
	if err != io.EOF { // net/http has lifted it then
		_ = b.control.SetReadDeadline(time.Time{})
	}
	if !b.streamed && !b.hold(int64(n)) {
		return 0, errHeld
	}
	return n, err
}

func (b *inbound) hold(n int64) bool {
	if !b.memory.take(n) {
		return false
	}
	b.held += n
	return true
}

func (b *inbound) release() { b.memory.held.Add(-b.held) }

// receive puts the body of x under the bounds; the answer releases it.
func (g *Gateway) receive(x *exchange) (release func()) {
	x.inbound = &inbound{ReadCloser: x.r.Body, memory: &g.memory, control: http.NewResponseController(x.w)}
	if x.r.Body != nil && x.r.Body != http.NoBody {
		x.r.Body = x.inbound
	}
	return x.inbound.release
}

func errBusy() error {
	return fault.New("ServiceUnavailable", http.StatusServiceUnavailable, "Please reduce your request rate.")
}
