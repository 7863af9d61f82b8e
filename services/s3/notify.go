package s3

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/sched"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// servicePrincipal is who S3 is towards the functions that it invokes.
const servicePrincipal = "s3.amazonaws.com"

// notifyKind is the kind of the jobs that deliver events.
const notifyKind = "s3/notify"

// Delivery is tried with the scheduler's back-off for about an hour and a half.
const notifyAttemptsMax = 24

// Limits of a notification configuration.
const (
	notificationsMax  = 100
	filterValueBytes  = 1024
	notificationIDMax = 255
)

// notifiable are the events that happen here.
var notifiable = []string{
	"s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
	"s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
}

// filter is a configuration's prefix and suffix of keys.
type filter struct{ prefix, suffix string }

func filterOf(f *api.NotificationConfigurationFilter) (filter, error) {
	var out filter
	if f == nil || f.Key == nil {
		return out, nil
	}
	seen := map[string]bool{}
	for _, r := range f.Key.FilterRules {
		name, value := strings.ToLower(smithy.Val(r.Name)), smithy.Val(r.Value)
		switch {
		case name != "prefix" && name != "suffix":
			return out, invalidArgument("filter rule name must be either prefix or suffix")
		case seen[name]:
			return out, invalidArgument("Cannot specify more than one %s rule in a filter.", name)
		case len(value) > filterValueBytes:
			return out, invalidArgument("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
		}
		seen[name] = true
		if name == "prefix" {
			out.prefix = value
		} else {
			out.suffix = value
		}
	}
	return out, nil
}

func (f filter) matches(key string) bool {
	return strings.HasPrefix(key, f.prefix) && strings.HasSuffix(key, f.suffix)
}

// overlaps reports whether some key may match both.
func (f filter) overlaps(g filter) bool {
	return (strings.HasPrefix(f.prefix, g.prefix) || strings.HasPrefix(g.prefix, f.prefix)) &&
		(strings.HasSuffix(f.suffix, g.suffix) || strings.HasSuffix(g.suffix, f.suffix))
}

// eventMatches compares a configured event with one that happened; both with
// the prefix "s3:".
func eventMatches(configured, event string) bool {
	if group, ok := strings.CutSuffix(configured, "*"); ok {
		return strings.HasPrefix(event, group)
	}
	return configured == event
}

func eventsOverlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return eventMatches(x, y) || eventMatches(y, x) })
	})
}

