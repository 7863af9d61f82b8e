package accesslog

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
)

func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// sizeOf is the size of the object that an answer has, whole or in part; -1
// where it has none.
func sizeOf(h http.Header) int64 {
	text := h.Get("Content-Length")
	if _, total, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
		text = total
	} else if h.Get("Etag") == "" {
		return -1 // no object
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func setTLS(e *Entry, r *http.Request) {
	if r.TLS == nil {
		return
	}
	e.Cipher = tls.CipherSuiteName(r.TLS.CipherSuite)
	e.TLS = strings.ReplaceAll(tls.VersionName(r.TLS.Version), "TLS ", "TLSv")
}
