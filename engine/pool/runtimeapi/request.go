package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of a request.
const (
	// PayloadMax is the largest response body: 6 MiB and a little.
	PayloadMax      = 6<<20 + 100
	lineBytesMax    = 64 << 10
	headersMax      = 100
	headBytesMax    = 128 << 10 // of all headers together
	chunkLineMax    = 4 << 10
	drainMax        = 256 << 20 // how much of a too large body is read, to be able to answer
	readBufferBytes = 16 << 10
	// smallBytes is the size of a body that needs no leave to be kept. Room is
	// made for what a guest says that it will send.
	smallBytes = 64 << 10
)

var (
	errMalformed = errors.New("runtimeapi: malformed request")
	errTruncated = errors.New("runtimeapi: the body ends early")
)

// request is one parsed request. Header names are in lower case.
type request struct {
	method, target string
	header         map[string]string
	body           []byte
	size           int64 // of the body as sent, which is more than len(body) when too large
	trailer        map[string]string
	close          bool // the client will not reuse the connection
	// leave, if not nil, waits for leave to keep a large body, once.
	leave func()
}

func (r *request) tooLarge() bool { return r.size > PayloadMax }

// readHead reads a request up to its body. proceed is called when the client
// waits for leave to send that.
func readHead(br *bufio.Reader, proceed func() error) (*request, error) {
	line, err := readLine(br)
	if err != nil {
		return nil, err
	}
	method, rest, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || method == "" || target == "" || !strings.HasPrefix(version, "HTTP/1.") {
		return nil, errMalformed
	}
	r := &request{method: method, target: target}
	if r.header, err = readHeader(br); err != nil {
		return nil, err
	}
	connection := strings.ToLower(r.header["connection"])
	r.close = connection == "close" || (version == "HTTP/1.0" && connection != "keep-alive")
	if strings.EqualFold(r.header["expect"], "100-continue") {
		if err := proceed(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func readLine(br *bufio.Reader) (string, error) {
	line, err := br.ReadSlice('\n')
	if err == nil {
		return string(bytes.TrimRight(line, "\r\n")), nil
	}
	if err != bufio.ErrBufferFull {
		return "", err
	}
	long := append([]byte{}, line...)
	for err == bufio.ErrBufferFull {
		if len(long) > lineBytesMax {
			return "", errMalformed
		}
		line, err = br.ReadSlice('\n')
		long = append(long, line...)
	}
	return string(bytes.TrimRight(long, "\r\n")), err
}

func readHeader(br *bufio.Reader) (map[string]string, error) {
	header := make(map[string]string, 8)
	for left := headBytesMax; ; {
		line, err := readLine(br)
		if err != nil {
			return nil, err
		}
		if left -= len(line); left < 0 {
			return nil, errMalformed
		}
		if line == "" {
			return header, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") || len(header) >= headersMax {
			return nil, errMalformed
		}
		header[strings.ToLower(name)] = strings.Trim(value, " \t")
	}
}

func (r *request) readBody(br *bufio.Reader) error {
	if encoding := r.header["transfer-encoding"]; encoding != "" {
		if !strings.EqualFold(encoding, "chunked") || r.header["content-length"] != "" {
			return errMalformed
		}
		return r.readChunks(br, drainMax, func(n int64) error { return r.take(br, n) })
	}
	n, err := r.length()
	if err != nil {
		return err
	}
	r.size = n
	return r.take(br, n)
}

// length is what Content-Length says, 0 where there is none.
func (r *request) length() (int64, error) {
	text := r.header["content-length"]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil {
		return 0, errMalformed
	}
	return int64(n), nil
}

// take reads n bytes of body, of which it keeps what fits.
func (r *request) take(br *bufio.Reader, n int64) error {
	room := max(int64(PayloadMax-len(r.body)), 0)
	keep := min(n, room)
	start := len(r.body)
	if r.leave != nil && int64(start)+keep > smallBytes {
		r.leave()
		r.leave = nil
	}
	r.body = append(r.body, make([]byte, keep)...)
	if _, err := io.ReadFull(br, r.body[start:]); err != nil {
		return truncated(err)
	}
	if n-keep > drainMax {
		return errMalformed
	}
	_, err := io.CopyN(io.Discard, br, n-keep)
	return truncated(err)
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

// readChunks walks a chunked body of at most limit bytes; take reads each chunk.
func (r *request) readChunks(br *bufio.Reader, limit int64, take func(n int64) error) error {
	for {
		line, err := readLine(br)
		if err != nil {
			return truncated(err)
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil || len(line) > chunkLineMax || int64(n) > limit-r.size {
			return errMalformed
		}
		if n == 0 {
			r.trailer, err = readHeader(br)
			return truncated(err)
		}
		r.size += int64(n)
		if err := take(int64(n)); err != nil {
			return err
		}
		if end, err := readLine(br); err != nil || end != "" {
			return errMalformed
		}
	}
}

var statusText = map[int]string{
	200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 413: "Request Entity Too Large", 500: "Internal Server Error",
}

// appendHead appends a response's head; headers are pairs, empty values left out.
func appendHead(out []byte, status, length int, headers ...string) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, statusText[status]...)
	out = append(out, "\r\n"...)
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			continue
		}
		out = append(out, headers[i]...)
		out = append(out, ": "...)
		out = append(out, oneLine(headers[i+1])...)
		out = append(out, "\r\n"...)
	}
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, int64(length), 10)
	return append(out, "\r\n\r\n"...)
}

// oneLine keeps a value from ending its header.
func oneLine(value string) string {
	if !strings.ContainsAny(value, "\r\n") {
		return value
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
}

func errorBody(kind, message string) []byte {
	return fmt.Appendf(nil, "{\"errorMessage\":%q,\"errorType\":%q}\n", message, kind)
}
