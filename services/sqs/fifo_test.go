package sqs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sqs"
)

func (h *harness) fifo(name string, more map[string]string) *string {
	h.t.Helper()
	set := map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}
	for k, v := range more {
		set[k] = v
	}
	return h.create(name+".fifo", set)
}

func (h *harness) sendTo(url *string, group, body string) *api.SendMessageOutput {
	h.t.Helper()
	return must(h.t, h.call(), api.SendMessage, &api.SendMessageInput{QueueUrl: url, MessageBody: &body, MessageGroupId: &group})
}

func (h *harness) take(url *string, n int32) []api.Message {
	h.t.Helper()
	return must(h.t, h.call(), api.ReceiveMessage, &api.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: &n, MessageSystemAttributeNames: []string{"All"}}).Messages
}

func TestFifoGroups(t *testing.T) {
	h := newHarness(t)
	url := h.fifo("q", nil)
	var last string
	for _, m := range []string{"a1", "b1", "a2", "b2", "a3"} {
		if out := h.sendTo(url, m[:1], m); *out.SequenceNumber <= last || len(*out.SequenceNumber) != 20 {
			t.Errorf("%s after %s", *out.SequenceNumber, last)
		} else {
			last = *out.SequenceNumber
		}
	}
	got := h.take(url, 2)
	if d := cmp.Diff([]string{"a1", "a2"}, bodies(got)); d != "" {
		t.Fatal(d)
	}
	if d := cmp.Diff("a", got[0].Attributes["MessageGroupId"]); d != "" {
		t.Error(d)
	}
	other := h.take(url, 10)
	if d := cmp.Diff([]string{"b1", "b2"}, bodies(other)); d != "" {
		t.Fatal(d)
	}
	if n := h.counts(url); n != [3]string{"1", "4", "0"} {
		t.Errorf("%v", n)
	}
	h.remove(url, got[0])
	if again := h.take(url, 10); len(again) != 0 {
		t.Errorf("received while a2 is in flight: %v", bodies(again))
	}
	h.remove(url, got[1])
	if d := cmp.Diff([]string{"a3"}, bodies(h.take(url, 10))); d != "" {
		t.Error(d)
	}
	h.clk.Advance(30 * time.Second)
	if d := cmp.Diff([]string{"a3", "b1", "b2"}, bodies(h.take(url, 10))); d != "" {
		t.Error(d)
	}
	fails(t, h.call(), api.DeleteMessage, &api.DeleteMessageInput{QueueUrl: url, ReceiptHandle: other[0].ReceiptHandle},
		"InvalidParameterValue", "Value "+*other[0].ReceiptHandle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
	h.remove(url, got[0]) // which is gone
}

func TestFifoVisibility(t *testing.T) {
	h := newHarness(t)
	url := h.fifo("q", nil)
	for _, m := range []string{"1", "2", "3"} {
		h.sendTo(url, "g", m)
	}
	got := h.take(url, 3)
	change := func(m api.Message, seconds int32) {
		t.Helper()
		must(t, h.call(), api.ChangeMessageVisibility, &api.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: &seconds})
	}
	change(got[0], 0)
	change(got[1], 100)
	h.clk.Advance(50 * time.Second)
	if again := h.take(url, 3); len(again) != 0 {
		t.Errorf("received while one is in flight: %v", bodies(again))
	}
	h.clk.Advance(50 * time.Second)
	if d := cmp.Diff([]string{"1", "2", "3"}, bodies(h.take(url, 3))); d != "" {
		t.Error(d)
	}
	fails(t, h.call(), api.ChangeMessageVisibility, &api.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: new(int32(1))}, "InvalidParameterValue", "")
}

