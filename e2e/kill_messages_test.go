package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// messageBytes is the size of the messages that are to survive.
const messageBytes = 500

// goneBody is what the message says that is deleted before.
const goneBody = "gone"

// messages are the kind of a queue's messages. A write makes a queue, sends a
// message, receives it and deletes it, and sends another: that one is to be there,
// and the first is not.
func messages(name, suffix string) *kind {
	return &kind{
		name: name, service: "sqs", operation: "SendMessage",
		prepare: func(context.Context, *client) error { return nil },
		write: func(ctx context.Context, c *client, name string, number int) (answer, error) {
			return sendMessage(ctx, c, name+suffix, content(name, number, messageBytes))
		},
		check: func(ctx context.Context, c *client, name string, allowed []int) error {
			return checkMessage(ctx, c, name, suffix, allowed)
		},
	}
}

func sqsCall(ctx context.Context, c *client, operation string, in map[string]any, out any) (answer, error) {
	return c.target(ctx, "sqs", "AmazonSQS."+operation, in, out)
}

func queueURL(c *client, name string) string { return c.endpoint + "/000000000000/" + name }

func sendMessage(ctx context.Context, c *client, name string, body []byte) (answer, error) {
	set := map[string]string{}
	more := map[string]any{}
	if strings.HasSuffix(name, ".fifo") {
		set["FifoQueue"], set["ContentBasedDeduplication"] = "true", "true"
		more["MessageGroupId"] = "g"
	}
	url := queueURL(c, name)
	send := func(body string) (answer, error) {
		in := map[string]any{"QueueUrl": url, "MessageBody": body}
		for k, v := range more {
			in[k] = v
		}
		return sqsCall(ctx, c, "SendMessage", in, nil)
	}
	if a, err := sqsCall(ctx, c, "CreateQueue", map[string]any{"QueueName": name, "Attributes": set}, nil); err != nil || a.err() != nil {
		return a, err
	}
	if a, err := send(goneBody); err != nil || a.err() != nil {
		return a, err
	}
	var got struct {
		Messages []struct{ ReceiptHandle string }
	}
	if a, err := sqsCall(ctx, c, "ReceiveMessage", map[string]any{"QueueUrl": url}, &got); err != nil || a.err() != nil {
		return a, err
	}
	if len(got.Messages) != 1 {
		return answer{status: http.StatusInternalServerError, body: fmt.Appendf(nil, "received %d messages, want 1", len(got.Messages))}, nil
	}
	if a, err := sqsCall(ctx, c, "DeleteMessage", map[string]any{"QueueUrl": url, "ReceiptHandle": got.Messages[0].ReceiptHandle}, nil); err != nil || a.err() != nil {
		return a, err
	}
	return send(string(body))
}

func checkMessage(ctx context.Context, c *client, name, suffix string, allowed []int) error {
	var got struct{ Messages []struct{ Body string } }
	a, err := sqsCall(ctx, c, "ReceiveMessage", map[string]any{"QueueUrl": queueURL(c, name+suffix), "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}, &got)
	if err != nil {
		return err
	}
	var fault struct {
		Type string `json:"__type"`
	}
	if a.status == http.StatusBadRequest && json.Unmarshal(a.body, &fault) == nil && strings.HasSuffix(fault.Type, "#QueueDoesNotExist") {
		return errAbsent
	}
	if err := a.err(); err != nil {
		return err
	}
	for _, m := range got.Messages {
		if m.Body == goneBody {
			return fmt.Errorf("%w: there is one that was deleted, or was to be", errAbsent)
		}
	}
	if len(got.Messages) == 0 {
		return errAbsent
	}
	if len(got.Messages) > 1 {
		return fmt.Errorf("%d messages of one", len(got.Messages))
	}
	return matches([]byte(got.Messages[0].Body), name, allowed, messageBytes)
}
