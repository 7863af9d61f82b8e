package s3

import (
	"net/http"
	"strconv"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// routingRulesMax bounds a website's rules.
const routingRulesMax = 50

func checkWebsite(w *api.WebsiteConfiguration) error {
	if all := w.RedirectAllRequestsTo; all != nil {
		if w.IndexDocument != nil || w.ErrorDocument != nil || len(w.RoutingRules) > 0 {
			return invalidArgument("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
		}
		if smithy.Val(all.HostName) == "" {
			return malformedXML()
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
		return invalidArgument("%d routing rules provided, the number of routing rules in a website configuration is limited to %d.", len(w.RoutingRules), routingRulesMax)
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
		return malformedXML()
	}
	if to.ReplaceKeyWith != nil && to.ReplaceKeyPrefixWith != nil {
		return invalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
	}
	if r.Condition != nil && r.Condition.HttpErrorCodeReturnedEquals == nil && r.Condition.KeyPrefixEquals == nil {
		return invalidRequest("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
	}
	if code := to.HttpRedirectCode; code != nil {
		if n, err := strconv.Atoi(*code); err != nil || n < 301 || n > 308 {
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

// routingRule finds the first rule for a key; status is 0 before the object was
// looked for, and its error's after.
func routingRule(rules []api.RoutingRule, key string, status int) *api.RoutingRule {
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

// redirection is an answer that sends the browser elsewhere.
type redirection struct {
	status             int
	protocol, hostName string // empty: the request's own
	key                string
}

func (r *redirection) of(rule *api.RoutingRule, key string) {
	to := rule.Redirect
	r.status = http.StatusMovedPermanently
	if to.HttpRedirectCode != nil {
		r.status, _ = strconv.Atoi(*to.HttpRedirectCode)
	}
	r.protocol, r.hostName, r.key = smithy.Val(to.Protocol), smithy.Val(to.HostName), key
	switch {
	case to.ReplaceKeyWith != nil:
		r.key = *to.ReplaceKeyWith
	case to.ReplaceKeyPrefixWith != nil:
		prefix := ""
		if rule.Condition != nil {
			prefix = smithy.Val(rule.Condition.KeyPrefixEquals)
		}
		r.key = *to.ReplaceKeyPrefixWith + strings.TrimPrefix(key, prefix)
	}
}

// webError is an error as website endpoints tell it.
type webError struct {
	status        int
	code, message string
	details       [][2]string
}

func webErrorOf(f *fault.Fault, key string) webError {
	e := webError{status: f.Status, code: f.Code, message: f.Message}
	if f.Code == "NoSuchKey" {
		e.details = append(e.details, [2]string{"Key", key})
	}
	return e
}
