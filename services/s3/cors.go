package s3

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// Limits of a CORS configuration.
const (
	corsRulesMax = 100
	corsBytesMax = 64 << 10
)

// corsMethods are the methods that rules may name.
var corsMethods = []string{"GET", "PUT", "HEAD", "POST", "DELETE"}

func checkCORS(rules []api.CORSRule) error {
	if len(rules) == 0 || len(rules) > corsRulesMax {
		return malformedXML()
	}
	for _, r := range rules {
		if len(r.AllowedMethods) == 0 || len(r.AllowedOrigins) == 0 {
			return malformedXML()
		}
		for _, m := range r.AllowedMethods {
			if !slices.Contains(corsMethods, m) {
				return invalidRequest("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, o := range r.AllowedOrigins {
			if strings.Count(o, "*") > 1 {
				return invalidRequest("AllowedOrigin \"%s\" can not have more than one wildcard.", o)
			}
		}
		for _, h := range r.AllowedHeaders {
			if strings.Count(h, "*") > 1 {
				return invalidRequest("AllowedHeader \"%s\" can not have more than one wildcard.", h)
			}
		}
		for _, h := range r.ExposeHeaders {
			if strings.Contains(h, "*") {
				return invalidRequest("ExposeHeader \"%s\" contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
			}
		}
	}
	return nil
}

// corsRequest is what a browser says about a request to come, or that is made.
type corsRequest struct {
	origin, method string
	headers        []string // of a preflight
}

// corsRule finds the first rule that allows the request; nil: none.
func corsRule(rules []api.CORSRule, r corsRequest) *api.CORSRule {
	for i := range rules {
		rule := &rules[i]
		if slices.Contains(rule.AllowedMethods, r.method) && anyMatches(rule.AllowedOrigins, r.origin) && allMatch(rule.AllowedHeaders, r.headers) {
			return rule
		}
	}
	return nil
}

func anyMatches(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchesStar(p, s) })
}

func allMatch(patterns, headers []string) bool {
	for _, h := range headers {
		if !slices.ContainsFunc(patterns, func(p string) bool { return matchesStar(strings.ToLower(p), strings.ToLower(h)) }) {
			return false
		}
	}
	return true
}

// matchesStar matches a pattern with at most one *.
func matchesStar(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

const corsVary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

// setCORS writes what a rule lets a browser see.
func setCORS(h http.Header, rule *api.CORSRule, r corsRequest) {
	if slices.Contains(rule.AllowedOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", r.origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.AllowedMethods, ", "))
	if len(r.headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(r.headers, ", ")))
	}
	if len(rule.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(rule.ExposeHeaders, ", "))
	}
	if rule.MaxAgeSeconds != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(smithy.Val(rule.MaxAgeSeconds))))
	}
	h.Set("Vary", corsVary)
}

// allowOrigin adds the CORS headers to the answer of an ordinary request, be it
// an error or not.
func allowOrigin(c *service.Call, b *bucket) {
	if c.HTTP == nil || len(b.CORS) == 0 {
		return
	}
	r := corsRequest{origin: c.HTTP.Request.Header.Get("Origin"), method: c.HTTP.Request.Method}
	if r.origin == "" {
		return
	}
	if rule := corsRule(b.CORS, r); rule != nil {
		setCORS(c.HTTP.Header, rule, r)
	}
}
