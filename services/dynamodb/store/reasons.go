package store

import (
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
)

// Reasons collects why items of a transaction cannot be done.
type Reasons struct {
	list   []api.CancellationReason
	Failed bool
}

// NewReasons is for a transaction of n items, none of which has failed.
func NewReasons(n int) *Reasons {
	r := &Reasons{list: make([]api.CancellationReason, n)}
	for i := range r.list {
		r.list[i].Code = new("None")
	}
	return r
}

// Add notes an item's fault; other errors are returned.
func (r *Reasons) Add(i int, err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	code := f.Code
	switch f.Code {
	case "ConditionalCheckFailedException":
		code = "ConditionalCheckFailed"
	case "DuplicateItemException":
		code = "DuplicateItem"
	case "ValidationException":
		code = "ValidationError"
	case "ProvisionedThroughputExceededException":
		code = "ProvisionedThroughputExceeded"
	case "ThrottlingException":
		code = "ThrottlingError"
	default:
		return err
	}
	r.list[i] = api.CancellationReason{Code: &code, Message: &f.Message}
	if body, ok := f.Body.(*api.ConditionalCheckFailedException); ok {
		r.list[i].Item = body.Item
	}
	r.Failed = true
	return nil
}

// Fault is the answer to a transaction that was cancelled.
func (r *Reasons) Fault() error {
	codes := make([]string, len(r.list))
	for i := range r.list {
		codes[i] = *r.list[i].Code
	}
	f := api.ErrTransactionCanceledException("Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	return f.WithBody(&api.TransactionCanceledException{Message: &f.Message, CancellationReasons: r.list})
}
