package queue

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	api "moln.dev/moln/api/sqs"
)

// Redrive says where messages go that are received too often.
type Redrive struct {
	Target      Key
	MaxReceives int
}

// Limits of redrive policies
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
const (
	receivesMax = 1000
	sourcesMax  = 10
)

func badRedrive(value, format string, args ...any) error {
	return Invalid("Value %s for parameter RedrivePolicy is invalid. Reason: %s", value, Invalid(format, args...).Message)
}

// parseRedrive reads the redrive policy of a queue.
func parseRedrive(k Key, text string) (*Redrive, error) {
	var doc map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &doc) != nil || doc == nil {
		return nil, badRedrive(text, "Redrive policy is not a valid JSON map.")
	}
	for _, name := range []string{"deadLetterTargetArn", "maxReceiveCount"} {
		if raw, ok := doc[name]; !ok || string(raw) == "null" {
			return nil, badRedrive(text, "Redrive policy does not contain mandatory attribute: %s.", name)
		}
	}
	for name := range doc {
		if name != "deadLetterTargetArn" && name != "maxReceiveCount" {
			return nil, badRedrive(text, "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
		}
	}
	var target string
	if json.Unmarshal(doc["deadLetterTargetArn"], &target) != nil {
		return nil, badRedrive(text, "Invalid value for deadLetterTargetArn.")
	}
	to, ok := ParseARN(target)
	if !ok || to.Account != k.Account || to.Region != k.Region {
		return nil, badRedrive(text, "Invalid value for deadLetterTargetArn.")
	}
	if to.Fifo() != k.Fifo() {
		return nil, badRedrive(text, "Dead-letter queue must be same type of queue as the source.")
	}
	count := string(bytes.Trim(doc["maxReceiveCount"], `"`))
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > receivesMax {
		return nil, badRedrive(text, "Invalid value for maxReceiveCount: %s, valid values are from 1 to 1000 both inclusive.", count)
	}
	return &Redrive{Target: to, MaxReceives: n}, nil
}

// Exhausted says that a message was received as often as it may be: the next
// one to take it is the dead-letter queue.
func (r *Redrive) Exhausted(received int) bool { return r != nil && received >= r.MaxReceives }

// Allow says which queues may have this one as their dead-letter queue.
type Allow struct {
	Permission string
	Sources    []string
}

// Values of redrivePermission.
const (
	allowAll     = "allowAll"
	denyAll      = "denyAll"
	allowByQueue = "byQueue"
)

func badAllow(value, reason string) error {
	return Invalid("Value %s for parameter RedriveAllowPolicy is invalid. Reason: %s", value, reason)
}

func parseAllow(text string) (*Allow, error) {
	var doc struct {
		RedrivePermission string   `json:"redrivePermission"`
		SourceQueueArns   []string `json:"sourceQueueArns"`
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if d.Decode(&doc) != nil || d.More() {
		return nil, badAllow(text, "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
	}
	if !slices.Contains([]string{allowAll, denyAll, allowByQueue}, doc.RedrivePermission) {
		return nil, badAllow(text, "redrivePermission must be one of allowAll, denyAll, byQueue.")
	}
	byQueue := doc.RedrivePermission == allowByQueue
	if byQueue != (len(doc.SourceQueueArns) > 0) || len(doc.SourceQueueArns) > sourcesMax {
		return nil, badAllow(text, "sourceQueueArns must have 1 to 10 ARNs with byQueue, and be absent otherwise.")
	}
	for _, s := range doc.SourceQueueArns {
		if _, ok := ParseARN(s); !ok {
			return nil, badAllow(text, "sourceQueueArns must be ARNs of queues.")
		}
	}
	return &Allow{doc.RedrivePermission, doc.SourceQueueArns}, nil
}

// Allows says whether source may send its dead letters here.
func (a *Allow) Allows(source Key) bool {
	switch {
	case a == nil || a.Permission == allowAll:
		return true
	case a.Permission == denyAll:
		return false
	}
	return slices.Contains(a.Sources, source.ARN())
}

// sameJSON says that two policies are the same but for how they are written.
func sameJSON(name, a, b string) bool {
	if name != api.QueueAttributeNamePolicy && name != api.QueueAttributeNameRedrivePolicy && name != api.QueueAttributeNameRedriveAllowPolicy {
		return false
	}
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
