package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/sigv4"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/wire"
	"moln.dev/moln/wire/eventstream"
)

// openBody prepares the request's body and says which payload hash the
// signature must cover. S3 object bodies are streams whose hash is checked as
// they are read; everything else is read whole, within wire.MaxBodyBytes.
func (g *Gateway) openBody(x *exchange, signed *sigv4.Signed) (*wire.Request, string, error) {
	req := &wire.Request{HTTP: x.r}
	if x.r.URL.RawQuery != "" {
		req.Query = x.r.URL.Query()
	}
	if x.target == g.s3 {
		return g.openS3Body(x, signed, req)
	}
	limit := wire.MaxBodyBytes
	if signed == nil {
		limit = anonymousBodyMax
	}
	body, err := readBody(x.r, limit)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(body)
	if strings.EqualFold(x.r.Header.Get("Content-Encoding"), "gzip") && len(body) > 0 {
		if body, err = gunzip(body, limit); err != nil {
			return nil, "", err
		}
		if !x.inbound.hold(int64(len(body))) {
			return nil, "", errBusy()
		}
	}
	req.Body = body
	var digits [2 * sha256.Size]byte
	hash := string(hex.AppendEncode(digits[:0], sum[:]))
	if signed != nil && signed.PayloadHash == sigv4.UnsignedPayload {
		hash = sigv4.UnsignedPayload
	}
	return req, hash, nil
}

