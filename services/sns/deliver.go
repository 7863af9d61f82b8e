package sns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	netmail "net/mail"
	"net/url"
	"strings"
	"sync"
	"time"

	sqsapi "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/mail"
	"moln.dev/moln/platform/outbound"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sns/envelope"
)

// servicePrincipal is who SNS is towards queues and functions.
const servicePrincipal = "sns.amazonaws.com"

// answerTimeout is how long a web server has for its answer (sns-http-https-endpoint).
const answerTimeout = 15 * time.Second

// answerBytesMax is how much of an answer is read, so that the connection can be
// used again.
const answerBytesMax = 64 << 10

func topicOfARN(text string) topicID {
	a, _ := arn.Parse(text) // SNS made it
	return topicID{place{a.Account, a.Region}, a.Resource}
}

// deliver gives a subscriber a message. A fault is the receiver's, a refusal one
// that stands.
func (s *Service) deliver(ctx context.Context, t *topic, sub *subscription, m *message) error {
	switch {
	case sub.Protocol == protoSQS:
		return s.toQueue(ctx, t, sub, m, sub.Endpoint)
	case sub.Protocol == protoLambda:
		return s.toFunction(ctx, t, sub, m)
	case sub.web():
		return s.toWeb(ctx, t, sub, m)
	}
	return s.toMailbox(ctx, t, sub, m)
}

// bury gives a message to a dead-letter queue, as a queue that is subscribed would
// have got it.
func (s *Service) bury(ctx context.Context, l *letter) error {
	t, err := s.store.topic(ctx, topicOfARN(l.Message.Topic))
	if err != nil {
		id := topicOfARN(l.Message.Topic)
		t = &topic{Account: id.account, Region: id.region, Name: id.name}
	}
	return s.toQueue(ctx, t, l.Subscription, l.Message, l.Queue)
}

// enveloped is the document of a message for one subscription. base is where links
// lead to.
func (s *Service) enveloped(ctx context.Context, t *topic, sub *subscription, m *message, base string) (*envelope.Message, error) {
	e := &envelope.Message{
		Type: envelope.Notification, ID: m.ID, TopicARN: m.Topic, Sequence: m.Sequence, Subject: m.Subject, Text: m.text(sub.Protocol),
		Timestamp: m.Time.UTC().Format(envelope.TimeFormat), Attributes: m.Attributes,
	}
	if m.Kind == "" {
		e.UnsubscribeURL = base + "/?Action=Unsubscribe&SubscriptionArn=" + sub.arn()
	} else {
		e.Type, e.Token = m.Kind, m.Token
		e.SubscribeURL = base + "/?Action=ConfirmSubscription&TopicArn=" + m.Topic + "&Token=" + m.Token
	}
	if m.Sequence != "" {
		return e, nil // FIFO topics' messages are not signed
	}
	key, err := s.signer(ctx)
	if err != nil {
		return nil, err
	}
	e.Version, e.CertURL = m.Signature, base+certificatePath(key.ID())
	return e, key.Sign(e)
}

// selfCall is a call of SNS itself for a topic, in an account and region.
func (s *Service) selfCall(t *topic, m *message, account, region string) *service.Call {
	c := s.deps.System(account, region).As(identity.Service(servicePrincipal, t.Account, t.arn()))
	c.Depth, c.RequestID, c.Routine = m.Depth, m.RequestID, true
	return c
}

func (s *Service) toQueue(ctx context.Context, t *topic, sub *subscription, m *message, queue string) error {
	a, ok := queueARN(queue)
	if !ok {
		return &refusal{fmt.Errorf("%s is no queue", queue)}
	}
	in := &sqsapi.SendMessageInput{QueueUrl: new(a.QueueURL())}
	if sub.raw() && m.Kind == "" {
		in.MessageBody = new(m.text(sub.Protocol))
		if len(m.Attributes) > rawAttributesMax {
			return &refusal{fmt.Errorf("a message of %d attributes cannot be delivered raw: queues take %d", len(m.Attributes), rawAttributesMax)}
		}
		in.MessageAttributes = queueAttributes(m)
	} else {
		e, err := s.enveloped(ctx, t, sub, m, s.deps.Site.Endpoint)
		if err != nil {
			return err
		}
		in.MessageBody = new(string(e.JSON()))
	}
	if m.Group != "" {
		in.MessageGroupId = &m.Group
	}
	if m.Dedup != "" && strings.HasSuffix(a.Resource, fifoSuffix) {
		in.MessageDeduplicationId = &m.Dedup
	}
	_, err := service.Invoke(ctx, s.selfCall(t, m, a.Account, a.Region), sqsapi.SendMessage, in)
	return err
}

// rawAttributesMax is how many attributes a message of a queue has at most: more
// are a client-side error (sns-large-payload-raw-message-delivery).
const rawAttributesMax = 10

func queueAttributes(m *message) map[string]sqsapi.MessageAttributeValue {
	if len(m.Attributes) == 0 {
		return nil
	}
	out := make(map[string]sqsapi.MessageAttributeValue, len(m.Attributes))
	for name, a := range m.Attributes {
		v := sqsapi.MessageAttributeValue{DataType: new(a.Type)}
		if a.IsBinary() {
			v.BinaryValue = a.Binary
		} else {
			v.StringValue = new(a.Text)
		}
		out[name] = v
	}
	return out
}

