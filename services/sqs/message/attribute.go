package message

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/services/sqs/queue"
)

// Limits of message attributes
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html).
const (
	attributesMax = 10
	attributeName = 256 // names and types are shorter
)

// Data types of attributes, which may go on after a dot.
const (
	typeString = "String"
	typeNumber = "Number"
	typeBinary = "Binary"
)

// Attributes are what a message carries beside its body.
type Attributes = map[string]api.MessageAttributeValue

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	numberForm = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// CheckAttributes checks the attributes that somebody sends.
func CheckAttributes(all Attributes) error {
	if len(all) > attributesMax {
		return queue.Invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(all), attributesMax)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := checkName(name); err != nil {
			return err
		}
		if err := checkValue(name, all[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case len(name) >= attributeName:
		return queue.Invalid("Message (user) attribute names must be shorter than 256 Bytes")
	case !nameForm.MatchString(name):
		return queue.Invalid("Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ")
	case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."), strings.HasPrefix(name, "."), strings.HasSuffix(name, "."), strings.Contains(name, ".."):
		return queue.Invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use. Additionally, they cannot start or end with '.'.")
	}
	return nil
}

func checkValue(name string, v api.MessageAttributeValue) error {
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return api.ErrUnsupportedOperation("Message attribute list values in SendMessage operation are not supported.")
	}
	full := text(v.DataType)
	base, _, _ := strings.Cut(full, ".")
	switch {
	case full == "":
		return queue.Invalid("The message attribute '%s' must contain non-empty message attribute type.", name)
	case len(full) >= attributeName:
		return queue.Invalid("Message (user) attribute types must be shorter than 256 Bytes")
	case base != typeString && base != typeNumber && base != typeBinary:
		return queue.Invalid("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case v.StringValue != nil && v.BinaryValue != nil:
		return queue.Invalid("Message (user) attribute '%s' has multiple values.", name)
	case base == typeBinary && len(v.BinaryValue) == 0, base != typeBinary && text(v.StringValue) == "":
		return queue.Invalid("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, base)
	case base == typeNumber && !numberForm.MatchString(*v.StringValue):
		return queue.Invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
	case base == typeString && !isText(*v.StringValue), !isText(full):
		return queue.Invalid(badText)
	}
	return nil
}

const badText = "Invalid binary character was found in the message body, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

// CheckBody checks what a body consists of.
func CheckBody(body string) error {
	if !isText(body) {
		return api.ErrInvalidMessageContents("Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	return nil
}

// isText says that s has the characters only that XML 1.0 has
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
func isText(s string) bool {
	for i, r := range s {
		switch {
		case r >= 0x20 && r < 0xfffd, r == '\t', r == '\n', r == '\r', r >= 0x10000:
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Bytes is how long a message counts as.
func Bytes(body string, all Attributes) int {
	n := len(body)
	for name, v := range all {
		n += len(name) + len(text(v.DataType)) + len(text(v.StringValue)) + len(v.BinaryValue)
	}
	return n
}

// Digest is the MD5 of a body.
func Digest(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// Transport types of values in the digest of attributes.
const (
	transportString = 1
	transportBinary = 2
)

// AttributesDigest is the MD5 that clients compare
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation);
// empty for no attributes.
func AttributesDigest(all Attributes) string {
	if len(all) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		part(h, name)
		part(h, text(v.DataType))
		if base, _, _ := strings.Cut(text(v.DataType), "."); base == typeBinary {
			_, _ = h.Write([]byte{transportBinary}) // a hash never fails
			part(h, string(v.BinaryValue))
			continue
		}
		_, _ = h.Write([]byte{transportString})
		part(h, text(v.StringValue))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// part hashes a text with its length.
func part(h hash.Hash, s string) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(s)))
	_, _ = h.Write(size[:])
	_, _ = h.Write([]byte(s))
}

// Pick gives the attributes that a request names: "All", ".*", "prefix.*", or a
// name.
func Pick(all Attributes, names []string) Attributes {
	var out Attributes
	for name, v := range all {
		wanted := slices.ContainsFunc(names, func(n string) bool {
			prefix, many := strings.CutSuffix(n, "*")
			return n == "All" || n == name || many && strings.HasPrefix(name, strings.TrimPrefix(prefix, "."))
		})
		if !wanted {
			continue
		}
		if out == nil {
			out = Attributes{}
		}
		out[name] = v
	}
	return out
}
