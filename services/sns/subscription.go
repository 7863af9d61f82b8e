package sns

import (
	"encoding/json"
	"errors"
	netmail "net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/arn"
	"moln.dev/moln/services/sns/filter"
	"moln.dev/moln/services/sns/retry"
)

// subscription is a subscription as stored.
type subscription struct {
	ID                 string
	Topic              string // the topic's ARN
	Owner              string // the account that subscribed
	Principal          string // the ARN of who subscribed
	Protocol, Endpoint string
	Created            time.Time
	// Pending: nobody at the endpoint has confirmed it yet.
	Pending bool
	// Authenticated: who confirmed it could sign for it.
	Authenticated bool
	// Locked: only a signed request may end it (AuthenticateOnUnsubscribe).
	Locked bool
	// Attributes are those that were set: FilterPolicy, RawMessageDelivery, …
	Attributes map[string]string
}

// Protocols.
const (
	protoHTTP      = "http"
	protoHTTPS     = "https"
	protoEmail     = "email"
	protoEmailJSON = "email-json"
	protoSQS       = "sqs"
	protoLambda    = "lambda"
)

// lackingProtocols are those that AWS has and moln has not.
var lackingProtocols = []string{"sms", "application", "firehose"}

// Names of subscription attributes.
const (
	attrRaw           = "RawMessageDelivery"
	attrFilter        = "FilterPolicy"
	attrFilterScope   = "FilterPolicyScope"
	attrRedrive       = "RedrivePolicy"
	attrRole          = "SubscriptionRoleArn"
	attrReplay        = "ReplayPolicy"
	attrSubDelivery   = "DeliveryPolicy"
	attrSubEffective  = "EffectiveDeliveryPolicy"
	endpointBytesMax  = 2048
	filtersPerTopic   = 200    // SNS quotas
	subscriptionsMost = 10_000 // of a standard topic; AWS: 12.5 million. A publish looks at each
	fifoSubscriptions = 100    // of a FIFO topic (SNS quotas)
)

func (s *subscription) arn() string { return s.Topic + ":" + s.ID }

func (s *subscription) web() bool { return s.Protocol == protoHTTP || s.Protocol == protoHTTPS }

func (s *subscription) mail() bool { return s.Protocol == protoEmail || s.Protocol == protoEmailJSON }

// local says that moln itself is the receiver, which needs no confirmation and
// takes no time.
func (s *subscription) local() bool { return s.Protocol == protoSQS || s.Protocol == protoLambda }

// shown is the endpoint without its password.
func (s *subscription) shown() string {
	u, err := url.Parse(s.Endpoint)
	if !s.web() || err != nil || u.User == nil {
		return s.Endpoint
	}
	if _, has := u.User.Password(); !has {
		return s.Endpoint
	}
	userinfo := u.User.String()
	name, _, _ := strings.Cut(userinfo, ":")
	return strings.Replace(s.Endpoint, userinfo+"@", name+":****@", 1)
}

// subscriptionsMax is how many subscriptions a topic has at most.
func (t *topic) subscriptionsMax() int {
	if t.FIFO {
		return fifoSubscriptions
	}
	return subscriptionsMost
}

func (s *subscription) raw() bool { return s.Attributes[attrRaw] == "true" }

func (s *subscription) scope() string {
	if v := s.Attributes[attrFilterScope]; v != "" {
		return v
	}
	return filter.Attributes
}

// checkEndpoint refuses endpoints that are none of the protocol.
func checkEndpoint(t *topic, protocol, endpoint string) error {
	switch {
	case slices.Contains(lackingProtocols, protocol):
		return unsupported("subscriptions of the protocol " + protocol)
	case !slices.Contains([]string{protoHTTP, protoHTTPS, protoEmail, protoEmailJSON, protoSQS, protoLambda}, protocol):
		return invalid("Amazon SNS does not support this protocol string: %s", protocol)
	case endpoint == "":
		return invalid("Endpoint")
	case len(endpoint) > endpointBytesMax:
		return invalid("Endpoint Reason: Endpoint is too long")
	case t.FIFO && protocol != protoSQS:
		return invalid("Invalid parameter: Endpoint Reason: Please use SQS queue")
	}
	switch protocol {
	case protoSQS:
		return checkQueue(t, endpoint)
	case protoLambda:
		if a, err := arn.Parse(endpoint); err != nil || a.Service != "lambda" || !strings.HasPrefix(a.Resource, "function:") || a.Account == "" || a.Region == "" {
			return invalid("Lambda endpoint ARN")
		}
	case protoHTTP, protoHTTPS:
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != protocol || u.Hostname() == "" {
			return invalid("Endpoint must match the specified protocol")
		}
	default:
		if a, err := netmail.ParseAddress(endpoint); err != nil || a.Address != endpoint {
			return invalid("Email address")
		}
	}
	return nil
}

func checkQueue(t *topic, endpoint string) error {
	a, ok := queueARN(endpoint)
	if !ok {
		return invalid("SQS endpoint ARN")
	}
	if strings.HasSuffix(a.Resource, fifoSuffix) && !t.FIFO {
		return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	}
	return nil
}

func queueARN(text string) (arn.ARN, bool) {
	a, err := arn.Parse(text)
	return a, err == nil && a.Service == "sqs" && a.Account != "" && a.Region != "" && a.Resource != "" && !strings.ContainsAny(a.Resource, ":/")
}

// endpointAccount is the account of a queue or a function.
func endpointAccount(endpoint string) string {
	a, err := arn.Parse(endpoint)
	if err != nil {
		return ""
	}
	return a.Account
}

