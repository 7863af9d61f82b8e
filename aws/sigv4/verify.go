package sigv4

import (
	"crypto/subtle"
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
	for _, check := range []*Error{s.checkTime(opts.Now), s.checkScopeDate(), s.checkHeaders(r, opts.S3)} {
		if check != nil {
			return check
		}
	}
	key := opts.Keys.signingKey(s.scopeOf(secret))
	for _, host := range hostForms(r.Host) {
		text := canonicalRequest(r, s.SignedHeaders, host, payloadHash, opts.S3, s.Presigned)
		want := signHex(key, s.stringToSign(algorithm, hashHex(text)))
		if subtle.ConstantTimeCompare([]byte(want), []byte(s.Signature)) == 1 {
			return nil
		}
	}
	return mismatch()
}

func (s *Signed) scopeOf(secret string) scope {
	return scope{secret: secret, date: s.Date, region: s.Region, service: s.Service}
}

// stringToSign is the text under a signature; the lines after the scope differ
// for requests, chunks and trailers.
func (s *Signed) stringToSign(first string, rest ...string) string {
	lines := append([]string{first, s.Time.Format(timeFormat), s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator}, rest...)
	return strings.Join(lines, "\n")
}

// hostForms are the spellings of the host a client may have signed: some leave
// out the default port that they send.
func hostForms(host string) []string {
	for _, port := range []string{":80", ":443"} {
		if bare, found := strings.CutSuffix(host, port); found {
			return []string{host, bare}
		}
	}
	return []string{host}
}

func (s *Signed) checkTime(now time.Time) *Error {
	now = now.UTC()
	earliest, latest := now.Add(-MaxSkew), now.Add(MaxSkew)
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
	day := s.Time.Format(dateFormat)
	if s.Date == day {
		return nil
	}
	return &Error{Kind: KindMismatch, Message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + s.Date + "' != '" + day + "', from '" + s.Time.Format(timeFormat) + "'."}
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
