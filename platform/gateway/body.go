package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/wire"
)

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// openBody prepares the request's body and says which payload hash the
// signature must cover. S3 object bodies are streams whose hash is checked as
// they are read; everything else is read whole, within wire.MaxBodyBytes.
func (g *Gateway) openBody(x *exchange, signed *sigv4.Signed) (*wire.Request, string, error) {
	req := &wire.Request{HTTP: x.r, Query: x.r.URL.Query()}
	if x.target == g.s3 {
		return g.openS3Body(x, signed, req)
	}
	body, err := readBody(x.r)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(body)
	if strings.EqualFold(x.r.Header.Get("Content-Encoding"), "gzip") && len(body) > 0 {
		if body, err = gunzip(body); err != nil {
			return nil, "", err
		}
	}
	req.Body = body
	hash := hex.EncodeToString(sum[:])
	if signed != nil && signed.PayloadHash == sigv4.UnsignedPayload {
		hash = sigv4.UnsignedPayload
	}
	return req, hash, nil
}

// openS3Body leaves the body of stream operations unread. Which those are is
// known by method and shape of the request: PUT with a key, and POST never.
func (g *Gateway) openS3Body(x *exchange, signed *sigv4.Signed, req *wire.Request) (*wire.Request, string, error) {
	op, err := g.operation(x, req)
	if err != nil {
		return nil, "", err
	}
	hash := ""
	if signed != nil {
		hash = signed.PayloadHash
	}
	x.stream = op.StreamIn
	if x.stream {
		req.Stream = x.r.Body
		if len(hash) == sha256.Size*2 {
			req.Stream = &hashedReader{r: x.r.Body, h: sha256.New(), want: hash}
		}
		x.call.HTTP.Body = req.Stream
		return req, hash, nil
	}
	if sigv4.IsChunked(hash) {
		return req, hash, nil // openChunks reads it
	}
	body, err := readBody(x.r)
	if err != nil {
		return nil, "", err
	}
	if len(hash) == sha256.Size*2 {
		sum := sha256.Sum256(body)
		if hex.EncodeToString(sum[:]) != strings.ToLower(hash) {
			return nil, "", payloadMismatch()
		}
	}
	req.Body = body
	x.call.HTTP.Body = bytes.NewReader(body)
	return req, hash, nil
}

// openChunks removes aws-chunked framing once the seed signature was verified.
func (g *Gateway) openChunks(x *exchange, signed *sigv4.Signed, secret string, req *wire.Request) error {
	if x.target != g.s3 || !sigv4.IsChunked(signed.PayloadHash) {
		return nil
	}
	cr, err := signed.NewChunkedReader(x.r, secret)
	if err != nil {
		return g.signatureFault(x, err)
	}
	x.call.HTTP.Trailer = cr.Trailer
	if x.stream {
		req.Stream = &chunkFaults{r: cr, g: g, x: x}
		x.call.HTTP.Body = req.Stream
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(cr, wire.MaxBodyBytes+1))
	if err != nil {
		return g.signatureFault(x, err)
	}
	if len(body) > wire.MaxBodyBytes {
		return tooLarge()
	}
	req.Body = body
	x.call.HTTP.Body = bytes.NewReader(body)
	return nil
}

// chunkFaults words what the chunk reader finds wrong as S3 does.
type chunkFaults struct {
	r io.Reader
	g *Gateway
	x *exchange
}

func (c *chunkFaults) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, fault.New("IncompleteBody", http.StatusBadRequest, "The request body terminated unexpectedly")
	}
	return n, c.g.signatureFault(c.x, err)
}

// hashedReader reports a body that does not have the hash which was signed. It
// does so instead of the last EOF, so a handler cannot commit such a body.
type hashedReader struct {
	r    io.Reader
	h    hash.Hash
	want string
}

func (b *hashedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.h.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(b.h.Sum(nil)) != strings.ToLower(b.want) {
		return n, payloadMismatch()
	}
	return n, err
}

func payloadMismatch() error {
	return fault.New("XAmzContentSHA256Mismatch", http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed.")
}

func tooLarge() error {
	return fault.New("RequestEntityTooLargeException", http.StatusRequestEntityTooLarge, "Request body is larger than %d bytes.", wire.MaxBodyBytes)
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > wire.MaxBodyBytes {
		return nil, tooLarge()
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength))
	}
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, wire.MaxBodyBytes+1)); err != nil {
		return nil, fault.New("IncompleteBody", http.StatusBadRequest, "The request body terminated unexpectedly")
	}
	if buf.Len() > wire.MaxBodyBytes {
		return nil, tooLarge()
	}
	return buf.Bytes(), nil
}

func gunzip(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fault.New("SerializationException", http.StatusBadRequest, "The body is not gzip.")
	}
	out, err := io.ReadAll(io.LimitReader(z, wire.MaxBodyBytes+1))
	if err != nil {
		return nil, fault.New("SerializationException", http.StatusBadRequest, "The body is not gzip.")
	}
	if len(out) > wire.MaxBodyBytes {
		return nil, tooLarge()
	}
	return out, nil
}

// drainMax is how much of an unread body is read so that the connection can be
// used again; beyond it the connection is closed.
const drainMax = 256 << 10

func (g *Gateway) write(x *exchange, resp *wire.Response) {
	h := x.w.Header()
	for k, v := range x.call.HTTP.Header {
		h[k] = v
	}
	for k, v := range resp.Header {
		h[k] = v
	}
	g.requestIDHeaders(x, h)
	x.written = true
	if resp.Status == 0 {
		resp.Status = http.StatusOK
	}
	x.record.Status = resp.Status
	if x.stream && x.r.Body != nil {
		io.CopyN(io.Discard, x.r.Body, drainMax)
	}
	if resp.Stream != nil {
		defer resp.Stream.Close()
		x.w.WriteHeader(resp.Status)
		if x.r.Method == http.MethodHead {
			return
		}
		if _, err := io.Copy(x.w, resp.Stream); err != nil {
			x.call.Note("response stream: " + err.Error())
			// The status is sent; only a broken connection can tell the client.
			panic(http.ErrAbortHandler)
		}
		return
	}
	x.w.WriteHeader(resp.Status)
	if x.r.Method != http.MethodHead {
		x.w.Write(resp.Body)
	}
}

func (g *Gateway) requestIDHeaders(x *exchange, h http.Header) {
	id := x.call.RequestID
	if x.target != nil && x.target.kind == smithy.RESTXML {
		h.Set("x-amz-request-id", id)
		h.Set("x-amz-id-2", id)
		return
	}
	h["x-amzn-RequestId"] = []string{id}
}

// statusWriter remembers the status that an endpoint answered with.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
