// Package send gives targets what EventBridge has for them: functions, queues,
// topics, event buses, log groups. It sends as EventBridge acting for a rule, so
// that the target's policy decides, or as the role that the target names.
//
// It keeps nothing and does not try again: that is the business of who must not
// lose what is sent.
package send

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	lambda "moln.dev/moln/api/lambda"
	"moln.dev/moln/api/logs"
	"moln.dev/moln/api/sns"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// Kind is a sort of target.
type Kind string

// Kinds of targets.
const (
	Function Kind = "lambda"
	Queue    Kind = "sqs"
	FIFO     Kind = "sqs.fifo"
	Topic    Kind = "sns"
	Bus      Kind = "events"
	Group    Kind = "logs"
)

// Parse says which kind of target an ARN names; false: none that can be sent to.
func Parse(a arn.ARN) (Kind, bool) {
	if a.Account == "" || a.Region == "" {
		return "", false
	}
	kind := Kind(a.Service)
	plain := !strings.ContainsAny(a.Resource, "/:")
	switch kind {
	case Function:
		return kind, strings.HasPrefix(a.Resource, "function:")
	case Queue:
		if strings.HasSuffix(a.Resource, ".fifo") {
			kind = FIFO
		}
		return kind, plain
	case Topic:
		return kind, plain
	case Bus:
		return kind, strings.HasPrefix(a.Resource, "event-bus/")
	case Group:
		return kind, groupOf(a) != ""
	}
	return "", false
}

// Message is one thing to send.
type Message struct {
	// Account and Region are the sender's, Source the ARN of the rule or
	// schedule that it is sent for.
	Account, Region, Source string
	// Target is the ARN to send to, as Role where that is not empty.
	Target, Role string
	Body         []byte
	// Event is what a bus is given instead of Body.
	Event json.RawMessage
	// Group is the message group on FIFO queues.
	Group string
	// Stream and Time are where and when a log group has it.
	Stream string
	Time   time.Time
	// Attributes are those of a message on a queue.
	Attributes map[string]string

	RequestID string
	Depth     int
}

// Receiver puts an event on a bus of this service as c's caller.
type Receiver func(ctx context.Context, c *service.Call, bus string, event json.RawMessage) error

// Sender sends. Safe for concurrent use.
type Sender struct {
	system    func(account, region string) *service.Call
	functions *functions.Broker
	principal string
	receive   Receiver
}

// New returns a Sender that acts as a service principal.
func New(d service.Deps, principal string, r Receiver) *Sender {
	return &Sender{system: d.System, functions: d.Functions, principal: principal, receive: r}
}

// RoleError is that a target's role could not be assumed.
type RoleError struct{ Err error }

func (e *RoleError) Error() string { return e.Err.Error() }
func (e *RoleError) Unwrap() error { return e.Err }

// sessionName is that of the roles' sessions.
const sessionName = "EventBridge"

// Send sends. Faults are the target's, a *RoleError that of the role.
func (s *Sender) Send(ctx context.Context, m Message) error {
	a, err := arn.Parse(m.Target)
	if err != nil {
		return err
	}
	c := s.system(m.Account, m.Region).As(identity.Service(s.principal, m.Account, m.Source))
	c.RequestID, c.Depth = m.RequestID, m.Depth
	if m.Role != "" {
		session, err := c.AssumeRole(ctx, service.Assume{RoleARN: m.Role, SessionName: sessionName})
		if err != nil {
			return &RoleError{err}
		}
		c = c.As(session.Principal)
	}
	at := *c
	at.Account, at.Region = a.Account, a.Region
	switch kind, _ := Parse(a); kind {
	case Function:
		return s.function(ctx, c, m)
	case Queue, FIFO:
		return queue(ctx, &at, a, m)
	case Topic:
		_, err := service.Invoke(ctx, &at, sns.Publish, &sns.PublishInput{TopicArn: &m.Target, Message: new(string(m.Body))})
		return err
	case Bus:
		return s.receive(ctx, &at, m.Target, m.Event)
	case Group:
		return group(ctx, &at, groupOf(a), m)
	}
	return errKind
}

func (s *Sender) function(ctx context.Context, c *service.Call, m Message) error {
	if m.Role != "" {
		_, err := service.Invoke(ctx, c, lambda.Invoke, &lambda.InvokeInput{FunctionName: &m.Target, InvocationType: new(lambda.InvocationTypeEvent), Payload: m.Body})
		return err
	}
	_, err := s.functions.Invoke(ctx, functions.Request{
		Caller: c.Caller, Account: m.Account, Region: m.Region, RequestID: m.RequestID, Depth: m.Depth,
		FunctionARN: m.Target, Payload: m.Body, Kind: functions.Async,
	})
	return err
}

func queue(ctx context.Context, c *service.Call, a arn.ARN, m Message) error {
	in := &sqs.SendMessageInput{QueueUrl: new(a.QueueURL()), MessageBody: new(string(m.Body))}
	if m.Group != "" {
		in.MessageGroupId = &m.Group
	}
	for name, value := range m.Attributes {
		if in.MessageAttributes == nil {
			in.MessageAttributes = map[string]sqs.MessageAttributeValue{}
		}
		in.MessageAttributes[name] = sqs.MessageAttributeValue{DataType: new("String"), StringValue: &value}
	}
	_, err := service.Invoke(ctx, c, sqs.SendMessage, in)
	return err
}

// groupOf is the name of the log group of an ARN, "" where it is none's.
func groupOf(a arn.ARN) string {
	name, ok := strings.CutPrefix(a.Resource, "log-group:")
	name = strings.TrimSuffix(name, ":*")
	if !ok || strings.Contains(name, ":") {
		return ""
	}
	return name
}

// group writes an event into a log group: what is a timestamp and a message as
// such, all else as a message.
func group(ctx context.Context, c *service.Call, name string, m Message) error {
	e := logs.InputLogEvent{Timestamp: new(m.Time.UnixMilli()), Message: new(string(m.Body))}
	var own struct {
		Timestamp *int64  `json:"timestamp"`
		Message   *string `json:"message"`
	}
	if json.Unmarshal(m.Body, &own) == nil && own.Timestamp != nil && own.Message != nil {
		e.Timestamp, e.Message = own.Timestamp, own.Message
	}
	in := &logs.PutLogEventsInput{LogGroupName: &name, LogStreamName: &m.Stream, LogEvents: []logs.InputLogEvent{e}}
	_, err := service.Invoke(ctx, c, logs.CreateLogStream, &logs.CreateLogStreamInput{LogGroupName: &name, LogStreamName: &m.Stream})
	if err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
		return err
	}
	_, err = service.Invoke(ctx, c, logs.PutLogEvents, in)
	return err
}
