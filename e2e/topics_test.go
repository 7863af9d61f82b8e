package e2e

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"testing"
	"time"
)

const (
	// topicPublishers is how many clients publish when the process dies, and
	// topicDeaths how often it does.
	topicPublishers = 8
	topicDeaths     = 3
	// topicAfterMax is how long after the first message it dies at most.
	topicAfterMax = 1500 * time.Millisecond
	// topicEnd is how long the rest may take in the end.
	topicEnd = 60 * time.Second
)

// TestKillTopics publishes to a topic while moln is ended with SIGKILL three times
// and started again. Every message that was accepted reaches both subscribed
// queues, the second of which gets only what its filter policy lets through.
func TestKillTopics(t *testing.T) {
	t.Parallel() // with its like: most of the time it waits for a lease
	t.Run("embedded", func(t *testing.T) { killTopics(t, "--data-dir", t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { killTopics(t, "--data-dir", t.TempDir(), "--store", postgres(t)) })
}

func killTopics(t *testing.T, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	c := newClient(p.endpoint)
	topic := c.makeTopic(t, "events")
	all, even := c.subscribeQueue(t, topic, "all", ""), c.subscribeQueue(t, topic, "even", `{"even":["true"]}`)
	accepted := map[string]bool{} // whether it is even
	for death := range topicDeaths {
		after := time.Duration(rng.Int64N(int64(topicAfterMax)))
		publishUntilKilled(t, p, topic, death, after, accepted)
		t.Logf("killed after %v, %d messages accepted so far", after, len(accepted))
		p = start(t, args...)
	}
	if len(accepted) == 0 {
		t.Fatal("no message was accepted, so nothing was tested")
	}
	c = newClient(p.endpoint)
	missing := map[string]map[string]bool{all: {}, even: {}}
	for id, isEven := range accepted {
		missing[all][id] = true
		if isEven {
			missing[even][id] = true
		}
	}
	deadline := time.Now().Add(topicEnd)
	for queue, ids := range missing {
		for len(ids) > 0 {
			for _, id := range c.drain(t, queue) {
				if isEven, known := accepted[id]; known && queue == even && !isEven {
					t.Errorf("%s passed the filter", id)
				}
				delete(ids, id)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v after the last death %d of %d messages are missing in %s\n%s", topicEnd, len(ids), len(accepted), queue, p.stderr)
			}
		}
	}
}

// publishUntilKilled publishes and kills the process under it.
func publishUntilKilled(t *testing.T, p *process, topic string, round int, after time.Duration, accepted map[string]bool) {
	t.Helper()
	c := newClient(p.endpoint)
	dead := make(chan struct{})
	var mu sync.Mutex
	var publishers sync.WaitGroup
	for n := range topicPublishers {
		publishers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-dead:
					return
				default:
				}
				id := fmt.Sprintf("r%d-p%d-%d", round, n, i)
				a, err := c.sns(t, url.Values{
					"Action": {"Publish"}, "TopicArn": {topic}, "Message": {id},
					"MessageAttributes.entry.1.Name": {"even"}, "MessageAttributes.entry.1.Value.DataType": {"String"}, "MessageAttributes.entry.1.Value.StringValue": {fmt.Sprint(i%2 == 0)},
				})
				if err != nil {
					continue // nobody knows
				}
				if err := a.err(); err != nil {
					t.Errorf("publish %s: %v", id, err)
					return
				}
				mu.Lock()
				accepted[id] = i%2 == 0
				mu.Unlock()
			}
		})
	}
	time.Sleep(after) // the moment of death is the test's input
	p.kill()
	close(dead)
	publishers.Wait()
}

func (c *client) sns(t *testing.T, in url.Values) (answer, error) {
	in.Set("Version", "2010-03-31")
	return c.form(t.Context(), "sns", in.Encode())
}

func (c *client) makeTopic(t *testing.T, name string) string {
	t.Helper()
	a, err := c.sns(t, url.Values{"Action": {"CreateTopic"}, "Name": {name}})
	succeeded(t)(a, err)
	var out struct {
		ARN string `xml:"CreateTopicResult>TopicArn"`
	}
	if err := xml.Unmarshal(a.body, &out); err != nil || out.ARN == "" {
		t.Fatalf("%v: %s", err, a.body)
	}
	return out.ARN
}

// subscribeQueue makes a queue that the topic may send to, subscribes it, and
// gives its URL.
func (c *client) subscribeQueue(t *testing.T, topic, name, filter string) string {
	t.Helper()
	must := succeeded(t)
	own := "arn:aws:sqs:" + region + ":" + accountID + ":" + name
	var queue struct{ QueueUrl string }
	must(c.target(t.Context(), "sqs", "AmazonSQS.CreateQueue", fields{"QueueName": name, "Attributes": fields{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + own + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topic + `"}}}}`,
	}}, &queue))
	in := url.Values{"Action": {"Subscribe"}, "TopicArn": {topic}, "Protocol": {"sqs"}, "Endpoint": {own}}
	if filter != "" {
		in.Set("Attributes.entry.1.key", "FilterPolicy")
		in.Set("Attributes.entry.1.value", filter)
	}
	must(c.sns(t, in))
	return queue.QueueUrl
}

// drain takes messages out of a queue and gives what they say.
func (c *client) drain(t *testing.T, queue string) []string {
	t.Helper()
	must := succeeded(t)
	var got struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	must(c.target(t.Context(), "sqs", "AmazonSQS.ReceiveMessage", fields{"QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}, &got))
	if len(got.Messages) == 0 {
		return nil
	}
	var ids []string
	entries := make([]fields, len(got.Messages))
	for i, m := range got.Messages {
		var body struct{ Message string }
		if err := json.Unmarshal([]byte(m.Body), &body); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, body.Message)
		entries[i] = fields{"Id": fmt.Sprint(i), "ReceiptHandle": m.ReceiptHandle}
	}
	must(c.target(t.Context(), "sqs", "AmazonSQS.DeleteMessageBatch", fields{"QueueUrl": queue, "Entries": entries}, nil))
	return ids
}
