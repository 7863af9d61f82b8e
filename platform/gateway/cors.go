package gateway

import (
	"net/http"

	"moln.dev/moln/wire"
)

// Browsers call Cognito's APIs directly; AWS lets every origin do so, since the
// requests carry their own tokens and no cookies.
const (
	corsExpose = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"
	corsMaxAge = "172800" // seconds
)

func allowBrowser(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", corsExpose)
}

func (g *Gateway) preflight(x *exchange) error {
	h := http.Header{}
	allowBrowser(h)
	h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
	h.Set("Access-Control-Max-Age", corsMaxAge)
	if want := x.r.Header.Get("Access-Control-Request-Headers"); want != "" {
		h.Set("Access-Control-Allow-Headers", want)
	}
	x.record.Operation = "preflight"
	g.write(x, &wire.Response{Status: http.StatusOK, Header: h})
	return nil
}

// isBrowserPreflight recognises a preflight of an awsJson call, which has
// neither target nor signature yet, by the headers that the call will send.
func isBrowserPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.URL.Path == "/" && r.Header.Get("Access-Control-Request-Method") == http.MethodPost
}