// openS3Body leaves the body of stream operations unread; sigv4's readers check
// it while it is read. Other bodies are read and checked here.
func (g *Gateway) openS3Body(x *exchange, signed *sigv4.Signed, req *wire.Request) (*wire.Request, string, error) {
	op, err := g.operation(x, req)
	if err != nil {
		return nil, "", err
	}
	x.found = op
	x.stream = op.StreamIn
	x.inbound.streamed = op.StreamIn
	hash := payloadHash(x.r, signed)
	if hash == "" {
		return nil, "", fault.New("InvalidRequest", http.StatusBadRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	if isChunked(hash) && !op.StreamIn {
		return nil, "", fault.New("InvalidRequest", http.StatusBadRequest, "The value of x-amz-content-sha256 header is invalid.")
	}
	if signed == nil && isChunked(hash) {
		// Anonymous callers frame their bodies as well.
		return req, hash, g.openChunks(x, nil, "", req)
	}
	if isChunked(hash) {
		return req, hash, nil // openChunks, once the signature was verified
	}
	var body io.Reader = x.r.Body
	if hash != sigv4.UnsignedPayload {
		if _, err := hex.DecodeString(hash); err != nil || len(hash) != sha256.Size*2 {
			return nil, "", badPayloadHash(hash)
		}
		body = sigv4.NewPayloadReader(x.r.Body, hash)
	}
	return req, hash, g.setBody(x, req, body)
}

// badPayloadHash refuses a digest that is none: the body behind it would not be
// checked.
func badPayloadHash(hash string) error {
	return fault.New("InvalidArgument", http.StatusBadRequest, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.").
		WithBody(map[string]string{"ArgumentName": "x-amz-content-sha256", "ArgumentValue": hash})
}

// payloadHash is x-amz-content-sha256, which presigned and anonymous requests
// may leave out.
func payloadHash(r *http.Request, signed *sigv4.Signed) string {
	if signed != nil && signed.PayloadHash != "" {
		return signed.PayloadHash
	}
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" {
		return h
	}
	if signed == nil || signed.Presigned {
		return sigv4.UnsignedPayload
	}
	return ""
}

func isChunked(hash string) bool { return strings.HasPrefix(hash, "STREAMING-") }

// setBody hands the body on: as a stream, or read whole.
func (g *Gateway) setBody(x *exchange, req *wire.Request, body io.Reader) error {
	if x.stream {
		req.Stream = &faultReader{r: body, g: g, x: x}
		x.call.HTTP.Body = req.Stream
		return nil
	}
	all, err := io.ReadAll(io.LimitReader(body, wire.MaxBodyBytes+1))
	if err != nil {
		return g.bodyFault(x, err)
	}
	if len(all) > wire.MaxBodyBytes {
		return tooLarge(wire.MaxBodyBytes)
	}
	req.Body = all
	x.call.HTTP.Body = bytes.NewReader(all)
	return nil
}

// openChunks removes S3's aws-chunked framing once the signature that the
// chunks chain from was verified.
func (g *Gateway) openChunks(x *exchange, signed *sigv4.Signed, secret string, req *wire.Request) error {
	hash := payloadHash(x.r, signed)
	if x.target != g.s3 || !isChunked(hash) {
		return nil
	}
	length, err := strconv.ParseInt(x.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return fault.New("MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header.")
	}
	if signed == nil && hash != sigv4.StreamingUnsignedTrailer {
		return fault.New("AccessDenied", http.StatusForbidden, "Access Denied")
	}
	var trailers []string
	for _, v := range x.r.Header.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(v, ",") {
			trailers = append(trailers, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	cr := sigv4.NewChunkedReader(x.r.Body, sigv4.Chunked{
		Signed: signed, Secret: secret, Keys: g.keys,
		PayloadHash: hash, DecodedLength: length, Trailers: trailers,
	})
	x.call.HTTP.Trailer = cr.Trailer
	x.call.HTTP.DecodedLength = length
	return g.setBody(x, req, cr)
}

// faultReader words what a body's reader finds wrong as S3 does.
type faultReader struct {
	r io.Reader
	g *Gateway
	x *exchange
}

// Read implements io.Reader.
func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, f.g.bodyFault(f.x, err)
}

func (g *Gateway) bodyFault(x *exchange, err error) error {
	if errors.Is(err, errHeld) {
		return fault.New("SlowDown", http.StatusServiceUnavailable, "Please reduce your request rate.")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fault.New("IncompleteBody", http.StatusBadRequest, "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	return g.signatureFault(x, err)
}

func tooLarge(limit int) error {
	return fault.New("RequestEntityTooLargeException", http.StatusRequestEntityTooLarge, "Request body is larger than %d bytes.", limit)
}

// brokenBody is S3's text for a body that does not end where it says.
const brokenBody = "The request body terminated unexpectedly"

// aheadMax is what is allocated for a body on the word of its Content-Length.
const aheadMax = 1 << 20

func readBody(r *http.Request, limit int) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	var body []byte
	var err error
	if 0 < r.ContentLength && r.ContentLength <= aheadMax {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = readGrowing(r, limit)
	}
	switch {
	case errors.Is(err, errHeld):
		return nil, errBusy()
	case err != nil:
		return nil, fault.New("IncompleteBody", http.StatusBadRequest, brokenBody)
	case len(body) > limit:
		return nil, tooLarge(limit)
	}
	return body, nil
}

// readGrowing reads a body that is large or of unknown length.
func readGrowing(r *http.Request, limit int) ([]byte, error) {
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(aheadMax + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(r.Body, int64(limit)+1))
	return buf.Bytes(), err
}

func gunzip(body []byte, limit int) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fault.New("SerializationException", http.StatusBadRequest, "The body is not gzip.")
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(limit)+1))
	if err != nil {
		return nil, fault.New("SerializationException", http.StatusBadRequest, "The body is not gzip.")
	}
	if len(out) > limit {
		return nil, tooLarge(limit)
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
		var err error
		if events, ok := resp.Stream.(*eventstream.Stream); ok {
			x.sent, err = x.sendEvents(events)
		} else {
			x.sent, err = io.Copy(x.w, resp.Stream)
		}
		if err != nil {
			x.call.Note("response stream: " + err.Error())
			// The status is sent; only a broken connection can tell the client.
			panic(http.ErrAbortHandler)
		}
		return
	}
	if x.target != nil && x.target.def.BodyCRC32 {
		h["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(resp.Body)), 10)}
	}
	if len(resp.Body) > 0 && x.r.Method != http.MethodHead {
		// net/http knows the length of short answers only, and sends others in chunks.
		h["Content-Length"] = []string{strconv.Itoa(len(resp.Body))}
	}
	x.w.WriteHeader(resp.Status)
	if x.r.Method != http.MethodHead {
		x.w.Write(resp.Body)
		x.sent = int64(len(resp.Body))
	}
}

// eventsBytes is how much of a stream of events is sent at a time.
const eventsBytes = 32 << 10

// sendEvents sends each event when it comes.
func (x *exchange) sendEvents(events *eventstream.Stream) (sent int64, err error) {
	flusher := http.NewResponseController(x.w)
	room := make([]byte, eventsBytes)
	for {
		if err := flusher.Flush(); err != nil {
			return sent, err
		}
		n, err := events.Read(room)
		if err == io.EOF {
			if failure := events.Err(); failure != nil {
				x.call.Log.Error("internal failure", "operation", x.record.Operation, "service", x.record.Service, "error", failure)
			}
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		m, err := x.w.Write(room[:n])
		sent += int64(m)
		if err != nil {
			return sent, err
		}
	}
}

// tell lets the service know how a client's request was answered.
func (x *exchange) tell() {
	if x.target == nil || x.op == nil || x.target.def.Answered == nil {
		return
	}
	x.target.def.Answered(x.call, x.op.op, x.in, service.Answer{
		Status: x.record.Status, Code: x.record.Code, Bytes: x.sent, Took: time.Since(x.began), Header: x.w.Header(),
	})
}

// requestIDHeader is x-amzn-RequestId in the form that net/http keeps names in.
const requestIDHeader = "X-Amzn-Requestid"

func (g *Gateway) requestIDHeaders(x *exchange, h http.Header) {
	id := x.call.RequestID
	if x.target != nil && x.target.kind == smithy.RESTXML {
		h.Set("x-amz-request-id", id)
		h.Set("x-amz-id-2", id)
		return
	}
	if len(h[requestIDHeader]) == 0 {
		h[requestIDHeader] = []string{id}
	}
}

// statusWriter remembers the status that an endpoint answered with.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write sends the status of a handler that named none.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
