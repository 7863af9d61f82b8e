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
	replyTimeout = 30 * time.Second
	readerBytes  = 16 << 10
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
func (c *Conn) Do(request []byte) ([]byte, error) {
	if err := c.nc.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.nc.Write(request); err != nil {
		return nil, err
	}
	status, length, err := c.head()
	if err != nil {
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
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length < 0 || length > bodyBytesMax {
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

// HTTP sends the requests in turn over conns connections: worker w begins with
// the w-th share of them.
func HTTP(addr string, conns int, limit Limit, requests [][]byte) (Result, error) {
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
	share := max(len(requests)/conns, 1)
	return Loop(conns, limit, func(w, i int) error {
		_, err := open[w].Do(requests[(w*share+i)%len(requests)])
		return err
	})
}
