package target

import (
	"context"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// fifoSuffix ends the names of queues and topics that keep order.
const fifoSuffix = ".fifo"

// FIFO says that the target is a queue or a topic that keeps order: Lambda sends
// to none of these.
//
// Source: "Retaining records of asynchronous invocations".
func (t Target) FIFO() bool {
	return (t.Kind == Queue || t.Kind == Topic) && strings.HasSuffix(t.at.Resource, fifoSuffix)
}

// TakesDeadLetters says that a function's DeadLetterConfig may name the target.
func (t Target) TakesDeadLetters() bool { return (t.Kind == Queue || t.Kind == Topic) && !t.FIFO() }

// CheckDeadLetters says why dead letters cannot be sent to the target, as Check
// does for records and in AWS's words for DeadLetterConfig.
func (t Target) CheckDeadLetters(ctx context.Context, owner *service.Call, role func() (*service.Call, error)) error {
	operation, name := actions[t.Kind].operation, strings.ToUpper(string(t.Kind))
	own, absent, err := t.exists(ctx, owner)
	switch f := fault.As(err); {
	case absent:
		return fn.Unsupported("DeadLetterConfig %s: it does not have that service", t.ARN)
	case f != nil:
		code := f.Code
		if t.Kind == Queue && strings.Contains(code, "DoesNotExist") {
			code = "AWS.SimpleQueueService.NonExistentQueue" // as SQS's own clients see it
		}
		return fn.Invalid("Error occurred while %s. %s Error Code: %s. %s Error Message: %s", operation, name, code, name, f.Message)
	case err != nil:
		return err
	}
	c, err := role()
	if err != nil {
		return err
	}
	err = t.allowed(ctx, c, own)
	if fn.IsFault(err) {
		return fn.Invalid("The provided execution role does not have permissions to call %s on %s", operation, name)
	}
	return err
}
