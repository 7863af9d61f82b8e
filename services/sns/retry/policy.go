package retry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Limits of delivery policies (sns-message-delivery-retries).
const (
	retriesMax      = 100
	delaySecondsMax = 3600
	totalMax        = 3600 * time.Second
	receivesMax     = 1000 // no limit of AWS's: what a server is meant to bear
)

// TopicPolicy is the delivery policy of a topic, which its subscriptions of web
// servers have where they have none.
type TopicPolicy struct {
	HTTP *topicHTTP `json:"http,omitempty"`
}

// topicHTTP is about web servers.
type topicHTTP struct {
	Retry            *Given    `json:"defaultHealthyRetryPolicy,omitempty"`
	Throttle         *Throttle `json:"defaultThrottlePolicy,omitempty"`
	DisableOverrides bool      `json:"disableSubscriptionOverrides"`
	Request          *Request  `json:"defaultRequestPolicy,omitempty"`
}

// SubscriptionPolicy is the delivery policy of a subscription.
type SubscriptionPolicy struct {
	Retry      *Given    `json:"healthyRetryPolicy"`
	Sickly     *Given    `json:"sicklyRetryPolicy"`
	Throttle   *Throttle `json:"throttlePolicy"`
	Request    *Request  `json:"requestPolicy"`
	Guaranteed bool      `json:"guaranteed"`
}

// Given is a retry policy as it was given: what it leaves out has a default.
type Given struct {
	MinDelayTarget     *int   `json:"minDelayTarget,omitempty"`
	MaxDelayTarget     *int   `json:"maxDelayTarget,omitempty"`
	NumRetries         *int   `json:"numRetries,omitempty"`
	NumMaxDelayRetries *int   `json:"numMaxDelayRetries,omitempty"`
	NumNoDelayRetries  *int   `json:"numNoDelayRetries,omitempty"`
	NumMinDelayRetries *int   `json:"numMinDelayRetries,omitempty"`
	BackoffFunction    string `json:"backoffFunction,omitempty"`
}

// Throttle is how many messages a second a server is sent.
type Throttle struct {
	MaxReceivesPerSecond int `json:"maxReceivesPerSecond"`
}

// Request is about the requests.
type Request struct {
	ContentType string `json:"headerContentType"`
}

// DefaultContentType is that of requests whose policy names none.
const DefaultContentType = "text/plain; charset=UTF-8"

// contentTypes are those that a policy may name.
var contentTypes = []string{
	"application/atom+xml", "application/json", "application/octet-stream", "application/soap+xml", "application/x-www-form-urlencoded",
	"application/xhtml+xml", "application/xml", "text/css", "text/csv", "text/html", "text/plain", "text/xml",
}

// ParseTopicPolicy reads a topic's policy; an empty text is none.
func ParseTopicPolicy(text string) (TopicPolicy, error) {
	var p TopicPolicy
	if text == "" {
		return p, nil
	}
	if err := read(text, &p); err != nil {
		return TopicPolicy{}, err
	}
	if p.HTTP == nil {
		return p, nil
	}
	return p, check("http.default", p.HTTP.Retry, p.HTTP.Throttle, p.HTTP.Request)
}

// ParseSubscriptionPolicy reads a subscription's policy; an empty text is none.
func ParseSubscriptionPolicy(text string) (SubscriptionPolicy, error) {
	var p SubscriptionPolicy
	if text == "" {
		return p, nil
	}
	if err := read(text, &p); err != nil {
		return SubscriptionPolicy{}, err
	}
	if p.Sickly != nil {
		return SubscriptionPolicy{}, errors.New("sicklyRetryPolicy is not supported")
	}
	if p.Guaranteed {
		return SubscriptionPolicy{}, errors.New("guaranteed is not supported")
	}
	return p, check("", p.Retry, p.Throttle, p.Request)
}

// read takes one JSON object whose fields are all known.
func read(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("unexpected JSON member: %s", strings.Trim(name, `"`))
		}
		return errors.New("failed to parse JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("failed to parse JSON")
	}
	return nil
}

func check(prefix string, r *Given, t *Throttle, q *Request) error {
	if t != nil && (t.MaxReceivesPerSecond < 1 || t.MaxReceivesPerSecond > receivesMax) {
		return fmt.Errorf("%s must be between 1 and %d", join(prefix, "throttlePolicy.maxReceivesPerSecond"), receivesMax)
	}
	if q != nil && q.ContentType != "" {
		kind, _, _ := strings.Cut(q.ContentType, ";")
		if !slices.Contains(contentTypes, strings.ToLower(strings.TrimSpace(kind))) || strings.ContainsAny(q.ContentType, "\r\n") {
			return fmt.Errorf("%s: invalid value [%s]", join(prefix, "requestPolicy.headerContentType"), q.ContentType)
		}
	}
	return r.check(join(prefix, "healthyRetryPolicy"))
}

// join names a member: topics say http.defaultHealthyRetryPolicy where
// subscriptions say healthyRetryPolicy.
func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + strings.ToUpper(name[:1]) + name[1:]
}

