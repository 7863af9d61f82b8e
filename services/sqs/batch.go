package sqs

import (
	"regexp"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
)

// Batches have up to 10 entries
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
const batchMax = 10

var entryForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch checks the ids of a batch's entries.
func checkBatch(operation string, ids []*string) error {
	if len(ids) == 0 {
		return emptyBatch(operation)
	}
	if len(ids) > batchMax {
		return api.ErrTooManyEntriesInBatchRequest("Maximum number of entries per request are %d. You have sent %d.", batchMax, len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !entryForm.MatchString(*id) {
			return api.ErrInvalidBatchEntryId("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[*id] {
			return api.ErrBatchEntryIdsNotDistinct("Id %s repeated.", *id)
		}
		seen[*id] = true
	}
	return nil
}

// failed is a batch's entry that could not be carried out.
func failed(id *string, f *fault.Fault) api.BatchResultErrorEntry {
	code := f.Code
	if f.Query != "" {
		code = f.Query
	}
	return api.BatchResultErrorEntry{Id: id, Code: &code, Message: &f.Message, SenderFault: &f.Sender}
}
