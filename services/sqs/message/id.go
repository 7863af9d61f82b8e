package message

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"moln.dev/moln/services/sqs/queue"
)

// Ids of groups, of deduplication, and of attempts have 1 to 128 letters, digits
// and marks (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
var idForm = regexp.MustCompile("^[0-9A-Za-z!\"#$%&'()*+,./:;<=>?@\\[\\\\\\]^_`{|}~-]{1,128}$")

// CheckID checks such an id; parameter is its name.
func CheckID(parameter, id string) error {
	if idForm.MatchString(id) {
		return nil
	}
	return queue.Invalid("Value %s for parameter %s is invalid. Reason: %s can only include alphanumeric and punctuation characters. 1 to 128 in length.", id, parameter, parameter)
}

// ContentID is the deduplication id that a body makes.
func ContentID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}
