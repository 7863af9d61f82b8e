// Package sigv4 verifies and makes AWS Signature Version 4: the Authorization
// header, presigned queries, and aws-chunked bodies with their trailers.
//
// It knows no accounts. A server calls Parse to learn which access key signed,
// fetches that key's secret, and calls Verify; the time is a parameter. Session
// tokens are handed over, not judged. SigV4A (ECDSA) and Signature Version 2 are
// refused as unsupported.
//
// Data read through a ChunkedReader or a PayloadReader is to be trusted only
// when the reader has answered io.EOF: nothing may be committed before.
package sigv4

import "time"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
)

// The values of x-amz-content-sha256 that are not a digest.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// EmptyPayloadHash is the SHA-256 of no bytes.
const EmptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// MaxSkew is how far a request's time may be from the server's.
const MaxSkew = 15 * time.Minute

// MaxExpires is the longest life of a presigned request.
const MaxExpires = 7 * 24 * time.Hour

// Kind classifies an Error; each service family has its own code for it.
type Kind uint8

const (
	KindMissingToken     Kind = iota + 1 // no signature at all
	KindIncomplete                       // a part of the signature is missing or malformed
	KindQueryParameters                  // the same, in a presigned query
	KindAmbiguous                        // signed in the header and in the query
	KindUnsupported                      // another algorithm
	KindMismatch                         // the signature is not ours
	KindTimeSkewed                       // header: the time is more than MaxSkew away
	KindExpired                          // presigned: its life is over
	KindNotYetValid                      // presigned: its life has not begun
	KindUnsignedHeaders                  // headers that must be signed are not
	KindPayloadMismatch                  // the body is not the one that was signed
	KindIncompleteBody                   // the body ends early or is longer than announced
	KindInvalidChunk                     // aws-chunked framing is broken
	KindInvalidChunkSize                 // a chunk that is not the last is too small
	KindMalformedTrailer                 // a trailer is missing, unannounced or broken
	KindDate                             // header: there is no time in it, or none that can be read
	KindScopeDate                        // the scope's day is not that of the time
)

// Error is why a request is not authentic. Message is AWS's text; S3 words some
// of them differently, see S3Message.
type Error struct {
	Kind    Kind
	Message string
	s3      string

	// Detail carries what S3 puts beside the message: names of unsigned
	// headers, or the digest it computed.
	Detail string
}

func (e *Error) Error() string { return e.Message }

// S3Message is the text as S3 words it.
func (e *Error) S3Message() string {
	if e.s3 != "" {
		return e.s3
	}
	return e.Message
}

const (
	mismatchText   = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	mismatchTextS3 = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)

func mismatch() *Error {
	return &Error{Kind: KindMismatch, Message: mismatchText, s3: mismatchTextS3}
}
