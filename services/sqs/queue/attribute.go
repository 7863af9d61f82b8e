package queue

import (
	"slices"
	"strconv"

	api "moln.dev/moln/api/sqs"
)

// span is the range of a number and the value of queues that do not say
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
type span struct {
	name               string
	least, most, unset int
}

// spans are the attributes that are numbers. Seconds, but for the bytes of a
// message.
var spans = []span{
	{api.QueueAttributeNameDelaySeconds, 0, 900, 0},
	{api.QueueAttributeNameMaximumMessageSize, 1024, MessageBytesMax, MessageBytesMax},
	{api.QueueAttributeNameMessageRetentionPeriod, 60, 1209600, 345600},
	{api.QueueAttributeNameReceiveMessageWaitTimeSeconds, 0, 20, 0},
	{api.QueueAttributeNameVisibilityTimeout, 0, VisibilitySecondsMax, 30},
	{api.QueueAttributeNameKmsDataKeyReusePeriodSeconds, 60, 86400, 300},
}

const (
	// MessageBytesMax is the most that a message, or a batch of them, may have
	// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
	MessageBytesMax = 1 << 20
	// VisibilitySecondsMax is how long a message may be in flight, and no longer.
	VisibilitySecondsMax = 43200
	// DelaySecondsMax is how long a message may wait before it is first seen.
	DelaySecondsMax = 900
)

// Values of attributes.
const (
	isTrue             = "true"
	isFalse            = "false"
	scopeQueue         = "queue"
	scopeGroup         = "messageGroup"
	throughputQueue    = "perQueue"
	throughputPerGroup = "perMessageGroupId"
)

func spanOf(name string) (span, bool) {
	i := slices.IndexFunc(spans, func(s span) bool { return s.name == name })
	if i < 0 {
		return span{}, false
	}
	return spans[i], true
}

// number is a numeric attribute of a set that was checked.
func number(set map[string]string, name string) int {
	s, _ := spanOf(name)
	if n, err := strconv.Atoi(set[name]); err == nil {
		return n
	}
	return s.unset
}

// Unset is the value that an attribute has where nobody has set it; empty where
// it has none.
func Unset(name string) string {
	if s, ok := spanOf(name); ok {
		return strconv.Itoa(s.unset)
	}
	switch name {
	case api.QueueAttributeNameContentBasedDeduplication:
		return isFalse
	case api.QueueAttributeNameSqsManagedSseEnabled:
		return isTrue
	case api.QueueAttributeNameDeduplicationScope:
		return scopeQueue
	case api.QueueAttributeNameFifoThroughputLimit:
		return throughputQueue
	}
	return ""
}

func badValue(name string) error {
	return api.ErrInvalidAttributeValue("Invalid value for the parameter %s.", name)
}

func unknown(name string) error { return api.ErrInvalidAttributeName("Unknown Attribute %s.", name) }

// choices are the attributes that take one of a few values.
func choices(name string) []string {
	switch name {
	case api.QueueAttributeNameContentBasedDeduplication, api.QueueAttributeNameSqsManagedSseEnabled:
		return []string{isTrue, isFalse}
	case api.QueueAttributeNameDeduplicationScope:
		return []string{scopeQueue, scopeGroup}
	case api.QueueAttributeNameFifoThroughputLimit:
		return []string{throughputQueue, throughputPerGroup}
	}
	return nil
}

// fifoOnly refuses what only FIFO queues have.
func fifoOnly(name string) error {
	switch name {
	case api.QueueAttributeNameFifoQueue, api.QueueAttributeNameContentBasedDeduplication:
		return unknown(name)
	case api.QueueAttributeNameDeduplicationScope, api.QueueAttributeNameFifoThroughputLimit:
		return api.ErrInvalidAttributeName("You can specify the %s only when FifoQueue is set to true.", name)
	}
	return nil
}

// removable are the attributes that an empty value removes.
func removable(name string) bool {
	switch name {
	case api.QueueAttributeNamePolicy, api.QueueAttributeNameRedrivePolicy, api.QueueAttributeNameRedriveAllowPolicy,
		api.QueueAttributeNameKmsMasterKeyId:
		return true
	}
	return false
}

// check checks one attribute by itself.
func check(k Key, name, value string) error {
	if !k.Fifo() {
		if err := fifoOnly(name); err != nil {
			return err
		}
	}
	if value == "" && removable(name) {
		return nil
	}
	if s, ok := spanOf(name); ok {
		if n, err := strconv.Atoi(value); err != nil || n < s.least || n > s.most {
			return badValue(name)
		}
		return nil
	}
	if of := choices(name); of != nil {
		if !slices.Contains(of, value) {
			return badValue(name)
		}
		return nil
	}
	return checkText(k, name, value)
}

// keyIDMax is the most that an identifier of a KMS key may have
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html).
const keyIDMax = 2048

