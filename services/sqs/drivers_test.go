package sqs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/kv/open"
	"moln.dev/moln/engine/kv/pgkv/pgtest"
)

// drivers are the stores that queues are kept in.
func drivers() map[string]func(t testing.TB) *kv.DB {
	opened := func(t testing.TB, url string) *kv.DB {
		t.Helper()
		db, err := open.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	return map[string]func(t testing.TB) *kv.DB{
		"memory":   func(testing.TB) *kv.DB { return kv.New(memkv.New()) },
		"pebble":   func(t testing.TB) *kv.DB { return opened(t, "pebble:"+t.TempDir()) },
		"postgres": func(t testing.TB) *kv.DB { return opened(t, pgtest.Start(t)) },
	}
}

func onEach(t *testing.T, test func(t *testing.T, h *harness)) {
	for _, name := range slices.Sorted(maps.Keys(drivers())) {
		t.Run(name, func(t *testing.T) { test(t, newHarnessOn(t, drivers()[name](t))) })
	}
}

// Many who receive at once get each message once, whatever the store.
func TestReceivedOnce(t *testing.T) {
	const messages, receivers = 60, 6
	onEach(t, func(t *testing.T, h *harness) {
		for _, suffix := range []string{"", ".fifo"} {
			url := h.create("jobs"+suffix, map[bool]map[string]string{true: {"FifoQueue": "true"}}[suffix != ""])
			var want []string
			for i := 0; i < messages; i += 10 {
				in := &api.SendMessageBatchInput{QueueUrl: url}
				for n := range 10 {
					e := api.SendMessageBatchRequestEntry{Id: new(fmt.Sprint(n)), MessageBody: new(fmt.Sprintf("%03d", i+n))}
					if suffix != "" {
						e.MessageGroupId, e.MessageDeduplicationId = new(fmt.Sprint(n%4)), e.MessageBody
					}
					want = append(want, *e.MessageBody)
					in.Entries = append(in.Entries, e)
				}
				if out := must(t, h.call(), api.SendMessageBatch, in); len(out.Failed) > 0 {
					t.Fatalf("%+v", out.Failed)
				}
			}
			got := h.drain(url, receivers, messages)
			inOrder := slices.Clone(got)
			slices.Sort(got)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("queue%s: %s", suffix, d)
			}
			if suffix != "" && !groupsInOrder(inOrder) {
				t.Errorf("out of order: %v", inOrder)
			}
			if n := h.counts(url); n != [3]string{"0", "0", "0"} {
				t.Errorf("queue%s: %v are left", suffix, n)
			}
		}
	})
}

// drain receives and deletes with several at once until all have come.
func (h *harness) drain(url *string, receivers, messages int) []string {
	var mu sync.Mutex
	var got []string
	var all sync.WaitGroup
	deadline := time.Now().Add(8 * time.Second)
	for range receivers {
		all.Go(func() {
			for time.Now().Before(deadline) {
				out, err := do(h.call(), api.ReceiveMessage, &api.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: new(int32(3))})
				if err != nil {
					h.t.Error(err)
					return
				}
				in := &api.DeleteMessageBatchInput{QueueUrl: url}
				mu.Lock()
				for i, m := range out.Messages {
					got = append(got, *m.Body)
					in.Entries = append(in.Entries, api.DeleteMessageBatchRequestEntry{Id: new(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
				}
				done := len(got) >= messages
				mu.Unlock()
				if len(in.Entries) > 0 {
					if out, err := do(h.call(), api.DeleteMessageBatch, in); err != nil || len(out.Failed) > 0 {
						h.t.Errorf("%v %+v", err, out)
						return
					}
				}
				if done {
					return
				}
			}
		})
	}
	all.Wait()
	return got
}

// groupsInOrder says that the messages of each group, which are numbered, came in
// their order.
func groupsInOrder(bodies []string) bool {
	last := map[byte]string{}
	for _, b := range bodies {
		group := (b[len(b)-1] - '0') % 4
		if strings.Compare(b, last[group]) <= 0 {
			return false
		}
		last[group] = b
	}
	return true
}

// The life of messages is the same in every store.
func TestLifeOnEachStore(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		url := h.create("jobs", map[string]string{"MessageRetentionPeriod": "60"})
		h.send(url, "a")
		must(t, h.call(), api.SendMessage, &api.SendMessageInput{QueueUrl: url, MessageBody: new("b"), DelaySeconds: new(int32(5))})
		got := h.receive(url)
		if d := cmp.Diff([]string{"a"}, bodies(got)); d != "" {
			t.Fatal(d)
		}
		must(t, h.call(), api.ChangeMessageVisibility, &api.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: new(int32(5))})
		if n := h.counts(url); n != [3]string{"0", "1", "1"} {
			t.Errorf("%v", n)
		}
		late := h.wait(t.Context(), url, 20)
		h.asleep(2)
		h.clk.Advance(5 * time.Second)
		if got := <-late; len(got) != 1 {
			t.Errorf("%v", got)
		}
		h.clk.Advance(55 * time.Second)
		if err := h.s.tendOnce(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := h.counts(url); n != [3]string{"0", "0", "0"} {
			t.Errorf("%v", n)
		}
		h.send(url, "c")
		must(t, h.call(), api.PurgeQueue, &api.PurgeQueueInput{QueueUrl: url})
		if got := h.receive(url); len(got) != 0 {
			t.Errorf("%v", bodies(got))
		}
		h.send(url, "d")
		must(t, h.call(), api.DeleteQueue, &api.DeleteQueueInput{QueueUrl: url})
		fails(t, h.call(), api.CreateQueue, &api.CreateQueueInput{QueueName: new("jobs")}, "QueueDeletedRecently", "")
		h.clk.Advance(time.Minute)
		if got := h.receive(h.create("jobs", nil)); len(got) != 0 {
			t.Errorf("%v", bodies(got))
		}
	})
}