// checkNotification refuses what cannot be delivered, or delivered once.
func checkNotification(n *api.NotificationConfiguration, region string) error {
	if len(n.TopicConfigurations) > 0 || len(n.QueueConfigurations) > 0 || n.EventBridgeConfiguration != nil {
		return notImplemented("moln notifies functions only, and neither queues nor topics nor EventBridge")
	}
	if len(n.LambdaFunctionConfigurations) > notificationsMax {
		return invalidArgument("Number of notification configurations exceeds the limit of %d", notificationsMax)
	}
	ids := map[string]bool{}
	var filters []filter
	for _, l := range n.LambdaFunctionConfigurations {
		f, err := checkTarget(l, region)
		if err != nil {
			return err
		}
		if id := smithy.Val(l.Id); id != "" && (ids[id] || len(id) > notificationIDMax) {
			return invalidArgument("Same ID used for multiple configurations. IDs must be unique")
		} else {
			ids[id] = true
		}
		for j, g := range filters {
			if eventsOverlap(l.Events, n.LambdaFunctionConfigurations[j].Events) && f.overlaps(g) {
				if f == (filter{}) && g == (filter{}) {
					return invalidArgument("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
				}
				return invalidArgument("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
			}
		}
		filters = append(filters, f)
	}
	return nil
}

func checkTarget(l api.LambdaFunctionConfiguration, region string) (filter, error) {
	f, err := filterOf(l.Filter)
	if err != nil {
		return f, err
	}
	if len(l.Events) == 0 {
		return f, malformedXML()
	}
	for _, e := range l.Events {
		if !slices.Contains(notifiable, e) {
			return f, notImplemented("moln has no event %s", e)
		}
	}
	a, err := arn.Parse(smithy.Val(l.LambdaFunctionArn))
	if err != nil || a.Service != "lambda" || !strings.HasPrefix(a.Resource, "function:") {
		return f, invalidArgument("The ARN could not be parsed")
	}
	if a.Region != region {
		return f, invalidArgument("The notification destination service region is not valid for the bucket location constraint")
	}
	return f, nil
}

// change is what happened to an object.
type change struct {
	event  string // "ObjectCreated:Put"
	object *object
}

// delivery is the payload of a notify job.
type delivery struct {
	Account, Region, Function, Bucket, RequestID string
	Depth                                        int
	Event                                        json.RawMessage
}

// notify queues the events of a change in its transaction (B3).
func (s *Service) notify(tx *kv.Tx, c *service.Call, b *bucket, ch change) error {
	if b.Notify == nil {
		return nil
	}
	for _, l := range b.Notify.LambdaFunctionConfigurations {
		f, err := filterOf(l.Filter)
		if err != nil {
			return err
		}
		if !f.matches(ch.object.Key) || !slices.ContainsFunc(l.Events, func(e string) bool { return eventMatches(e, "s3:"+ch.event) }) {
			continue
		}
		event, err := json.Marshal(eventDocument{Records: []eventRecord{record(c, b, ch, smithy.Val(l.Id))}})
		if err != nil {
			return err
		}
		payload, err := json.Marshal(delivery{
			Account: b.Account, Region: b.Region, Function: smithy.Val(l.LambdaFunctionArn), Bucket: b.Name,
			RequestID: c.RequestID, Depth: c.Depth + 1, Event: event,
		})
		if err != nil {
			return err
		}
		if err := s.deps.Sched.EnqueueTx(tx, sched.Job{Kind: notifyKind, Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

// deliver invokes a function with an event.
func (s *Service) deliver(ctx context.Context, r sched.Run) error {
	var d delivery
	if err := json.Unmarshal(r.Payload, &d); err != nil {
		return sched.Permanent(err)
	}
	_, err := s.deps.Functions.Invoke(ctx, functions.Request{
		Caller:  identity.Service(servicePrincipal, d.Account, bucketARN(d.Bucket)),
		Account: d.Account, Region: d.Region, RequestID: d.RequestID, Depth: d.Depth,
		FunctionARN: d.Function, Payload: d.Event, Kind: functions.Async,
	})
	if f := fault.As(err); f != nil && f.Status < 500 && f.Status != 429 {
		return sched.Permanent(err) // no such function, or not allowed
	}
	return err
}

// The event document, in AWS's order.
type eventDocument struct {
	Records []eventRecord `json:"Records"`
}

type eventRecord struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      principalID       `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                eventEntity       `json:"s3"`
}

type principalID struct {
	PrincipalID string `json:"principalId"`
}

type eventEntity struct {
	SchemaVersion   string      `json:"s3SchemaVersion"`
	ConfigurationID string      `json:"configurationId"`
	Bucket          eventBucket `json:"bucket"`
	Object          eventObject `json:"object"`
}

type eventBucket struct {
	Name          string      `json:"name"`
	OwnerIdentity principalID `json:"ownerIdentity"`
	ARN           string      `json:"arn"`
}

type eventObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// eventTime is the form of eventTime.
const eventTime = "2006-01-02T15:04:05.000Z"

func record(c *service.Call, b *bucket, ch change, configID string) eventRecord {
	o := ch.object
	entry := eventObject{Key: urlEncode(o.Key), Sequencer: sequencer(o.Sequence)}
	if v := visibleVersion(b, o); v != nil && o.Version != nullVersion {
		entry.VersionID = *v
	}
	if strings.HasPrefix(ch.event, "ObjectCreated:") {
		entry.Size, entry.ETag = new(o.Size), o.ETag
	}
	if o.Marker && strings.HasSuffix(ch.event, "DeleteMarkerCreated") {
		entry.ETag = emptyETag
	}
	return eventRecord{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: b.Region, EventTime: c.Now.UTC().Format(eventTime), EventName: ch.event,
		UserIdentity:      principalID{principalOf(c)},
		RequestParameters: map[string]string{"sourceIPAddress": sourceIP(c)},
		ResponseElements:  map[string]string{"x-amz-request-id": c.RequestID, "x-amz-id-2": c.RequestID},
		S3: eventEntity{
			SchemaVersion: "1.0", ConfigurationID: configID,
			Bucket: eventBucket{Name: b.Name, OwnerIdentity: principalID{ownerID(b.Account)}, ARN: bucketARN(b.Name)}, Object: entry,
		},
	}
}

// emptyETag is the ETag of no bytes, which events of delete markers carry.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

func principalOf(c *service.Call) string {
	if c.Caller.UserID == "" {
		return "Anonymous"
	}
	return "AWS:" + c.Caller.UserID
}

func sourceIP(c *service.Call) string {
	if c.HTTP == nil {
		return "127.0.0.1"
	}
	host, _, err := net.SplitHostPort(c.HTTP.Request.RemoteAddr)
	if err != nil {
		return c.HTTP.Request.RemoteAddr
	}
	return host
}

// notifyLease is how long another node waits for the one that delivers.
const notifyLease = time.Minute
