package message

import (
	"maps"
	"slices"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/services/sqs/queue"
)

// Trace checks the system attributes that somebody sends, of which there is one,
// and gives its value and the digest of them all.
func Trace(all map[string]api.MessageSystemAttributeValue) (header, digest string, err error) {
	if len(all) == 0 {
		return "", "", nil
	}
	as := Attributes{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		if name != api.MessageSystemAttributeNameForSendsAWSTraceHeader {
			return "", "", queue.Invalid("Message system attribute name '%s' is invalid.", name)
		}
		if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
			return "", "", api.ErrUnsupportedOperation("Message attribute list values in SendMessage operation are not supported.")
		}
		if text(v.DataType) != typeString || text(v.StringValue) == "" || v.BinaryValue != nil {
			return "", "", queue.Invalid("Message (system) attribute '%s' must contain a non-empty value of type '%s'.", name, typeString)
		}
		if !isText(*v.StringValue) {
			return "", "", queue.Invalid(badText)
		}
		as[name] = api.MessageAttributeValue{DataType: v.DataType, StringValue: v.StringValue}
		header = *v.StringValue
	}
	return header, AttributesDigest(as), nil
}
