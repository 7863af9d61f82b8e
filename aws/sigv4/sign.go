package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// isS3 reports whether a service signs by S3's rules.
func isS3(service string) bool {
	return service == "s3" || service == "s3express" || service == "s3-outposts" || service == "s3-object-lambda"
}

// Sign signs r in its Authorization header. For S3 it sets x-amz-content-sha256
// too. It is what clients do; moln itself needs it for calls to real endpoints
// and for tests.
func Sign(r *http.Request, creds Credentials, region, service, payloadHash string, now time.Time) {
	now = now.UTC()
	r.Header.Set("X-Amz-Date", now.Format(timeFormat))
	if creds.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", creds.SessionToken)
	}
	if isS3(service) {
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	s := newSigned(creds, region, service, now)
	s.SignedHeaders = headersToSign(r)
	signature := s.sign(r, creds.SecretAccessKey, payloadHash)
	r.Header.Set("Authorization", algorithm+" Credential="+s.credential()+", SignedHeaders="+strings.Join(s.SignedHeaders, ";")+", Signature="+signature)
}

// Presign puts the signature into r's query. payloadHash is UnsignedPayload for
// S3, and the body's digest for others.
func Presign(r *http.Request, creds Credentials, region, service, payloadHash string, now time.Time, expires time.Duration) {
	now = now.UTC()
	s := newSigned(creds, region, service, now)
	s.Presigned = true
	s.SignedHeaders = headersToSign(r)
	add := func(name, value string) {
		if r.URL.RawQuery != "" {
			r.URL.RawQuery += "&"
		}
		r.URL.RawQuery += name + "=" + encode(value, false)
	}
	add("X-Amz-Algorithm", algorithm)
	add("X-Amz-Credential", s.credential())
	add("X-Amz-Date", now.Format(timeFormat))
	add("X-Amz-Expires", strconv.FormatInt(int64(expires/time.Second), 10))
	if creds.SessionToken != "" {
		add("X-Amz-Security-Token", creds.SessionToken)
	}
	add("X-Amz-SignedHeaders", strings.Join(s.SignedHeaders, ";"))
	add("X-Amz-Signature", s.sign(r, creds.SecretAccessKey, payloadHash))
}

func newSigned(creds Credentials, region, service string, now time.Time) *Signed {
	return &Signed{AccessKeyID: creds.AccessKeyID, Date: now.Format(dateFormat), Region: region, Service: service, Time: now}
}

func (s *Signed) credential() string {
	return s.AccessKeyID + "/" + s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

func (s *Signed) sign(r *http.Request, secret, payloadHash string) string {
	host := r.Host
	if host == "" {
		host = hostOf(r.URL)
	}
	text := canonicalRequest(r, s.SignedHeaders, host, payloadHash, isS3(s.Service), s.Presigned)
	return signHex(deriveKey(s.scopeOf(secret)), s.stringToSign(algorithm, hashHex(text)))
}

func hostOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Host
}

// headersToSign leaves out what proxies and transports change.
func headersToSign(r *http.Request) []string {
	names := []string{"host"}
	for name := range r.Header {
		switch name = strings.ToLower(name); name {
		case "host", "authorization", "user-agent", "expect", "connection", "transfer-encoding", "x-amzn-trace-id", "accept-encoding":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
