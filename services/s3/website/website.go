// Package website has the language of static websites: configurations, routing
// rules, and S3's pages for errors. It reads no objects.
package website

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// routingRulesMax bounds a website's rules.
const routingRulesMax = 50

// Check refuses configurations that S3 refuses.
func Check(w *api.WebsiteConfiguration) error {
	if all := w.RedirectAllRequestsTo; all != nil {
		if w.IndexDocument != nil || w.ErrorDocument != nil || len(w.RoutingRules) > 0 {
			return invalidArgument("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
		}
		if smithy.Val(all.HostName) == "" {
			return malformed()
		}
		return nil
	}
	if w.IndexDocument == nil {
		return invalidArgument("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
	}
	if suffix := smithy.Val(w.IndexDocument.Suffix); suffix == "" || strings.Contains(suffix, "/") {
		return invalidArgument("The IndexDocument Suffix is not well formed")
	}
	if w.ErrorDocument != nil && smithy.Val(w.ErrorDocument.Key) == "" {
		return invalidArgument("The ErrorDocument Key is not well formed")
	}
	if len(w.RoutingRules) > routingRulesMax {
		return invalidRequest("%d routing rules provided, the number of routing rules in a website configuration is limited to %d.", len(w.RoutingRules), routingRulesMax)
	}
	for _, r := range w.RoutingRules {
		if err := checkRoutingRule(r); err != nil {
			return err
		}
	}
	return nil
}

func checkRoutingRule(r api.RoutingRule) error {
	to := r.Redirect
	if to == nil {
		return malformed()
	}
	if to.ReplaceKeyWith != nil && to.ReplaceKeyPrefixWith != nil {
		return invalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
	}
	if *to == (api.Redirect{}) {
		return malformed()
	}
	if r.Condition != nil && r.Condition.HttpErrorCodeReturnedEquals == nil && r.Condition.KeyPrefixEquals == nil {
		return invalidRequest("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
	}
	if code := to.HttpRedirectCode; code != nil {
		if n, err := strconv.Atoi(*code); err != nil || n < 301 || n > 308 || n == 306 {
			return invalidRequest("The provided HTTP redirect code (%s) is not valid. Valid codes are 3XX except 300.", *code)
		}
	}
	if c := r.Condition; c != nil && c.HttpErrorCodeReturnedEquals != nil {
		if n, err := strconv.Atoi(*c.HttpErrorCodeReturnedEquals); err != nil || n < 400 || n > 599 {
			return invalidRequest("The provided HTTP error code (%s) is not valid. Valid codes are 4XX or 5XX.", *c.HttpErrorCodeReturnedEquals)
		}
	}
	return nil
}

// Rule finds the first rule for a key; status is 0 before the object was
// looked for, and its error's after.
func Rule(rules []api.RoutingRule, key string, status int) *api.RoutingRule {
	for i := range rules {
		c := rules[i].Condition
		code, prefix := "", ""
		if c != nil {
			code, prefix = smithy.Val(c.HttpErrorCodeReturnedEquals), smithy.Val(c.KeyPrefixEquals)
		}
		if (code == "") != (status == 0) || (code != "" && code != strconv.Itoa(status)) {
			continue
		}
		if strings.HasPrefix(key, prefix) {
			return &rules[i]
		}
	}
	return nil
}

// Redirection is an answer that sends the browser elsewhere.
type Redirection struct {
	Status             int
	Protocol, HostName string // empty: the request's own
	Key                string
}

// Of sets what a rule says about a key.
func (r *Redirection) Of(rule *api.RoutingRule, key string) {
	to := rule.Redirect
	r.Status = http.StatusMovedPermanently
	if to.HttpRedirectCode != nil {
		r.Status, _ = strconv.Atoi(*to.HttpRedirectCode)
	}
	r.Protocol, r.HostName, r.Key = smithy.Val(to.Protocol), smithy.Val(to.HostName), key
	switch {
	case to.ReplaceKeyWith != nil:
		r.Key = *to.ReplaceKeyWith
	case to.ReplaceKeyPrefixWith != nil:
		prefix := ""
		if rule.Condition != nil {
			prefix = smithy.Val(rule.Condition.KeyPrefixEquals)
		}
		r.Key = *to.ReplaceKeyPrefixWith + strings.TrimPrefix(key, prefix)
	}
}

// Error is an error as website endpoints tell it.
type Error struct {
	Status        int
	Code, Message string
	Details       [][2]string
}

// ErrorOf words a fault about a key.
func ErrorOf(f *fault.Fault, key string) Error {
	e := Error{Status: f.Status, Code: f.Code, Message: f.Message}
	if f.Code == "NoSuchKey" {
		e.Details = append(e.Details, [2]string{"Key", key})
	}
	return e
}

// Page is S3's page for an error; custom, if not nil, is why the bucket's own
// could not be shown.
func Page(e Error, custom *Error, requestID string) string {
	var b strings.Builder
	title := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	fmt.Fprintf(&b, "<html>\n<head><title>%s</title></head>\n<body>\n<h1>%s</h1>\n<ul>\n", title, title)
	list := func(e Error) {
		fmt.Fprintf(&b, "<li>Code: %s</li>\n<li>Message: %s</li>\n", e.Code, html.EscapeString(e.Message))
		for _, d := range e.Details {
			fmt.Fprintf(&b, "<li>%s: %s</li>\n", d[0], html.EscapeString(d[1]))
		}
	}
	list(e)
	fmt.Fprintf(&b, "<li>RequestId: %s</li>\n<li>HostId: %s</li>\n</ul>\n", requestID, requestID)
	if custom != nil {
		b.WriteString("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n")
		list(*custom)
		b.WriteString("</ul>\n")
	}
	b.WriteString("<hr/>\n</body>\n</html>\n")
	return b.String()
}

// BucketOfHost finds the bucket in B.s3-website.localhost,
// B.s3-website-REGION.amazonaws.com and B.s3-website.REGION.amazonaws.com.
func BucketOfHost(host string) (bucketName string, ok bool) {
	at := strings.Index(host, ".s3-website")
	if at <= 0 {
		return "", false
	}
	rest := host[at+len(".s3-website"):]
	return host[:at], rest != "" && (rest[0] == '.' || rest[0] == '-')
}

func invalidArgument(format string, args ...any) error {
	return fault.New("InvalidArgument", 400, format, args...)
}

func invalidRequest(format string, args ...any) error {
	return fault.New("InvalidRequest", 400, format, args...)
}

func malformed() error {
	return fault.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}
