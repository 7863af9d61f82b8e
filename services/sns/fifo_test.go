package sns

import (
	"errors"
	"fmt"
	"testing"
	"time"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/fault"
)

func (h *harness) publishFIFO(topic, group, dedup, text string) *api.PublishOutput {
	h.t.Helper()
	in := &api.PublishInput{TopicArn: &topic, Message: &text, MessageGroupId: &group}
	if dedup != "" {
		in.MessageDeduplicationId = &dedup
	}
	return must(h.t, h.call(), api.Publish, in)
}

func TestFIFODeduplicates(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t.fifo", "FifoTopic", "true", "ContentBasedDeduplication", "true")
	h.subscribe(arn, "q.fifo")
	first := h.publishFIFO(arn, "g", "", "one")
	if got := *first.SequenceNumber; got != "10000000000000000001" {
		t.Error(got)
	}
	for _, group := range []string{"g", "other"} {
		if again := h.publishFIFO(arn, group, "", "one"); *again.MessageId != *first.MessageId || *again.SequenceNumber != *first.SequenceNumber {
			t.Error("a duplicate was taken for new")
		}
	}
	got := take(t, h.queued)
	body := got.body(t)
	if *got.MessageGroupId != "g" || *got.MessageDeduplicationId != contentHash("one") || body["SequenceNumber"] != *first.SequenceNumber || body["Signature"] != nil {
		t.Errorf("%+v: %v", got, body)
	}
	h.publishFIFO(arn, "g", "x", "one")
	if got := take(t, h.queued); *got.MessageDeduplicationId != "x" {
		t.Error(*got.MessageDeduplicationId)
	}
	h.clk.Advance(dedupWindow)
	if again := h.publishFIFO(arn, "g", "", "one"); *again.MessageId == *first.MessageId {
		t.Error("an id is known for longer than five minutes")
	}
	take(t, h.queued)
	none(t, h.queued)
}

func TestFIFOThroughputScope(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t.fifo", "FifoTopic", "true", "FifoThroughputScope", "MessageGroup")
	a, b, c := h.publishFIFO(arn, "a", "1", "x"), h.publishFIFO(arn, "b", "1", "x"), h.publishFIFO(arn, "a", "1", "x")
	if *a.MessageId == *b.MessageId || *a.MessageId != *c.MessageId {
		t.Error("ids are to be new in their group")
	}
}

// A message that cannot be delivered keeps those of its group waiting, for that
// subscription only.
func TestFIFOKeepsOrder(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t.fifo", "FifoTopic", "true", "ContentBasedDeduplication", "true")
	h.subscribe(arn, "slow.fifo", "RawMessageDelivery", "true")
	h.subscribe(arn, "fast.fifo", "RawMessageDelivery", "true")
	h.setQueue("slow.fifo", errors.New("busy"))
	const each = 20
	for i := range each {
		for _, group := range []string{"a", "b"} {
			h.publishFIFO(arn, group, "", fmt.Sprintf("%s%02d", group, i))
		}
	}
	next := map[string]int{}
	read := func(n int, queue string) {
		t.Helper()
		for range n {
			got := take(t, h.queued)
			key := (*got.QueueUrl)[len("https://sqs.us-east-1.amazonaws.com/000000000000/"):] + *got.MessageGroupId
			if want := fmt.Sprintf("%s%02d", *got.MessageGroupId, next[key]); *got.MessageBody != want {
				t.Fatalf("%s got %s, want %s", key, *got.MessageBody, want)
			}
			next[key]++
		}
		if next[queue+"a"] != each || next[queue+"b"] != each {
			t.Fatalf("%v", next)
		}
	}
	read(2*each, "fast.fifo")
	h.setQueue("slow.fifo", nil)
	for len(h.queued) == 0 {
		h.clk.Advance(time.Second)
		time.Sleep(time.Millisecond)
	}
	read(2*each, "slow.fifo")
	none(t, h.queued)
}

func TestFIFODeadLetters(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t.fifo", "FifoTopic", "true", "ContentBasedDeduplication", "true")
	h.subscribe(arn, "gone.fifo", "RedrivePolicy", `{"deadLetterTargetArn":"`+queueOf("dead.fifo")+`"}`)
	h.setQueue("gone.fifo", fault.New("AWS.SimpleQueueService.NonExistentQueue", 400, "no such queue"))
	for i := range 3 {
		h.publishFIFO(arn, "g", "", fmt.Sprint(i))
	}
	seen := map[string]bool{}
	for range 3 {
		got := take(t, h.queued)
		if *got.MessageGroupId != "g" || got.MessageDeduplicationId == nil {
			t.Errorf("%+v", got)
		}
		seen[got.body(t)["Message"].(string)] = true
	}
	if len(seen) != 3 {
		t.Error(seen)
	}
}

func TestFIFORules(t *testing.T) {
	h := newHarness(t)
	fifo, standard := h.topic("t.fifo", "FifoTopic", "true"), h.topic("t")
	for _, c := range []struct {
		in      api.PublishInput
		message string
	}{
		{api.PublishInput{TopicArn: &fifo}, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"},
		{api.PublishInput{TopicArn: &fifo, MessageGroupId: new("g")}, "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		{api.PublishInput{TopicArn: &fifo, MessageGroupId: new("g g"), MessageDeduplicationId: new("d")}, "Invalid parameter: MessageGroupId"},
		{api.PublishInput{TopicArn: &standard, MessageDeduplicationId: new("d")}, "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"},
	} {
		c.in.Message = new("x")
		fails(t, h.call(), api.Publish, &c.in, "InvalidParameter", c.message)
	}
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &standard, Protocol: new("sqs"), Endpoint: new(queueOf("q.fifo"))},
		"InvalidParameter", "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &fifo, Protocol: new("email"), Endpoint: new("a@example.com")}, "InvalidParameter", "")
	fails(t, h.call(), api.Subscribe, &api.SubscribeInput{
		TopicArn: &fifo, Protocol: new("sqs"), Endpoint: new(queueOf("q.fifo")), Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + queueOf("dead") + `"}`},
	}, "InvalidParameter", "Invalid parameter: Attributes Reason: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
	sub := h.subscribe(fifo, "q.fifo")
	fails(t, h.call(), api.SetSubscriptionAttributes, &api.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: new("RedrivePolicy"), AttributeValue: new(`{"deadLetterTargetArn":"` + queueOf("dead") + `"}`)},
		"InvalidParameter", "Invalid parameter: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
	// A standard queue may take what a FIFO topic gets.
	h.subscribe(fifo, "q")
	h.publishFIFO(fifo, "g", "d", "x")
	for range 2 {
		got := take(t, h.queued)
		if fifoQueue := (*got.QueueUrl)[len(*got.QueueUrl)-5:] == ".fifo"; fifoQueue != (got.MessageDeduplicationId != nil) {
			t.Errorf("%+v", got)
		}
	}
}
