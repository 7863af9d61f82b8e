// Package event has the language of S3's event notifications: which
// configurations there can be, which changes they mean, and the document that a
// function is given. It delivers nothing.
package event

import (
	"slices"
	"strings"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

// Limits of a notification configuration.
const (
	notificationsMax  = 100
	filterValueBytes  = 1024
	notificationIDMax = 255
)

// happening are the events that happen here.
var happening = []string{
	"s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
	"s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
	"s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete",
	"s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
	"s3:LifecycleTransition", "s3:IntelligentTiering",
}

// Filter is a configuration's prefix and suffix of keys.
type Filter struct{ prefix, suffix string }

// FilterOf reads the filter of a configuration.
func FilterOf(f *api.NotificationConfigurationFilter) (Filter, error) {
	var out Filter
	if f == nil || f.Key == nil {
		return out, nil
	}
	seen := map[string]bool{}
	for _, r := range f.Key.FilterRules {
		name, value := strings.ToLower(smithy.Val(r.Name)), smithy.Val(r.Value)
		switch {
		case name != "prefix" && name != "suffix":
			return out, invalid("filter rule name must be either prefix or suffix")
		case seen[name]:
			return out, invalid("Cannot specify more than one %s rule in a filter.", name)
		case len(value) > filterValueBytes:
			return out, invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
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

// Matches reports whether the filter lets a key through.
func (f Filter) Matches(key string) bool {
	return strings.HasPrefix(key, f.prefix) && strings.HasSuffix(key, f.suffix)
}

// overlaps reports whether some key may match both.
func (f Filter) overlaps(g Filter) bool {
	return (strings.HasPrefix(f.prefix, g.prefix) || strings.HasPrefix(g.prefix, f.prefix)) &&
		(strings.HasSuffix(f.suffix, g.suffix) || strings.HasSuffix(g.suffix, f.suffix))
}

// Matches compares a configured event with one that happened; both with
// the prefix "s3:".
func Matches(configured, event string) bool {
	if group, ok := strings.CutSuffix(configured, "*"); ok {
		return strings.HasPrefix(event, group)
	}
	return configured == event
}

func eventsOverlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return Matches(x, y) || Matches(y, x) })
	})
}

// Check refuses what cannot be delivered, or delivered once.
func Check(n *api.NotificationConfiguration, region string) error {
	if len(n.TopicConfigurations) > 0 || len(n.QueueConfigurations) > 0 || n.EventBridgeConfiguration != nil {
		return unknown("moln notifies functions only, and neither queues nor topics nor EventBridge")
	}
	if len(n.LambdaFunctionConfigurations) > notificationsMax {
		return invalid("Number of notification configurations exceeds the limit of %d", notificationsMax)
	}
	ids := map[string]bool{}
	var filters []Filter
	for _, l := range n.LambdaFunctionConfigurations {
		f, err := checkTarget(l, region)
		if err != nil {
			return err
		}
		if id := smithy.Val(l.Id); id != "" && (ids[id] || len(id) > notificationIDMax) {
			return invalid("Same ID used for multiple configurations. IDs must be unique")
		} else {
			ids[id] = true
		}
		for j, g := range filters {
			if eventsOverlap(l.Events, n.LambdaFunctionConfigurations[j].Events) && f.overlaps(g) {
				if f == (Filter{}) && g == (Filter{}) {
					return invalid("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
				}
				return invalid("Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
			}
		}
		filters = append(filters, f)
	}
	return nil
}

func checkTarget(l api.LambdaFunctionConfiguration, region string) (Filter, error) {
	f, err := FilterOf(l.Filter)
	if err != nil {
		return f, err
	}
	if len(l.Events) == 0 {
		return f, fault.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	for _, e := range l.Events {
		if !slices.Contains(happening, e) {
			return f, unknown("moln has no event %s", e)
		}
	}
	a, err := arn.Parse(smithy.Val(l.LambdaFunctionArn))
	if err != nil || a.Service != "lambda" || !strings.HasPrefix(a.Resource, "function:") {
		return f, invalid("The ARN could not be parsed")
	}
	if a.Region != region {
		return f, invalid("The notification destination service region is not valid for the bucket location constraint")
	}
	return f, nil
}

// Document is what a function is given, in AWS's order.
type Document struct {
	Records []Record `json:"Records"`
}

// Record tells one change.
type Record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      Principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                Entity            `json:"s3"`
	Aging
}

// Aging is what events of restores, transitions and tiers tell besides.
type Aging struct {
	Glacier   *Glacier   `json:"glacierEventData,omitempty"`
	Lifecycle *Lifecycle `json:"lifecycleEventData,omitempty"`
	Tiering   *Tiering   `json:"intelligentTieringEventData,omitempty"`
}

// Glacier tells until when a restored copy is there, and of which class.
type Glacier struct {
	Restore struct {
		Expires string `json:"lifecycleRestorationExpiryTime"`
		Class   string `json:"lifecycleRestoreStorageClass"`
	} `json:"restoreEventData"`
}

// Lifecycle tells where an object was moved.
type Lifecycle struct {
	Transition struct {
		Class string `json:"destinationStorageClass"`
	} `json:"transitionEventData"`
}

// Tiering tells to which archive tier an object has come.
type Tiering struct {
	Tier string `json:"destinationAccessTier"`
}

// Principal names who did it, or who owns the bucket.
type Principal struct {
	PrincipalID string `json:"principalId"`
}

// Entity is what was changed.
type Entity struct {
	SchemaVersion   string `json:"s3SchemaVersion"`
	ConfigurationID string `json:"configurationId"`
	Bucket          Bucket `json:"bucket"`
	Object          Object `json:"object"`
}

// Bucket is where the object is.
type Bucket struct {
	Name          string    `json:"name"`
	OwnerIdentity Principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

// Object is what became of it.
type Object struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// TimeFormat is the form of TimeFormat.
const TimeFormat = "2006-01-02T15:04:05.000Z"

func invalid(format string, args ...any) error {
	return fault.New("InvalidArgument", 400, format, args...)
}

func unknown(format string, args ...any) error {
	return fault.New("NotImplemented", 501, format, args...)
}
