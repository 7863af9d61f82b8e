package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Options are the circumstances of a verification.
type Options struct {
	Now  time.Time
	S3   bool      // S3's rules: paths encoded once, every x-amz- header signed
	Keys *KeyCache // may be nil
}

// Verify checks that secret made the signature over r. payloadHash is the
// SHA-256 of the body in hex, computed by the caller, or, for S3, s.PayloadHash
// (then the body itself is checked by a PayloadReader or a ChunkedReader while
// it is read); where S3 has none, UnsignedPayload. Its error is an *Error.
func (s *Signed) Verify(r *http.Request, secret, payloadHash string, opts Options) error {
	if bad := s.checkTime(opts.Now); bad != nil {
		return bad
	}
	if bad := s.checkScopeDate(); bad != nil {
		return bad
	}
	if bad := s.checkHeaders(r, opts.S3); bad != nil {
		return bad
	}
	key := opts.Keys.signingKey(s.scopeOf(secret))
	if s.signs(r, key, r.Host, payloadHash, opts.S3) {
		return nil
	}
	for _, port := range [...]string{":80", ":443"} {
		// Some clients sign the host without the default port that they send.
		if bare, found := strings.CutSuffix(r.Host, port); found && s.signs(r, key, bare, payloadHash, opts.S3) {
			return nil
		}
	}
	return mismatch()
}

// Texts are what the signature was made of as the server sees it: the canonical
// request, and the text under the signature. S3 tells both to those whose
// signature is not the right one.
func (s *Signed) Texts(r *http.Request, payloadHash string, s3 bool) (canonical, toSign string) {
	raw := canonicalRequest(r, s.SignedHeaders, r.Host, payloadHash, s3, s.Presigned)
	digest := sha256.Sum256(raw)
	return string(raw), s.stringToSign(algorithm, hex.EncodeToString(digest[:]))
}

// signs reports whether the signature is key's over r.
func (s *Signed) signs(r *http.Request, key *macKey, host, payloadHash string, s3 bool) bool {
	var room [canonicalBytes]byte
	digest := sha256.Sum256(appendCanonical(room[:0], r, s.SignedHeaders, host, payloadHash, s3, s.Presigned))
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], digest[:])
	var lines [signBytes]byte
	sum := key.sum(append(append(s.appendScope(lines[:0], algorithm), '\n'), digits[:]...))
	hex.Encode(digits[:], sum[:])
	return subtle.ConstantTimeCompare(digits[:], []byte(s.Signature)) == 1
}

func (s *Signed) scopeOf(secret string) scope {
	return scope{secret: secret, date: s.Date, region: s.Region, service: s.Service}
}

// stringToSign is the text under a signature; the lines after the scope differ
// for requests, chunks and trailers.
func (s *Signed) stringToSign(first string, rest ...string) string {
	return strings.Join(append([]string{string(s.appendScope(nil, first))}, rest...), "\n")
}

func (s *Signed) appendScope(dst []byte, first string) []byte {
	dst = append(append(dst, first...), '\n')
	dst = append(s.Time.AppendFormat(dst, timeFormat), '\n')
	for _, part := range [...]string{s.Date, s.Region, s.Service} {
		dst = append(append(dst, part...), '/')
	}
	return append(dst, terminator...)
}

func (s *Signed) checkTime(now time.Time) *Error {
	now = now.UTC()
	earliest, latest := now.Add(-MaxSkew), now.Add(MaxSkew)
	if !s.Presigned && !s.Time.Before(earliest) && !s.Time.After(latest) {
		return nil
	}
	at := s.Time.Format(timeFormat)
	if s.Presigned {
		switch {
		case s.Time.After(latest):
			return &Error{Kind: KindNotYetValid, Message: "Signature not yet current: " + at + " is still later than " + latest.Format(timeFormat) + " (" + now.Format(timeFormat) + " + 15 min.)", s3: "Request is not yet valid"}
		case now.After(s.Time.Add(s.Expires)):
			return &Error{Kind: KindExpired, Message: "Signature expired: " + at + " is now earlier than " + now.Add(-s.Expires).Format(timeFormat) + " (" + now.Format(timeFormat) + " - " + s.Expires.String() + ")", s3: "Request has expired"}
		}
		return nil
	}
	const skewedS3 = "The difference between the request time and the current time is too large."
	switch {
	case s.Time.Before(earliest):
		return &Error{Kind: KindTimeSkewed, Message: "Signature expired: " + at + " is now earlier than " + earliest.Format(timeFormat) + " (" + now.Format(timeFormat) + " - 15 min.)", s3: skewedS3}
	case s.Time.After(latest):
		return &Error{Kind: KindTimeSkewed, Message: "Signature not yet current: " + at + " is still later than " + latest.Format(timeFormat) + " (" + now.Format(timeFormat) + " + 15 min.)", s3: skewedS3}
	}
	return nil
}

// checkScopeDate ties the scope's day to the signed time: a signing key is good
// for one day only.
func (s *Signed) checkScopeDate() *Error {
	var room [len(dateFormat)]byte
	if s.Date == string(s.Time.AppendFormat(room[:0], dateFormat)) {
		return nil
	}
	day := s.Time.Format(dateFormat)
	bad := &Error{Kind: KindScopeDate, Message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + s.Date + "' != '" + day + "', from '" + s.Time.Format(timeFormat) + "'."}
	_, err := time.Parse(dateFormat, s.Date)
	switch {
	case err != nil && s.Presigned:
		bad.s3 = malformedQueryS3 + `; incorrect date format "` + s.Date + `". This date in the credential must be in the format "yyyyMMdd".`
	case err != nil:
		bad.s3 = malformedHeaderS3 + `; incorrect date format "` + s.Date + `". This date in the credential must be in the format "yyyyMMdd".`
	case s.Presigned:
		bad.s3 = `Invalid credential date "` + s.Date + `". This date is not the same as X-Amz-Date: "` + day + `".`
	default:
		bad.s3 = malformedHeaderS3 + "; Invalid credential date. Date is not the same as X-Amz-Date."
	}
	return bad
}

// CheckDateForm refuses a scope whose day is no date at all. S3 does so before it
// looks for the access key; the others with all that Verify finds.
func (s *Signed) CheckDateForm() error {
	if _, err := time.Parse(dateFormat, s.Date); err != nil {
		if bad := s.checkScopeDate(); bad != nil {
			return bad
		}
	}
	return nil
}

// checkHeaders refuses requests whose meaning could be changed without breaking
// the signature.
func (s *Signed) checkHeaders(r *http.Request, s3 bool) *Error {
	if !slices.Contains(s.SignedHeaders, "host") {
		return &Error{Kind: KindMismatch, Message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	if !s3 {
		if r.Header.Get("X-Amz-Target") != "" && !slices.Contains(s.SignedHeaders, "x-amz-target") {
			return &Error{Kind: KindMismatch, Message: "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."}
		}
		return nil
	}
	var unsigned []string
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(s.SignedHeaders, name) {
			unsigned = append(unsigned, name)
		}
	}
	if len(unsigned) == 0 {
		return nil
	}
	slices.Sort(unsigned)
	return &Error{Kind: KindUnsignedHeaders, Message: "There were headers present in the request which were not signed", Detail: strings.Join(unsigned, ", ")}
}
