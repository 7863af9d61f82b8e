package sqs

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sqs"
)

// runJobs carries durable jobs out until the test ends.
func (h *harness) runJobs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.s.deps.Sched.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// task waits for the state of the newest task, moving the clock on meanwhile.
func (h *harness) task(source, want string) api.ListMessageMoveTasksResultEntry {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		out := must(h.t, h.call(), api.ListMessageMoveTasks, &api.ListMessageMoveTasksInput{SourceArn: &source})
		if len(out.Results) == 1 && *out.Results[0].Status == want {
			return out.Results[0]
		}
		if time.Now().After(end) {
			h.t.Fatalf("task is %+v, want %s", out.Results, want)
		}
		h.clk.Advance(100 * time.Millisecond)
	}
}

const arnOf = "arn:aws:sqs:us-east-1:000000000000:"

// letters makes a queue and its dead-letter queue with n letters.
func (h *harness) letters(suffix string, n int) (url, dead *string) {
	h.t.Helper()
	set := func(more map[string]string) map[string]string {
		if suffix != "" {
			more["FifoQueue"], more["ContentBasedDeduplication"] = "true", "true"
		}
		return more
	}
	dead = h.create("dead"+suffix, set(map[string]string{}))
	url = h.create("jobs"+suffix, set(map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arnOf + "dead" + suffix + `","maxReceiveCount":"1"}`, "VisibilityTimeout": "1"}))
	for i := range n {
		body := string(rune('a' + i))
		in := &api.SendMessageInput{QueueUrl: url, MessageBody: &body}
		if suffix != "" {
			in.MessageGroupId = new("g")
		}
		must(h.t, h.call(), api.SendMessage, in)
	}
	for range (n + 9) / 10 {
		h.receive(url)
		h.clk.Advance(time.Second)
	}
	if got := h.receive(url); len(got) != 0 {
		h.t.Fatalf("%v", bodies(got))
	}
	return url, dead
}

func TestMoveTask(t *testing.T) {
	for _, suffix := range []string{"", ".fifo"} {
		h := newHarness(t)
		url, dead := h.letters(suffix, 7)
		source := arnOf + "dead" + suffix
		fails(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: new(arnOf + "jobs" + suffix)}, "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
		out := must(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: &source, MaxNumberOfMessagesPerSecond: new(int32(5))})
		fails(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: &source}, "InvalidParameterValue", "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		h.runJobs(t)
		done := h.task(source, "COMPLETED")
		if *done.ApproximateNumberOfMessagesMoved != 7 || *done.ApproximateNumberOfMessagesToMove != 7 || done.TaskHandle != nil {
			t.Errorf("%+v", done)
		}
		got := h.receive(url)
		if d := cmp.Diff([]string{"a", "b", "c", "d", "e", "f", "g"}, bodies(got)); d != "" {
			t.Error(d)
		}
		if len(got) > 0 && got[0].Attributes["ApproximateReceiveCount"] != "1" {
			t.Errorf("%v", got[0].Attributes)
		}
		if left := h.receive(dead); len(left) != 0 {
			t.Errorf("left: %v", bodies(left))
		}
		fails(t, h.call(), api.CancelMessageMoveTask, &api.CancelMessageMoveTaskInput{TaskHandle: out.TaskHandle}, "InvalidParameterValue", "")
		fails(t, h.call(), api.CancelMessageMoveTask, &api.CancelMessageMoveTaskInput{TaskHandle: new("x")}, "InvalidParameterValue", "Value for parameter TaskHandle is invalid.")
	}
}

func TestMoveTaskElsewhereCancelledFailed(t *testing.T) {
	h := newHarness(t)
	_, dead := h.letters("", 3)
	source := arnOf + "dead"
	other := h.create("other", nil)
	fails(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: &source, DestinationArn: new(arnOf + "none")}, "ResourceNotFoundException", "The resource that you specified for the DestinationArn parameter doesn't exist.")
	out := must(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: &source, DestinationArn: new(arnOf + "other")})
	must(t, h.call(), api.CancelMessageMoveTask, &api.CancelMessageMoveTaskInput{TaskHandle: out.TaskHandle})
	h.runJobs(t)
	h.task(source, "CANCELLED")
	must(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: &source, DestinationArn: new(arnOf + "other")})
	h.task(source, "COMPLETED")
	if got := h.receive(other); len(got) != 3 {
		t.Errorf("%v", bodies(got))
	}
	h.send(dead, "sent here")
	must(t, h.call(), api.StartMessageMoveTask, &api.StartMessageMoveTaskInput{SourceArn: &source})
	if f := h.task(source, "FAILED"); *f.FailureReason != "CouldNotDetermineMessageSource" {
		t.Errorf("%+v", f)
	}
	if got := h.receive(dead); len(got) != 1 {
		t.Errorf("%v", bodies(got))
	}
}
