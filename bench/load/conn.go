package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Limits of a connection.
const (
	dialTimeout  = 5 * time.Second
	replyTimeout = 5 * time.Minute // 64 MB, over 64 connections, to a slow disk
	readerBytes  = 64 << 10
	bodyBytesMax = 16 << 20
	errorExcerpt = 300 // bytes of a body that an error shows
)

// Conn is one kept-alive HTTP/1.1 connection that sends ready-made requests.
// It is for one goroutine.
type Conn struct {
	nc   net.Conn
	in   *bufio.Reader
	body []byte
}

// Dial connects to host:port.
func Dial(addr string) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &Conn{nc: nc, in: bufio.NewReaderSize(nc, readerBytes)}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Do sends a request and reads the response. The body is valid until the next
// call. A status other than 2xx is an error that shows the body.
func (c *Conn) Do(request []byte) ([]byte, error) { return c.exchange(request, nil, false) }

// Pass sends a request's head and body and drops the body of the response,
// however long it is.
func (c *Conn) Pass(head, body []byte) error {
	_, err := c.exchange(head, body, true)
	return err
}

func (c *Conn) exchange(head, body []byte, drop bool) ([]byte, error) {
	if err := c.nc.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return nil, err
	}
	send := net.Buffers{head, body}
	if _, err := send.WriteTo(c.nc); err != nil {
		return nil, err
	}
	status, length, err := c.head()
	if err != nil {
		return nil, err
	}
	if drop && status/100 == 2 && length != chunked {
		c.body = c.body[:0]
		_, err := c.in.Discard(length)
		return nil, err
	}
	if err := c.readBody(length); err != nil {
		return nil, err
	}
	if status/100 != 2 {
		return nil, fmt.Errorf("status %d: %s", status, c.body[:min(len(c.body), errorExcerpt)])
	}
	return c.body, nil
}

const chunked = -1

var (
	lengthName   = []byte("content-length")
	encodingName = []byte("transfer-encoding")
)

// head reads the status line and the headers; length may be chunked.
func (c *Conn) head() (status, length int, err error) {
	line, err := c.line()
	if err != nil {
		return 0, 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, 0, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("status line %q", line)
	}
	for {
		line, err := c.line()
		if err != nil {
			return 0, 0, err
		}
		if len(line) == 0 {
			return status, length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, lengthName):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length < 0 {
				return 0, 0, fmt.Errorf("content length %q", value)
			}
		case bytes.EqualFold(name, encodingName):
			length = chunked
		}
	}
}

func (c *Conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func (c *Conn) readBody(length int) error {
	c.body = c.body[:0]
	if length != chunked {
		return c.take(length)
	}
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(line), 16, 32)
		if err != nil {
			return fmt.Errorf("chunk size %q", line)
		}
		if err := c.take(int(n)); err != nil {
			return err
		}
		if end, err := c.line(); err != nil || len(end) != 0 {
			return errors.Join(errors.New("chunk without end"), err)
		}
		if n == 0 {
			return nil
		}
	}
}

// take appends n bytes to the body.
func (c *Conn) take(n int) error {
	at := len(c.body)
	if at+n > bodyBytesMax {
		return fmt.Errorf("body of more than %d bytes", bodyBytesMax)
	}
	if cap(c.body) < at+n {
		c.body = append(make([]byte, 0, 2*(at+n)), c.body...)
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.in, c.body[at:])
	return err
}

// Traffic is what connections send.
type Traffic struct {
	Requests [][]byte // whole, or heads where there is a Body
	Body     []byte   // sent after each of them
	Discard  bool     // bodies of answers are read and dropped
}

// HTTP sends whole requests in turn over conns connections.
func HTTP(addr string, conns int, limit Limit, requests [][]byte) (Result, error) {
	return Traffic{Requests: requests}.Run(addr, conns, limit)
}

// Run sends the requests in turn over conns connections: worker w begins with
// the w-th share of them.
func (t Traffic) Run(addr string, conns int, limit Limit) (Result, error) {
	open := make([]*Conn, 0, conns)
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range conns {
		c, err := Dial(addr)
		if err != nil {
			return Result{}, err
		}
		open = append(open, c)
	}
	share := max((len(t.Requests)+conns-1)/conns, 1)
	return Loop(conns, limit, func(w, i int) error {
		_, err := open[w].exchange(t.Requests[(w*share+i)%len(t.Requests)], t.Body, t.Discard)
		return err
	})
}