func checkText(k Key, name, value string) error {
	var err error
	switch name {
	case api.QueueAttributeNameFifoQueue:
		if value != isTrue {
			return api.ErrInvalidAttributeValue("Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
		}
	case api.QueueAttributeNamePolicy:
		if _, err := compilePolicy(k, value); err != nil {
			return badValue(name)
		}
	case api.QueueAttributeNameRedrivePolicy:
		_, err = parseRedrive(k, value)
	case api.QueueAttributeNameRedriveAllowPolicy:
		_, err = parseAllow(value)
	case api.QueueAttributeNameKmsMasterKeyId:
		if len(value) > keyIDMax {
			return badValue(name)
		}
	default:
		return unknown(name)
	}
	return err
}

// Merge gives the attributes of a queue after a request, whose attributes are
// checked by themselves and with what there is.
func Merge(k Key, have, request map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(have)+len(request))
	for name, value := range have {
		out[name] = value
	}
	for _, name := range sortedNames(request) {
		if err := check(k, name, request[name]); err != nil {
			return nil, err
		}
		if out[name] = request[name]; request[name] == "" {
			delete(out, name)
		}
	}
	if err := settleEncryption(out, request); err != nil {
		return nil, err
	}
	if out[api.QueueAttributeNameFifoThroughputLimit] == throughputPerGroup && out[api.QueueAttributeNameDeduplicationScope] != scopeGroup {
		return nil, api.ErrInvalidAttributeValue("The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	return out, nil
}

// settleEncryption makes of two kinds of encryption the one that was asked for
// last.
func settleEncryption(out, request map[string]string) error {
	managed, key := request[api.QueueAttributeNameSqsManagedSseEnabled] == isTrue, request[api.QueueAttributeNameKmsMasterKeyId] != ""
	switch {
	case managed && (key || out[api.QueueAttributeNameKmsMasterKeyId] != ""):
		return api.ErrInvalidAttributeName("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	case key:
		out[api.QueueAttributeNameSqsManagedSseEnabled] = isFalse
	}
	return nil
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Same tells whether a request to make a queue asks for the one that there is;
// otherwise the attribute that differs.
func (q *Queue) Same(request map[string]string) (differs string, same bool) {
	all := q.Shown()
	for _, name := range sortedNames(request) {
		if all[name] != request[name] && !sameJSON(name, all[name], request[name]) {
			return name, false
		}
	}
	return "", true
}

// Shown are the attributes that do not change by themselves, those that nobody
// has set included.
func (q *Queue) Shown() map[string]string {
	out := map[string]string{}
	for _, s := range spans {
		if s.name != api.QueueAttributeNameKmsDataKeyReusePeriodSeconds {
			out[s.name] = strconv.Itoa(s.unset)
		}
	}
	out[api.QueueAttributeNameSqsManagedSseEnabled] = isTrue
	if q.Fifo() {
		out[api.QueueAttributeNameFifoQueue] = isTrue
		out[api.QueueAttributeNameContentBasedDeduplication] = isFalse
		out[api.QueueAttributeNameDeduplicationScope] = scopeQueue
		out[api.QueueAttributeNameFifoThroughputLimit] = throughputQueue
	}
	for name, value := range q.Set {
		out[name] = value
	}
	if q.KeyID != "" && q.Set[api.QueueAttributeNameKmsDataKeyReusePeriodSeconds] == "" {
		s, _ := spanOf(api.QueueAttributeNameKmsDataKeyReusePeriodSeconds)
		out[s.name] = strconv.Itoa(s.unset)
	}
	out[api.QueueAttributeNameQueueArn] = q.ARN()
	out[api.QueueAttributeNameCreatedTimestamp] = strconv.FormatInt(q.Created, 10)
	out[api.QueueAttributeNameLastModifiedTimestamp] = strconv.FormatInt(q.Modified, 10)
	return out
}

// IsCount says that an attribute is a number of messages.
func IsCount(name string) bool {
	switch name {
	case api.QueueAttributeNameApproximateNumberOfMessages, api.QueueAttributeNameApproximateNumberOfMessagesDelayed,
		api.QueueAttributeNameApproximateNumberOfMessagesNotVisible:
		return true
	}
	return false
}

// CheckAsked checks the names of attributes that somebody wants to see.
func CheckAsked(names []string) error {
	for _, name := range names {
		_, numeric := spanOf(name)
		switch {
		case numeric, IsCount(name), removable(name), choices(name) != nil:
		case name == api.QueueAttributeNameAll, name == api.QueueAttributeNameQueueArn, name == api.QueueAttributeNameFifoQueue,
			name == api.QueueAttributeNameCreatedTimestamp, name == api.QueueAttributeNameLastModifiedTimestamp:
		default:
			return unknown(name)
		}
	}
	return nil
}
