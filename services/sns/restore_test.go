package sns

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/engine/sched"
)

// confirmed subscribes a web server and confirms it.
func (h *harness) confirmed(t *testing.T, arn string, web *server) (sub string) {
	t.Helper()
	sub = *must(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("http"), Endpoint: new(web.URL), ReturnSubscriptionArn: new(true)}).SubscriptionArn
	if code, text := h.link(t, take(t, web.got).json(t)["SubscribeURL"]); code != 200 {
		t.Fatal(code, text)
	}
	return sub
}

// restoring ends a subscription by its link, and gives the link that brings it back.
func (h *harness) restoring(t *testing.T, arn string, web *server) string {
	t.Helper()
	h.publish(arn, "m")
	if code, _ := h.link(t, take(t, web.got).json(t)["UnsubscribeURL"]); code != 200 {
		t.Fatal(code)
	}
	return take(t, web.got).json(t)["SubscribeURL"]
}

// A link that brings a subscription back does so once: not after the topic's owner
// has ended it.
func TestRestoringOnce(t *testing.T) {
	h, web := newHarness(t), newServer(t)
	arn := h.topic("t")
	sub := h.confirmed(t, arn, web)
	link := h.restoring(t, arn, web)
	for range 2 { // whoever follows a link twice is told the same
		if code, text := h.link(t, link); code != 200 || !strings.Contains(text, sub) {
			t.Fatal(code, text)
		}
	}
	must(t, h.call(), api.Unsubscribe, &api.UnsubscribeInput{SubscriptionArn: &sub})
	if code, _ := h.link(t, link); code != 400 {
		t.Errorf("the link answered %d", code)
	}
	fails(t, h.call(), api.GetSubscriptionAttributes, &api.GetSubscriptionAttributesInput{SubscriptionArn: &sub}, "NotFound", "Subscription does not exist")
}

// Nor does it subscribe to another topic of the same name.
func TestRestoringToAnotherTopic(t *testing.T) {
	h, web := newHarness(t), newServer(t)
	arn := h.topic("t")
	h.confirmed(t, arn, web)
	link := h.restoring(t, arn, web)
	must(t, h.call(), api.DeleteTopic, &api.DeleteTopicInput{TopicArn: &arn})
	h.topic("t")
	if code, _ := h.link(t, link); code != 400 {
		t.Errorf("the link answered %d", code)
	}
	if out := must(t, h.call(), api.ListSubscriptionsByTopic, &api.ListSubscriptionsByTopicInput{TopicArn: &arn}); len(out.Subscriptions) != 0 {
		t.Errorf("%v", out.Subscriptions)
	}
}

// Tokens do not stay when their time is over.
func TestTokensEnd(t *testing.T) {
	h, web := newHarness(t), newServer(t)
	arn := h.topic("t")
	in := &api.SubscribeInput{TopicArn: &arn, Protocol: new("http"), Endpoint: new(web.URL)}
	for range 3 { // each asks again
		must(t, h.call(), api.Subscribe, in)
		take(t, web.got)
	}
	tokens := func() (n int) {
		err := h.s.store.db.Each(context.Background(), kv.Prefix(tuple.Key(account, region, "c")), func(kv.Item) (bool, error) {
			n++
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := tokens(); n != 3 {
		t.Fatalf("%d tokens", n)
	}
	h.clk.Advance(confirmationLife + time.Minute)
	until(t, "the tokens are gone", func() bool { return tokens() == 0 })
}

// What is queued at once stays within what the store takes in one batch, however
// large the messages are.
func TestHandingOverLargeMessages(t *testing.T) {
	h := newHarness(t)
	jobs := make([]sched.Job, handOverMax)
	for i := range jobs {
		jobs[i] = sched.Job{Kind: deadKind, Key: fmt.Sprint(i), RunAt: h.clk.Now().Add(time.Hour), Payload: make([]byte, 1600<<10)}
	}
	if err := h.s.handOver(context.Background(), jobs); err != nil {
		t.Error(err)
	}
}