func (g *Given) check(name string) error {
	if g == nil {
		return nil
	}
	p := g.Policy()
	switch {
	case p.NumRetries < 0 || p.NumRetries > retriesMax:
		return fmt.Errorf("%s.numRetries must be between 0 and %d", name, retriesMax)
	case p.MinDelayTarget < 1 || p.MinDelayTarget > delaySecondsMax:
		return fmt.Errorf("%s.minDelayTarget must be between 1 and %d", name, delaySecondsMax)
	case p.MaxDelayTarget < p.MinDelayTarget:
		return fmt.Errorf("%s.maxDelayTarget must be greater than or equal to minDelayTarget", name)
	case p.MaxDelayTarget > delaySecondsMax:
		return fmt.Errorf("%s.maxDelayTarget must be between 1 and %d", name, delaySecondsMax)
	case p.NumNoDelayRetries < 0, p.NumMinDelayRetries < 0, p.NumMaxDelayRetries < 0:
		return fmt.Errorf("%s: numbers of retries must not be negative", name)
	case max(p.NumNoDelayRetries, p.NumMinDelayRetries, p.NumMaxDelayRetries) > p.NumRetries, // so that the sum is none beyond all numbers
		p.NumNoDelayRetries+p.NumMinDelayRetries+p.NumMaxDelayRetries > p.NumRetries:
		return fmt.Errorf("%s.numRetries must be greater than or equal to the sum of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries", name)
	case !slices.Contains([]string{linear, arithmetic, geometric, exponential}, p.BackoffFunction):
		return fmt.Errorf("%s.backoffFunction must be one of linear, arithmetic, geometric, exponential", name)
	case p.Total() > totalMax:
		return fmt.Errorf("%s: the total retry time must not exceed 3600 seconds", name)
	}
	return nil
}

// Policy is g with defaults filled in.
func (g *Given) Policy() Policy {
	p := HTTP
	if g == nil {
		return p
	}
	for _, f := range []struct {
		to   *int
		from *int
	}{
		{&p.MinDelayTarget, g.MinDelayTarget}, {&p.MaxDelayTarget, g.MaxDelayTarget}, {&p.NumRetries, g.NumRetries},
		{&p.NumMaxDelayRetries, g.NumMaxDelayRetries}, {&p.NumNoDelayRetries, g.NumNoDelayRetries}, {&p.NumMinDelayRetries, g.NumMinDelayRetries},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if g.BackoffFunction != "" {
		p.BackoffFunction = g.BackoffFunction
	}
	return p
}

// JSON is the policy as it was given, in SNS's order.
func (p TopicPolicy) JSON() string { return text(p) }

// JSON is the policy as it was given, in SNS's order.
func (p SubscriptionPolicy) JSON() string { return text(p) }

// Effective is the policy with defaults, as topics show it.
func (p TopicPolicy) Effective() string {
	type http struct {
		Retry    Policy    `json:"defaultHealthyRetryPolicy"`
		Disable  bool      `json:"disableSubscriptionOverrides"`
		Throttle *Throttle `json:"defaultThrottlePolicy,omitempty"`
		Request  Request   `json:"defaultRequestPolicy"`
	}
	h := http{Retry: HTTP, Request: Request{DefaultContentType}}
	if p.HTTP != nil {
		h.Retry, h.Disable, h.Throttle = p.HTTP.Retry.Policy(), p.HTTP.DisableOverrides, p.HTTP.Throttle
		if p.HTTP.Request != nil {
			h.Request = *p.HTTP.Request
		}
	}
	return text(struct {
		HTTP http `json:"http"`
	}{h})
}

// Under is what of the policy is in force under a topic's.
func (p SubscriptionPolicy) Under(t TopicPolicy) Effective {
	e := Effective{Retry: HTTP, ContentType: DefaultContentType}
	own := true
	if t.HTTP != nil {
		e.Retry = t.HTTP.Retry.Policy()
		if t.HTTP.Throttle != nil {
			e.PerSecond = t.HTTP.Throttle.MaxReceivesPerSecond
		}
		if t.HTTP.Request != nil && t.HTTP.Request.ContentType != "" {
			e.ContentType = t.HTTP.Request.ContentType
		}
		own = !t.HTTP.DisableOverrides
	}
	if !own {
		return e
	}
	if p.Retry != nil {
		e.Retry = p.Retry.Policy()
	}
	if p.Throttle != nil {
		e.PerSecond = p.Throttle.MaxReceivesPerSecond
	}
	if p.Request != nil && p.Request.ContentType != "" {
		e.ContentType = p.Request.ContentType
	}
	return e
}

// Effective is what is in force for deliveries to a web server.
type Effective struct {
	Retry       Policy
	PerSecond   int // 0: as many as there are
	ContentType string
}

// JSON is the policy as subscriptions show it.
func (e Effective) JSON() string {
	var throttle *Throttle
	if e.PerSecond > 0 {
		throttle = &Throttle{e.PerSecond}
	}
	return text(struct {
		Retry      Policy    `json:"healthyRetryPolicy"`
		Sickly     *Policy   `json:"sicklyRetryPolicy"`
		Throttle   *Throttle `json:"throttlePolicy"`
		Request    Request   `json:"requestPolicy"`
		Guaranteed bool      `json:"guaranteed"`
	}{Retry: e.Retry, Throttle: throttle, Request: Request{e.ContentType}})
}

func text(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // plain structs, into memory
	return strings.TrimSpace(b.String())
}
