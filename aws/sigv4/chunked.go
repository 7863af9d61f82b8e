package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Limits of an aws-chunked body.
const (
	MaxChunkLineBytes = 4 << 10  // a chunk's header, or one trailer
	MaxChunkBytes     = 5 << 30  // one chunk: S3's largest single upload
	MinChunkBytes     = 8 << 10  // every chunk but the last
	MaxTrailers       = 16       // lines after the last chunk, blank ones too
	chunkBufferBytes  = 32 << 10 // read buffer; must hold MaxChunkLineBytes
)

// Chunked says how an aws-chunked body was signed.
type Chunked struct {
	// Signed and Secret verify the chunks; Signed must have passed Verify. They
	// are not used for StreamingUnsignedTrailer.
	Signed *Signed
	Secret string
	Keys   *KeyCache // may be nil

	PayloadHash   string   // one of the Streaming constants
	DecodedLength int64    // x-amz-decoded-content-length; -1 where it is unknown
	Trailers      []string // names announced by x-amz-trailer
}

// ChunkedReader decodes an aws-chunked body and checks its signatures. A Read
// gives data before its chunk is verified, so what was read counts only after
// io.EOF. Errors of the body are *Error.
type ChunkedReader struct {
	in       *bufio.Reader
	c        Chunked
	key      *macKey
	previous string    // signature before this chunk
	expected string    // signature this chunk claims
	sum      hash.Hash // of this chunk's data
	left     int64     // bytes of this chunk still to read
	last     int64     // size of the chunk before, -1 at the start
	total    int64
	trailers map[string]string
	err      error
}

// NewChunkedReader decodes body.
func NewChunkedReader(body io.Reader, c Chunked) *ChunkedReader {
	r := &ChunkedReader{in: bufio.NewReaderSize(body, chunkBufferBytes), c: c, last: -1, trailers: map[string]string{}}
	switch c.PayloadHash {
	case StreamingSigned, StreamingSignedTrailer:
		r.key = c.Keys.signingKey(c.Signed.scopeOf(c.Secret))
		r.previous = c.Signed.Signature
		r.sum = sha256.New()
	case StreamingUnsignedTrailer:
	default:
		r.err = &Error{Kind: KindInvalidChunk, Message: "x-amz-content-sha256 does not announce a chunked body"}
	}
	r.c.Trailers = nil
	for _, name := range c.Trailers {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			r.c.Trailers = append(r.c.Trailers, name)
		}
	}
	return r
}

// Trailer gives a trailer's value once Read has answered io.EOF.
func (r *ChunkedReader) Trailer(name string) string {
	if r.err != io.EOF {
		return ""
	}
	return r.trailers[strings.ToLower(name)]
}

