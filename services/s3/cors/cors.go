// Package cors matches requests of browsers with the CORS rules of a bucket. It
// knows neither buckets nor objects.
package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// Limits of a CORS configuration.
const (
	corsRulesMax = 100
)

// corsMethods are the methods that rules may name.
var corsMethods = []string{"GET", "PUT", "HEAD", "POST", "DELETE"}

// Check refuses rules that S3 refuses.
func Check(rules []api.CORSRule) error {
	if len(rules) == 0 || len(rules) > corsRulesMax {
		return malformed()
	}
	for _, r := range rules {
		if len(r.AllowedMethods) == 0 || len(r.AllowedOrigins) == 0 {
			return malformed()
		}
		for _, m := range r.AllowedMethods {
			if !slices.Contains(corsMethods, m) {
				return invalid("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, o := range r.AllowedOrigins {
			if strings.Count(o, "*") > 1 {
				return invalid("AllowedOrigin \"%s\" can not have more than one wildcard.", o)
			}
		}
		for _, h := range slices.Concat(r.AllowedHeaders, r.ExposeHeaders) {
			if !ValidHeader(h) {
				return invalid("AllowedHeader \"%s\" contains invalid character.", h)
			}
		}
		for _, h := range r.AllowedHeaders {
			if strings.Count(h, "*") > 1 {
				return invalid("AllowedHeader \"%s\" can not have more than one wildcard.", h)
			}
		}
		for _, h := range r.ExposeHeaders {
			if strings.Contains(h, "*") {
				return invalid("ExposeHeader \"%s\" contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
			}
		}
	}
	return nil
}

// ValidHeader reports whether a text could be the name of a header, or a pattern
// of some.
func ValidHeader(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

// Request is what a browser says about a request to come, or that is made.
type Request struct {
	Origin, Method string
	Headers        []string // of a preflight
}

// Rule finds the first rule that allows the request; nil: none.
func Rule(rules []api.CORSRule, r Request) *api.CORSRule {
	for i := range rules {
		rule := &rules[i]
		if slices.Contains(rule.AllowedMethods, r.Method) && anyMatches(rule.AllowedOrigins, r.Origin) && allMatch(rule.AllowedHeaders, r.Headers) {
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

// Set writes what a rule lets a browser see.
func Set(h http.Header, rule *api.CORSRule, r Request) {
	if slices.Contains(rule.AllowedOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", r.Origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.AllowedMethods, ", "))
	if len(r.Headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(r.Headers, ", ")))
	}
	if len(rule.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(rule.ExposeHeaders, ", "))
	}
	if rule.MaxAgeSeconds != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(smithy.Val(rule.MaxAgeSeconds))))
	}
	h.Set("Vary", corsVary)
}

func malformed() error {
	return fault.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

func invalid(format string, args ...any) error {
	return fault.New("InvalidRequest", 400, format, args...)
}
