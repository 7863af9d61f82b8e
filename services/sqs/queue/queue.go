package queue

import (
	"encoding/hex"
	"encoding/json"
	"time"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/policy"
)

// Queue is a queue as it is stored, and what that means.
type Queue struct {
	Key
	// ID is another for a queue that is made again: it has nothing of the old.
	ID       string            `json:"id"`
	Created  int64             `json:"created"` // seconds since 1970
	Modified int64             `json:"modified"`
	Set      map[string]string `json:"attributes,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Purged   time.Time         `json:"purged,omitzero"`

	Settings `json:"-"`
}

// Settings are a queue's attributes, understood.
type Settings struct {
	Delay, Retention, Visibility, Wait time.Duration
	MessageBytesMax                    int
	ContentBased                       bool // deduplication by the body's hash
	PerGroup                           bool // deduplication within each group
	Redrive                            *Redrive
	Allow                              *Allow
	KeyID                              string // of KMS; empty: none
	KeyReuse                           time.Duration
	Sealed                             bool // SSE-SQS
	Policy                             *policy.Policy
}

// Decode reads a queue.
func Decode(raw []byte) (*Queue, error) {
	q := new(Queue)
	if err := json.Unmarshal(raw, q); err != nil {
		return nil, err
	}
	return q, q.Understand()
}

// Raw is the queue's id as bytes.
func (q *Queue) Raw() (id [8]byte) {
	_, _ = hex.Decode(id[:], []byte(q.ID)) // which it is
	return id
}

// Understand makes the settings of the attributes, which were checked when they
// were set.
func (q *Queue) Understand() (err error) {
	seconds := func(name string) time.Duration { return time.Duration(number(q.Set, name)) * time.Second }
	q.Settings = Settings{
		Delay:           seconds(api.QueueAttributeNameDelaySeconds),
		Retention:       seconds(api.QueueAttributeNameMessageRetentionPeriod),
		Visibility:      seconds(api.QueueAttributeNameVisibilityTimeout),
		Wait:            seconds(api.QueueAttributeNameReceiveMessageWaitTimeSeconds),
		MessageBytesMax: number(q.Set, api.QueueAttributeNameMaximumMessageSize),
		ContentBased:    q.Set[api.QueueAttributeNameContentBasedDeduplication] == isTrue,
		PerGroup:        q.Set[api.QueueAttributeNameDeduplicationScope] == scopeGroup,
		KeyID:           q.Set[api.QueueAttributeNameKmsMasterKeyId],
		KeyReuse:        seconds(api.QueueAttributeNameKmsDataKeyReusePeriodSeconds),
		Sealed:          q.Set[api.QueueAttributeNameSqsManagedSseEnabled] != isFalse,
	}
	if text := q.Set[api.QueueAttributeNamePolicy]; text != "" {
		if q.Policy, err = compilePolicy(q.Key, text); err != nil {
			return err
		}
	}
	if text := q.Set[api.QueueAttributeNameRedrivePolicy]; text != "" {
		if q.Redrive, err = parseRedrive(q.Key, text); err != nil {
			return err
		}
	}
	if text := q.Set[api.QueueAttributeNameRedriveAllowPolicy]; text != "" {
		q.Allow, err = parseAllow(text)
	}
	return err
}