// Read implements io.Reader.
func (r *ChunkedReader) Read(p []byte) (int, error) {
	for r.err == nil && r.left == 0 {
		r.err = r.nextChunk()
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.in.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	r.total += int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	switch {
	case err != nil:
		r.err = brokenRead(err)
	case r.left == 0:
		r.err = r.endChunk()
	}
	// Data already copied is handed over; the error comes with the next call.
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

// brokenRead turns an early end into a fault of the caller; other read errors
// are passed on as they are.
func brokenRead(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return incompleteBody()
	}
	return err
}

func incompleteBody() *Error {
	return &Error{Kind: KindIncompleteBody, Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
}

func invalidChunk(why string) *Error {
	return &Error{Kind: KindInvalidChunk, Message: "The chunked encoding of the request body is invalid.", Detail: why}
}

// nextChunk reads a chunk's header, and all that follows the last chunk.
func (r *ChunkedReader) nextChunk() error {
	line, err := r.line()
	if err != nil {
		return brokenRead(err)
	}
	size, signature, bad := parseChunkHeader(line)
	if bad != nil {
		return bad
	}
	if r.sum != nil && len(signature) != sha256.Size*2 {
		return invalidChunk("no signature, or one of another length")
	}
	if size > 0 && r.last >= 0 && r.last < MinChunkBytes {
		return &Error{Kind: KindInvalidChunkSize, Message: "Only the last chunk is allowed to have a size less than 8192 bytes"}
	}
	if r.c.DecodedLength >= 0 && size > r.c.DecodedLength-r.total {
		return incompleteBody()
	}
	r.expected, r.left, r.last = signature, size, size
	if size > 0 {
		return nil
	}
	if err := r.verifyChunk(); err != nil {
		return err
	}
	if r.c.DecodedLength >= 0 && r.total != r.c.DecodedLength {
		return incompleteBody()
	}
	return r.finish()
}

// endChunk checks a chunk's data and the line break after it.
func (r *ChunkedReader) endChunk() error {
	if err := r.verifyChunk(); err != nil {
		return err
	}
	line, err := r.line()
	if err != nil {
		return brokenRead(err)
	}
	if line != "" {
		return invalidChunk("data longer than the chunk's size")
	}
	return nil
}

func (r *ChunkedReader) verifyChunk() error {
	if r.sum == nil {
		return nil
	}
	digest := hex.EncodeToString(r.sum.Sum(nil))
	r.sum.Reset()
	return r.chain(r.c.Signed.stringToSign(algorithm+"-PAYLOAD", r.previous, EmptyPayloadHash, digest), r.expected)
}

// chain checks one signature and makes it the base of the next.
func (r *ChunkedReader) chain(text, claimed string) error {
	want := signHex(r.key, text)
	if subtle.ConstantTimeCompare([]byte(want), []byte(claimed)) != 1 {
		return mismatch()
	}
	r.previous = want
	return nil
}

// line reads one line without its break. Lines end in \r\n; some clients write
// \n after trailers.
func (r *ChunkedReader) line() (string, error) {
	b, err := r.in.ReadSlice('\n')
	if len(b) > MaxChunkLineBytes || errors.Is(err, bufio.ErrBufferFull) {
		return "", invalidChunk(fmt.Sprintf("line over %d bytes", MaxChunkLineBytes))
	}
	if err != nil {
		if err == io.EOF && len(b) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	return strings.TrimSuffix(string(b[:len(b)-1]), "\r"), nil
}

// parseChunkHeader reads "hex-size" or "hex-size;chunk-signature=…".
func parseChunkHeader(line string) (size int64, signature string, bad error) {
	hexSize, extension, _ := strings.Cut(line, ";")
	if strings.Trim(hexSize, "0123456789abcdefABCDEF") != "" {
		return 0, "", invalidChunk("chunk size is not a hexadecimal number")
	}
	size, err := strconv.ParseInt(hexSize, 16, 64)
	if err != nil || size > MaxChunkBytes {
		return 0, "", invalidChunk("chunk size is missing or too large")
	}
	if extension == "" {
		return size, "", nil
	}
	signature, found := strings.CutPrefix(strings.TrimSpace(extension), "chunk-signature=")
	if !found {
		return 0, "", invalidChunk("unknown chunk extension")
	}
	return size, signature, nil
}

const trailerSignature = "x-amz-trailer-signature"

// finish reads to the end of the body: the trailers where they are announced,
// and nothing but line breaks otherwise.
func (r *ChunkedReader) finish() error {
	var canonical strings.Builder
	for range MaxTrailers {
		line, err := r.line()
		if err == io.EOF {
			return r.checkTrailers(canonical.String())
		}
		if err != nil {
			return brokenRead(err)
		}
		if line == "" {
			continue
		}
		if bad := r.addTrailer(line, &canonical); bad != nil {
			return bad
		}
	}
	if _, err := r.in.Peek(1); err != io.EOF {
		return malformedTrailer("too many lines after the last chunk")
	}
	return r.checkTrailers(canonical.String())
}

func (r *ChunkedReader) addTrailer(line string, canonical *strings.Builder) error {
	name, value, found := strings.Cut(line, ":")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	_, twice := r.trailers[name]
	signature := name == trailerSignature && r.c.PayloadHash == StreamingSignedTrailer
	if _, signed := r.trailers[trailerSignature]; signed {
		return malformedTrailer("text after the trailer signature")
	}
	if !found || twice || (!signature && (r.c.PayloadHash == StreamingSigned || !slices.Contains(r.c.Trailers, name))) {
		return malformedTrailer("unannounced, repeated or malformed trailer")
	}
	r.trailers[name] = value
	if !signature {
		canonical.WriteString(name + ":" + value + "\n")
	}
	return nil
}

// checkTrailers wants every announced trailer, under its signature where the
// payload is signed, and then answers io.EOF.
func (r *ChunkedReader) checkTrailers(canonical string) error {
	if r.c.PayloadHash == StreamingSigned {
		return io.EOF
	}
	for _, name := range r.c.Trailers {
		if _, ok := r.trailers[name]; !ok {
			return malformedTrailer("trailer " + name + " is missing")
		}
	}
	if r.c.PayloadHash == StreamingSignedTrailer {
		text := r.c.Signed.stringToSign(algorithm+"-TRAILER", r.previous, hashHex(canonical))
		if err := r.chain(text, r.trailers[trailerSignature]); err != nil {
			return err
		}
	}
	return io.EOF
}

func malformedTrailer(why string) *Error {
	return &Error{Kind: KindMalformedTrailer, Message: "The request contained trailing data that was not well-formed or did not conform to our published schema.", Detail: why}
}

// PayloadReader passes a body through and checks at its end that it is the one
// whose digest was signed.
type PayloadReader struct {
	body io.Reader
	want string
	sum  hash.Hash
}

// NewPayloadReader checks body against a digest in hex.
func NewPayloadReader(body io.Reader, sha256Hex string) *PayloadReader {
	return &PayloadReader{body: body, want: sha256Hex, sum: sha256.New()}
}

// Read implements io.Reader.
func (p *PayloadReader) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	p.sum.Write(b[:n])
	if err != io.EOF {
		return n, err
	}
	if got := hex.EncodeToString(p.sum.Sum(nil)); got != strings.ToLower(p.want) {
		return n, &Error{Kind: KindPayloadMismatch, Message: "The provided 'x-amz-content-sha256' header does not match what was computed.", Detail: got}
	}
	return n, io.EOF
}
