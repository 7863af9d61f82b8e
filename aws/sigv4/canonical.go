package sigv4

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canonicalBytes is room for most requests' canonical forms.
const canonicalBytes = 1 << 10

const upperHex = "0123456789ABCDEF"

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// encode percent-encodes all but unreserved bytes, and "/" where keepSlash.
func encode(s string, keepSlash bool) string {
	plain := 0
	for plain < len(s) && (unreserved(s[plain]) || keepSlash && s[plain] == '/') {
		plain++
	}
	if plain == len(s) {
		return s
	}
	b := make([]byte, plain, len(s)+16)
	copy(b, s)
	for i := plain; i < len(s); i++ {
		if c := s[i]; unreserved(c) || keepSlash && c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

// decode undoes percent-encoding; a "%" that begins none is itself.
func decode(s string, plusIsSpace bool) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		if s[i] == '+' && plusIsSpace {
			b = append(b, ' ')
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// wirePath is the path as the client sent it. RequestURI is the only place that
// still has it when a router has rewritten r.URL.
func wirePath(r *http.Request) string {
	if r.RequestURI == "" {
		return r.URL.EscapedPath()
	}
	p, _, _ := strings.Cut(r.RequestURI, "?")
	if i := strings.Index(p, "://"); i >= 0 && !strings.HasPrefix(p, "/") { // absolute form, through a proxy
		p = p[i+len("://"):]
		slash := strings.IndexByte(p, '/')
		if slash < 0 {
			return "/"
		}
		p = p[slash:]
	}
	return p
}

// wireQuery is the query as the client sent it.
func wireQuery(r *http.Request) string {
	if r.RequestURI == "" {
		return r.URL.RawQuery
	}
	_, q, _ := strings.Cut(r.RequestURI, "?")
	return q
}

// canonicalPath is S3's path encoded once, others' normalized and encoded on
// top of the encoding it came with.
func canonicalPath(wire string, s3 bool) string {
	if wire == "" {
		return "/"
	}
	if s3 {
		segments := strings.Split(wire, "/")
		for i, segment := range segments {
			segments[i] = encode(decode(segment, false), false)
		}
		return strings.Join(segments, "/")
	}
	clean := path.Clean("/" + wire)
	if clean != "/" && strings.HasSuffix(wire, "/") {
		clean += "/"
	}
	return encode(clean, true)
}

// canonicalQuery sorts the parameters, leaving out the signature itself.
func canonicalQuery(wire string, presigned bool) string {
	if wire == "" {
		return ""
	}
	type pair struct{ name, value string }
	var pairs []pair
	for part := range strings.SplitSeq(wire, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name = encode(decode(name, true), false)
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, pair{name, encode(decode(value, true), false)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// usualNames are the names, as net/http keeps them, of headers that clients sign.
// Making them of the lower-case ones takes an allocation each.
var usualNames = map[string]string{
	"accept":                "Accept",
	"amz-sdk-invocation-id": "Amz-Sdk-Invocation-Id",
	"amz-sdk-request":       "Amz-Sdk-Request",
	"content-length":        "Content-Length",
	"content-type":          "Content-Type",
	"x-amz-content-sha256":  "X-Amz-Content-Sha256",
	"x-amz-date":            "X-Amz-Date",
	"x-amz-security-token":  "X-Amz-Security-Token",
	"x-amz-target":          "X-Amz-Target",
}

// canonicalHeader joins a header's values, runs of spaces made one.
func canonicalHeader(r *http.Request, name, host string) string {
	if name == "host" {
		return host
	}
	values, ok := r.Header[usualNames[name]]
	if !ok {
		values = r.Header.Values(name)
	}
	switch {
	case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
		return strconv.FormatInt(r.ContentLength, 10) // net/http may keep it out of the header
	case name == "transfer-encoding" && len(values) == 0:
		values = r.TransferEncoding
	}
	if len(values) == 1 {
		return collapseSpace(values[0])
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = collapseSpace(v)
	}
	return strings.Join(out, ",")
}

// collapseSpace trims v and makes one space of several. Nearly all values have
// none to collapse and are returned as they are.
func collapseSpace(v string) string {
	space := true // so that a leading one counts as two
	for i := range len(v) {
		c := v[i]
		if c >= utf8.RuneSelf || c != ' ' && asciiSpace(c) || c == ' ' && space {
			return strings.Join(strings.Fields(v), " ")
		}
		space = c == ' '
	}
	if space {
		return strings.TrimSuffix(v, " ")
	}
	return v
}

func asciiSpace(c byte) bool { return '\t' <= c && c <= '\r' }

// canonicalRequest is the text whose digest is signed.
func canonicalRequest(r *http.Request, signed []string, host, payloadHash string, s3, presigned bool) []byte {
	return appendCanonical(make([]byte, 0, canonicalBytes), r, signed, host, payloadHash, s3, presigned)
}

func appendCanonical(b []byte, r *http.Request, signed []string, host, payloadHash string, s3, presigned bool) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(append(b, canonicalPath(wirePath(r), s3)...), '\n')
	b = append(append(b, canonicalQuery(wireQuery(r), presigned)...), '\n')
	for _, name := range signed {
		b = append(append(b, name...), ':')
		b = append(append(b, canonicalHeader(r, name, host)...), '\n')
	}
	b = append(b, '\n')
	for i, name := range signed {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	return append(append(b, '\n'), payloadHash...)
}
