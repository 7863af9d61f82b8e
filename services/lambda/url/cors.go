package url

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
)

// isPreflight says that a browser asks whether it may send another request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers such a question from the settings. Where they do not allow
// the request, the answer grants nothing.
func preflight(c *api.Cors, r *http.Request, h http.Header) {
	origin, method := r.Header.Get("Origin"), r.Header.Get("Access-Control-Request-Method")
	h.Add("Vary", "Origin")
	if !allowsOrigin(c, origin) || !allowsMethod(c, method) {
		return
	}
	grantOrigin(c, origin, h)
	h.Set("Access-Control-Allow-Methods", named(c.AllowMethods, method))
	if asked := r.Header.Get("Access-Control-Request-Headers"); len(c.AllowHeaders) > 0 {
		h.Set("Access-Control-Allow-Headers", named(c.AllowHeaders, asked))
	}
	if c.MaxAge != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
	}
}

// named is a list as a header shows it. The wildcard becomes what was asked for:
// for requests with credentials browsers take it literally.
func named(list []string, asked string) string {
	if slices.Contains(list, "*") && asked != "" {
		return asked
	}
	return strings.Join(list, ",")
}

// share adds what the settings say to the answer of a request that is none of
// these questions. What the function has said by itself stays beside it.
func share(c *api.Cors, r *http.Request, h http.Header) {
	if c == nil {
		return
	}
	origin := r.Header.Get("Origin")
	h.Add("Vary", "Origin")
	if origin == "" || !allowsOrigin(c, origin) {
		return
	}
	grantOrigin(c, origin, h)
	if len(c.ExposeHeaders) > 0 {
		h.Add("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}

func grantOrigin(c *api.Cors, origin string, h http.Header) {
	h.Add("Access-Control-Allow-Origin", origin)
	if smithy.Val(c.AllowCredentials) {
		h.Add("Access-Control-Allow-Credentials", "true")
	}
}

func allowsOrigin(c *api.Cors, origin string) bool {
	return slices.Contains(c.AllowOrigins, "*") || slices.Contains(c.AllowOrigins, origin)
}

func allowsMethod(c *api.Cors, method string) bool {
	return slices.Contains(c.AllowMethods, "*") || slices.Contains(c.AllowMethods, method)
}
