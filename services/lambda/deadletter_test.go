package lambda

import (
	"context"
	"errors"
	"strings"
	"testing"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
)

const deadQueue = "arn:aws:sqs:eu-west-1:123456789012:dead"

// queue is an SQS with one queue.
func (w *world) queue(c *service.Call, in any) (any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch in := in.(type) {
	case *sqs.GetQueueAttributesInput:
		if strings.HasSuffix(*in.QueueUrl, "/123456789012/dead") {
			return &sqs.GetQueueAttributesOutput{}, nil
		}
	case *sqs.SendMessageInput:
		if w.refuse > 0 {
			w.refuse--
			return nil, errors.New("the queue is in trouble")
		}
		if c.Caller.RoleARN != goodRole {
			return nil, fault.New("AccessDenied", 403, "not the function's role")
		}
		w.letters = append(w.letters, in)
		return &sqs.SendMessageOutput{}, nil
	}
	return nil, sqs.ErrQueueDoesNotExist("The specified queue does not exist.")
}

// letter waits for the next dead letter.
func (w *world) letter() *sqs.SendMessageInput {
	w.t.Helper()
	var out *sqs.SendMessageInput
	w.await("a dead letter", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.letters) == 0 {
			return false
		}
		out, w.letters = w.letters[0], w.letters[1:]
		return true
	})
	return out
}

func TestDeadLetters(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.sched.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	made := w.node("f", `exports.handler = async (e) => { throw new Error("no " + e.n) }`, func(in *api.CreateFunctionInput) {
		in.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: new(deadQueue)}
	})
	if made.DeadLetterConfig == nil || *made.DeadLetterConfig.TargetArn != deadQueue {
		t.Errorf("made %+v", made.DeadLetterConfig)
	}
	must(w, api.PutFunctionEventInvokeConfig, &api.PutFunctionEventInvokeConfigInput{FunctionName: new("f"), MaximumRetryAttempts: new(int32(0))})
	send := func(payload, code, message string) {
		t.Helper()
		must(w, api.Invoke, &api.InvokeInput{FunctionName: new("f"), InvocationType: new("Event"), Payload: []byte(payload)})
		l := w.letter()
		if *l.MessageBody != payload || *l.MessageAttributes["ErrorCode"].StringValue != code || !strings.Contains(*l.MessageAttributes["ErrorMessage"].StringValue, message) || *l.MessageAttributes["RequestID"].StringValue == "" {
			t.Errorf("dead letter %s %+v", *l.MessageBody, l.MessageAttributes)
		}
		if trace := l.MessageSystemAttributes["AWSTraceHeader"].StringValue; trace == nil || !strings.Contains(*trace, "Lineage=1:") {
			t.Errorf("trace %v", trace)
		}
	}
	send(`{"n":1}`, "200", "no 1")
	must(w, api.PutFunctionConcurrency, &api.PutFunctionConcurrencyInput{FunctionName: new("f"), ReservedConcurrentExecutions: new(int32(0))})
	w.mu.Lock()
	w.refuse = 1 // it is sent again
	w.mu.Unlock()
	send(`{"n":2}`, "429", "reserved concurrency is zero")
	// A version keeps the queue that it was published with.
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("f")})
	changed := must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), DeadLetterConfig: &api.DeadLetterConfig{TargetArn: new("")}})
	old := must(w, api.GetFunctionConfiguration, &api.GetFunctionConfigurationInput{FunctionName: new("f"), Qualifier: new("1")})
	if changed.DeadLetterConfig != nil || old.DeadLetterConfig == nil {
		t.Errorf("$LATEST %+v, 1 %+v", changed.DeadLetterConfig, old.DeadLetterConfig)
	}
}

func TestDeadLetterRefusals(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	w.node("f", "1")
	w.denied["sqs:SendMessage"] = true
	for target, want := range map[string]string{
		deadQueue:                              "The provided execution role does not have permissions to call SendMessage on SQS",
		deadQueue + "r":                        "Error occurred while SendMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
		deadQueue + ".fifo":                    "The dead letter target " + deadQueue + ".fifo is invalid: it must be the ARN of a standard SQS queue or of a standard SNS topic.",
		"arn:aws:s3:::b":                       "The dead letter target arn:aws:s3:::b is invalid: it must be the ARN of a standard SQS queue or of a standard SNS topic.",
		"arn:aws:sns:eu-west-1:123456789012:t": "moln does not support DeadLetterConfig arn:aws:sns:eu-west-1:123456789012:t: it does not have that service",
	} {
		_, err := do(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), DeadLetterConfig: &api.DeadLetterConfig{TargetArn: &target}})
		if f := fault.As(err); f == nil || f.Code != "InvalidParameterValueException" || f.Message != want {
			t.Errorf("%s: %v", target, err)
		}
	}
}
