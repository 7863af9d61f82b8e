package sqs

import (
	"errors"
	"net/http"
	"strings"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// invalidInput words what breaks the model's constraints, which are nothing but
// that some members must be there.
func invalidInput(op *smithy.Operation, _ any, v []smithy.Violation) error {
	path := v[0].Path
	if path == "entries" {
		return emptyBatch(op.Name)
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	return queue.Missing(strings.ToUpper(name[:1]) + name[1:])
}

func emptyBatch(operation string) error {
	return api.ErrEmptyBatchRequest("There should be at least one %sRequestEntry in the request.", operation)
}

// absent says that there is no such queue, where that is what err is.
func absent(c *service.Call, err error) error {
	if !errors.Is(err, store.ErrAbsent) {
		return err
	}
	f := fault.As(queue.Absent())
	if c.HTTP != nil && c.HTTP.Request.Header.Get("X-Amz-Target") == "" {
		f.Message = "The specified queue does not exist for this wsdl version."
	}
	return f
}

// denied words a denial as SQS does, with the action in lower case.
func denied(c *service.Call, check *service.Check) func(policy.Decision) error {
	return func(d policy.Decision) error {
		who := c.Caller.ARN
		if who == "" {
			who = c.Caller.Service
		}
		f := fault.New("AccessDeniedException", http.StatusForbidden, "%s", d.Message(who, strings.ToLower(check.Action), check.Resource))
		f.Query, f.Why = "AccessDenied", d.Reason
		return f
	}
}