// set sets one attribute; its errors are reasons. What a filter policy needs to
// be in its scope is checked by checkFilter, once all attributes are set.
func (s *subscription) set(t *topic, name, value string) error {
	switch name {
	case attrRaw:
		v, ok := boolean(value)
		if !ok {
			return reason("RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
		if v == "true" && !s.web() && s.Protocol != protoSQS {
			return reason("Delivery protocol [%s] does not support raw message delivery.", s.Protocol)
		}
		value = v
	case attrFilter:
		if value == "" {
			value = "{}"
		}
	case attrFilterScope:
		if value != filter.Attributes && value != filter.Body {
			return reason("FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", value)
		}
	case attrRedrive:
		if err := s.checkRedrive(t, value); err != nil {
			return err
		}
	case attrSubDelivery:
		p, err := retry.ParseSubscriptionPolicy(value)
		if err != nil {
			return reason("DeliveryPolicy: %v", err)
		}
		if !s.web() {
			return reason("DeliveryPolicy: Delivery protocol [%s] does not support delivery policies", s.Protocol)
		}
		if value != "" {
			value = p.JSON()
		}
	case attrRole:
		return reason("SubscriptionRoleArn: Delivery protocol [%s] does not support a subscription role", s.Protocol)
	case attrReplay:
		return reason("ReplayPolicy: moln does not archive messages")
	default:
		return errAttributeName
	}
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	if value == "" {
		delete(s.Attributes, name)
		return nil
	}
	s.Attributes[name] = value
	return nil
}

// checkFilter compiles the filter policy in its scope.
func (s *subscription) checkFilter() (*filter.Policy, error) {
	text := s.Attributes[attrFilter]
	if text == "" {
		return nil, nil
	}
	p, err := filter.Parse(text, s.scope())
	if e := (*filter.Error)(nil); errors.As(err, &e) {
		return nil, reason("%s", e.Reason)
	}
	return p, err
}

func (s *subscription) filtered() bool {
	return s.Attributes[attrFilter] != "" && s.Attributes[attrFilter] != "{}"
}

type redrivePolicy struct {
	Target *string `json:"deadLetterTargetArn"`
}

func (s *subscription) checkRedrive(t *topic, value string) error {
	if value == "" {
		return nil
	}
	var p redrivePolicy
	if err := json.Unmarshal([]byte(value), &p); err != nil {
		return reason("RedrivePolicy: failed to parse JSON.")
	}
	if p.Target == nil {
		return reason("RedrivePolicy: deadLetterTargetArn is not specified")
	}
	a, ok := queueARN(*p.Target)
	switch fifo := strings.HasSuffix(a.Resource, fifoSuffix); {
	case !ok:
		return reason("RedrivePolicy: deadLetterTargetArn is an invalid arn")
	case a.Region != t.Region || a.Account != s.Owner:
		return reason("RedrivePolicy: deadLetterTargetArn must be in the same account and region as the subscription")
	case t.FIFO && s.fifoQueue() && !fifo:
		return reason("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
	case fifo && !(t.FIFO && s.fifoQueue()):
		return reason("RedrivePolicy: must use a standard queue as DLQ for a standard Subscription.")
	}
	return nil
}

func (s *subscription) fifoQueue() bool {
	return s.Protocol == protoSQS && strings.HasSuffix(s.Endpoint, fifoSuffix)
}

// deadLetters is the queue that takes what could not be delivered, or empty.
func (s *subscription) deadLetters() string {
	var p redrivePolicy
	if s.Attributes[attrRedrive] == "" || json.Unmarshal([]byte(s.Attributes[attrRedrive]), &p) != nil || p.Target == nil {
		return ""
	}
	return *p.Target
}

// policy is what is in force for deliveries.
func (s *subscription) policy(t *topic) retry.Effective {
	switch {
	case s.local():
		return retry.Effective{Retry: retry.Managed}
	case s.mail():
		return retry.Effective{Retry: retry.Customer}
	}
	p, err := retry.ParseSubscriptionPolicy(s.Attributes[attrSubDelivery])
	if err != nil {
		p = retry.SubscriptionPolicy{} // it was checked when it was stored
	}
	return p.Under(t.delivery)
}

// describe gives the attributes as GetSubscriptionAttributes shows them.
func (s *subscription) describe(t *topic) map[string]string {
	out := map[string]string{
		"SubscriptionArn": s.arn(), "TopicArn": s.Topic, "Owner": s.Owner, "Protocol": s.Protocol, "Endpoint": s.shown(),
		"PendingConfirmation": strconv.FormatBool(s.Pending), "ConfirmationWasAuthenticated": strconv.FormatBool(s.Authenticated),
		"SubscriptionPrincipal": s.Principal, attrRaw: "false",
	}
	for name, v := range s.Attributes {
		out[name] = v
	}
	delete(out, attrFilterScope)
	if s.Attributes[attrFilter] != "" {
		out[attrFilterScope] = s.scope()
	}
	if s.web() {
		out[attrSubEffective] = s.policy(t).JSON()
	}
	return out
}

// differs says whether attributes that are given would change what is set.
func (s *subscription) differs(t *topic, given map[string]string) bool {
	if len(given) == 0 {
		return false
	}
	other := *s
	other.Attributes = nil
	for name, v := range given {
		if other.set(t, name, v) != nil {
			return true
		}
	}
	for name, v := range other.Attributes {
		have := s.Attributes[name]
		switch {
		case name == attrFilterScope:
			have = s.scope()
		case name == attrRaw && have == "":
			have = "false"
		}
		if v != have {
			return true
		}
	}
	return false
}
