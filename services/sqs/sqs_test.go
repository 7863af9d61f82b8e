package sqs

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/platform/identity"
)

func TestTableListsEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range newHarness(t).s.Definition().Operations {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, d := range api.Operations() {
		if _, o := d.Of(); seen[o.Name] != 1 {
			t.Errorf("%s is listed %d times", o.Name, seen[o.Name])
		}
	}
}

func TestMessageLife(t *testing.T) {
	h := newHarness(t)
	url := h.create("jobs", nil)
	if *url != endpoint+"/"+account+"/jobs" {
		t.Errorf("%s", *url)
	}
	for _, body := range []string{"a", "b", "c"} {
		h.send(url, body)
	}
	if n := h.counts(url); n != [3]string{"3", "0", "0"} {
		t.Errorf("%v", n)
	}
	got := h.receive(url)
	if d := cmp.Diff([]string{"a", "b", "c"}, bodies(got)); d != "" {
		t.Fatal(d)
	}
	if a := got[0].Attributes; a["ApproximateReceiveCount"] != "1" || a["SentTimestamp"] != "1774008000000" || a["SenderId"] != account {
		t.Errorf("%v", a)
	}
	if n := h.counts(url); n != [3]string{"0", "3", "0"} {
		t.Errorf("%v", n)
	}
	if again := h.receive(url); len(again) != 0 {
		t.Errorf("received while in flight: %v", bodies(again))
	}
	h.remove(url, got[0])
	h.clk.Advance(30 * time.Second)
	again := h.receive(url)
	if d := cmp.Diff([]string{"b", "c"}, bodies(again)); d != "" {
		t.Fatal(d)
	}
	h.remove(url, got[1]) // a receipt that is none any more
	h.clk.Advance(30 * time.Second)
	if got := h.receive(url); len(got) != 2 || got[0].Attributes["ApproximateReceiveCount"] != "3" {
		t.Errorf("%v", got)
	}
}

func TestRetention(t *testing.T) {
	h := newHarness(t)
	url := h.create("short", map[string]string{"MessageRetentionPeriod": "60"})
	h.send(url, "old")
	h.clk.Advance(59 * time.Second)
	h.send(url, "new")
	h.clk.Advance(time.Second)
	if d := cmp.Diff([]string{"new"}, bodies(h.receive(url))); d != "" {
		t.Error(d)
	}
}

func TestDelay(t *testing.T) {
	h := newHarness(t)
	url := h.create("later", map[string]string{"DelaySeconds": "5"})
	h.send(url, "five")
	must(t, h.call(), api.SendMessage, &api.SendMessageInput{QueueUrl: url, MessageBody: new("none"), DelaySeconds: new(int32(0))})
	if n := h.counts(url); n != [3]string{"1", "0", "1"} {
		t.Errorf("%v", n)
	}
	if d := cmp.Diff([]string{"none"}, bodies(h.receive(url))); d != "" {
		t.Error(d)
	}
	h.clk.Advance(5 * time.Second)
	if d := cmp.Diff([]string{"five"}, bodies(h.receive(url))); d != "" {
		t.Error(d)
	}
}

func TestDeadLetters(t *testing.T) {
	h := newHarness(t)
	dead := h.create("dead", nil)
	url := h.create("jobs", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"1"}`, "VisibilityTimeout": "1"})
	h.send(url, "bad")
	if len(h.receive(url)) != 1 {
		t.Fatal("nothing received")
	}
	h.clk.Advance(time.Second)
	if got := h.receive(url); len(got) != 0 {
		t.Errorf("%v", bodies(got))
	}
	got := h.receive(dead)
	if len(got) != 1 || got[0].Attributes["ApproximateReceiveCount"] != "2" || got[0].Attributes["DeadLetterQueueSourceArn"] != "arn:aws:sqs:us-east-1:000000000000:jobs" {
		t.Errorf("%v", got)
	}
	out := must(t, h.call(), api.ListDeadLetterSourceQueues, &api.ListDeadLetterSourceQueuesInput{QueueUrl: dead})
	if d := cmp.Diff([]string{*url}, out.QueueUrls); d != "" {
		t.Error(d)
	}
}

// wait is a request that waits for a message, and its answer.
func (h *harness) wait(ctx context.Context, url *string, seconds int32) <-chan []string {
	out := make(chan []string, 1)
	c := h.call()
	go func() {
		got, err := h.s.receiveMessage(ctx, c, &api.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: &seconds})
		if err != nil {
			out <- []string{err.Error()}
			return
		}
		out <- bodies(got.Messages)
	}()
	return out
}

// asleep waits until n timers are set.
func (h *harness) asleep(n int) {
	h.t.Helper()
	for end := time.Now().Add(5 * time.Second); h.clk.Timers() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("%d timers are set, want %d", h.clk.Timers(), n)
		}
	}
}

func TestLongPolling(t *testing.T) {
	h := newHarness(t)
	url := h.create("jobs", nil)
	one, two := h.wait(t.Context(), url, 20), h.wait(t.Context(), url, 20)
	h.asleep(2)
	h.send(url, "a")
	h.send(url, "b")
	if got := append(<-one, <-two...); len(got) != 2 || got[0] == got[1] {
		t.Errorf("%v", got)
	}
	late := h.wait(t.Context(), url, 20)
	h.asleep(1)
	must(t, h.call(), api.SendMessage, &api.SendMessageInput{QueueUrl: url, MessageBody: new("delayed"), DelaySeconds: new(int32(10))})
	h.asleep(2)
	h.clk.Advance(10 * time.Second)
	if d := cmp.Diff([]string{"delayed"}, <-late); d != "" {
		t.Error(d)
	}
	empty := h.wait(t.Context(), url, 1)
	h.asleep(1)
	h.clk.Advance(time.Second)
	if got := <-empty; len(got) != 0 {
		t.Errorf("%v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := h.wait(ctx, url, 20)
	h.asleep(1)
	cancel()
	if d := cmp.Diff([]string{"context canceled"}, <-gone); d != "" {
		t.Error(d)
	}
}

func TestPolicy(t *testing.T) {
	h := newHarness(t)
	url := h.create("jobs", map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},
		"Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:jobs","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:000000000000:t"}}}]}`})
	in := &api.SendMessageInput{QueueUrl: url, MessageBody: new("x")}
	must(t, h.call().As(identity.Service("sns.amazonaws.com", account, "arn:aws:sns:us-east-1:000000000000:t")), api.SendMessage, in)
	fails(t, h.call().As(identity.Service("sns.amazonaws.com", account, "arn:aws:sns:us-east-1:000000000000:other")), api.SendMessage, in, "AccessDenied",
		"User: sns.amazonaws.com is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:us-east-1:000000000000:jobs because no resource-based policy allows the sqs:sendmessage action")
}