// toFunction queues an invocation. Inside functions AWS's host names are moln, so
// links lead there.
func (s *Service) toFunction(ctx context.Context, t *topic, sub *subscription, m *message) error {
	e, err := s.enveloped(ctx, t, sub, m, "https://sns."+t.Region+".amazonaws.com")
	if err != nil {
		return err
	}
	payload, err := e.Event(sub.arn())
	if err != nil {
		return err
	}
	_, err = s.deps.Functions.Invoke(ctx, functions.Request{
		Caller: identity.Service(servicePrincipal, t.Account, t.arn()), Account: t.Account, Region: t.Region,
		RequestID: m.RequestID, Depth: m.Depth, Trace: m.Trace, FunctionARN: sub.Endpoint, Payload: payload, Kind: functions.Async,
	})
	return err
}

// toWeb posts a message. Answers of 200 to 299 take it; those from 400 to 499 but
// 429 stand.
func (s *Service) toWeb(ctx context.Context, t *topic, sub *subscription, m *message) error {
	body := []byte(m.text(sub.Protocol))
	raw := sub.raw() && m.Kind == ""
	if !raw {
		e, err := s.enveloped(ctx, t, sub, m, s.deps.Site.Endpoint)
		if err != nil {
			return err
		}
		body = e.JSON()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.Endpoint, bytes.NewReader(body))
	if err != nil {
		return &refusal{err}
	}
	if u := req.URL.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
		req.URL.User = nil
	}
	setHeader(req.Header, t, sub, m, raw)
	res, err := s.web.Do(req)
	if errors.Is(err, outbound.ErrRefused) {
		return &refusal{withoutAddress(err)}
	}
	if err != nil {
		return withoutAddress(err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, answerBytesMax) // what comes is of no interest
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 400 && code < 500 && code != http.StatusTooManyRequests:
		return &refusal{fmt.Errorf("the endpoint answered %s", res.Status)}
	}
	return fmt.Errorf("the endpoint answered %s", res.Status)
}

// withoutAddress takes the URL out of a client's error: it may hold a password.
func withoutAddress(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// setHeader: sns-message-and-json-formats, "HTTP/HTTPS headers".
func setHeader(h http.Header, t *topic, sub *subscription, m *message, raw bool) {
	kind := m.Kind
	if kind == "" {
		kind = envelope.Notification
		h.Set("x-amz-sns-subscription-arn", sub.arn())
	}
	h.Set("x-amz-sns-message-type", kind)
	h.Set("x-amz-sns-message-id", m.ID)
	h.Set("x-amz-sns-topic-arn", m.Topic)
	h.Set("User-Agent", "Amazon Simple Notification Service Agent")
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	if m.Kind == "" {
		h.Set("Content-Type", sub.policy(t).ContentType)
	}
	if raw {
		h.Set("x-amz-sns-rawdelivery", "true")
	}
}

// toMailbox sends an e-mail.
func (s *Service) toMailbox(ctx context.Context, t *topic, sub *subscription, m *message) error {
	e, err := s.enveloped(ctx, t, sub, m, s.deps.Site.Endpoint)
	if err != nil {
		return err
	}
	from := t.Attributes[attrDisplayName]
	if from == "" {
		from = "AWS Notifications"
	}
	msg := mail.Message{
		From: (&netmail.Address{Name: from, Address: "no-reply@sns.amazonaws.com"}).String(), To: sub.Endpoint, Subject: mailSubject(m), Text: mailText(m, e, sub.Endpoint),
	}
	if sub.Protocol == protoEmailJSON {
		msg.Text = string(e.JSON())
	}
	err = s.mail.Send(ctx, msg)
	if errors.Is(err, mail.ErrMessage) {
		return &refusal{err}
	}
	return err
}

func mailSubject(m *message) string {
	switch {
	case m.Kind == envelope.SubscriptionConfirmation:
		return "AWS Notification - Subscription Confirmation"
	case m.Kind == envelope.UnsubscribeConfirmation:
		return "AWS Notification - Unsubscribe Confirmation"
	case m.Subject != "":
		return m.Subject
	}
	return "AWS Notification Message"
}

func mailText(m *message, e *envelope.Message, endpoint string) string {
	switch m.Kind {
	case envelope.SubscriptionConfirmation:
		return "You have chosen to subscribe to the topic:\n" + m.Topic + "\n\nTo confirm this subscription, visit the link below. If this was in error, no action is necessary.\n" + e.SubscribeURL + "\n"
	case envelope.UnsubscribeConfirmation:
		return "Your subscription to the topic below has been deactivated:\n" + m.Topic + "\n\nIf this was in error, visit the link below to subscribe again.\n" + e.SubscribeURL + "\n"
	}
	return e.Text + "\n\n--\nTo stop receiving notifications from this topic, visit the link below.\n" + e.UnsubscribeURL + "&Endpoint=" + url.QueryEscape(endpoint) + "\n"
}

// pace holds deliveries to web servers back that want so many a second. The zero
// value is ready.
type pace struct {
	mu   sync.Mutex
	next map[string]time.Time // guarded by mu
}

// paceMax bounds what is remembered; what is forgotten may go at once.
const paceMax = 4096

// wait is how long the next delivery of a subscription must wait; where it need
// not, its place is taken.
func (p *pace) wait(sub string, perSecond int, now time.Time) time.Duration {
	if perSecond == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if next := p.next[sub]; next.After(now) {
		return next.Sub(now)
	}
	if p.next == nil || len(p.next) >= paceMax {
		p.next = map[string]time.Time{}
	}
	p.next[sub] = now.Add(time.Second / time.Duration(perSecond))
	return 0
}