func TestDeduplication(t *testing.T) {
	h := newHarness(t)
	for _, tt := range []struct {
		name   string
		set    map[string]string
		second string // group of the second message
		want   int
	}{
		{"queue", nil, "b", 1},
		{"group", map[string]string{"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}, "b", 2},
		{"same", map[string]string{"DeduplicationScope": "messageGroup"}, "a", 1},
	} {
		url := h.fifo(tt.name, tt.set)
		one := h.sendTo(url, "a", "same")
		two := h.sendTo(url, tt.second, "same")
		if tt.want == 1 && (*one.MessageId != *two.MessageId || *one.SequenceNumber != *two.SequenceNumber) {
			t.Errorf("%s: the second is %s, %s", tt.name, *two.MessageId, *two.SequenceNumber)
		}
		got := h.take(url, 10)
		if len(got) != tt.want {
			t.Errorf("%s: %d messages, want %d", tt.name, len(got), tt.want)
		}
		for _, m := range got {
			h.remove(url, m)
		}
		h.sendTo(url, "a", "same") // not even when it is gone
		h.clk.Advance(5 * time.Minute)
		if got := h.take(url, 10); len(got) != 0 {
			t.Errorf("%s: %v", tt.name, bodies(got))
		}
		h.sendTo(url, "a", "same")
		if got := h.take(url, 10); len(got) != 1 {
			t.Errorf("%s: %v after five minutes", tt.name, bodies(got))
		}
	}
}

func TestFifoAttempt(t *testing.T) {
	h := newHarness(t)
	url := h.fifo("q", nil)
	for _, m := range []string{"1", "2", "3"} {
		h.sendTo(url, "g", m)
	}
	in := &api.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: new(int32(2)), ReceiveRequestAttemptId: new("try")}
	one := must(t, h.call(), api.ReceiveMessage, in).Messages
	h.clk.Advance(20 * time.Second)
	two := must(t, h.call(), api.ReceiveMessage, in).Messages
	if d := cmp.Diff(one, two); d != "" || len(one) != 2 {
		t.Error(d)
	}
	h.clk.Advance(20 * time.Second) // hidden anew at the second
	h.remove(url, two[0])
	if three := must(t, h.call(), api.ReceiveMessage, in).Messages; len(three) != 0 {
		t.Errorf("%v", bodies(three))
	}
}

func TestFifoDeadLettersAndExpiry(t *testing.T) {
	h := newHarness(t)
	dead := h.fifo("dead", nil)
	url := h.fifo("q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","maxReceiveCount":1}`, "VisibilityTimeout": "1", "MessageRetentionPeriod": "60"})
	for _, m := range []string{"1", "2", "3"} {
		h.sendTo(url, "g", m)
	}
	if got := h.take(url, 2); len(got) != 2 {
		t.Fatal(bodies(got))
	}
	h.clk.Advance(time.Second)
	if d := cmp.Diff([]string{"3"}, bodies(h.take(url, 10))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"1", "2"}, bodies(h.take(dead, 10))); d != "" {
		t.Error(d)
	}
	h.sendTo(url, "old", "4")
	h.clk.Advance(time.Minute)
	h.sendTo(url, "old", "5")
	if d := cmp.Diff([]string{"5"}, bodies(h.take(url, 10))); d != "" {
		t.Error(d)
	}
}

func TestFifoDelay(t *testing.T) {
	h := newHarness(t)
	url := h.fifo("q", map[string]string{"DelaySeconds": "10"})
	h.sendTo(url, "g", "1")
	h.clk.Advance(5 * time.Second)
	h.sendTo(url, "g", "2")
	if n := h.counts(url); n != [3]string{"0", "0", "2"} {
		t.Errorf("%v", n)
	}
	late := h.wait(t.Context(), url, 20)
	h.asleep(2)
	h.clk.Advance(5 * time.Second)
	if d := cmp.Diff([]string{"1"}, <-late); d != "" {
		t.Error(d)
	}
	must(t, h.call(), api.SetQueueAttributes, &api.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "0"}})
	h.clk.Advance(30 * time.Second)
	if d := cmp.Diff([]string{"1", "2"}, bodies(h.take(url, 10))); d != "" {
		t.Error(d)
	}
}
