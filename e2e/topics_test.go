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
	onEachStore(t, killTopics)
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
			c.drain(t, queue, func(body string) {
				var m struct{ Message string }
				if err := json.Unmarshal([]byte(body), &m); err != nil {
					t.Errorf("%v: %s", err, body)
				}
				if isEven, known := accepted[m.Message]; known && queue == even && !isEven {
					t.Errorf("%s passed the filter", m.Message)
				}
				delete(ids, m.Message)
			})
			if time.Now().After(deadline) || t.Failed() {
				t.Fatalf("%v after the last death %d of %d messages are missing in %s\n%s", topicEnd, len(ids), len(accepted), queue, p.stderr)
			}
		}
	}
}

// publishUntilKilled publishes and kills the process under it.
func publishUntilKilled(t *testing.T, p *process, topic string, death int, after time.Duration, accepted map[string]bool) {
	t.Helper()
	c := newClient(p.endpoint)
	var mu sync.Mutex
	allUntilKilled(p, topicPublishers, after, func(n, i int) bool {
		id := fmt.Sprintf("r%d-p%d-%d", death, n, i)
		a, err := c.sns(t, url.Values{
			"Action": {"Publish"}, "TopicArn": {topic}, "Message": {id},
			"MessageAttributes.entry.1.Name": {"even"}, "MessageAttributes.entry.1.Value.DataType": {"String"}, "MessageAttributes.entry.1.Value.StringValue": {fmt.Sprint(i%2 == 0)},
		})
		if err != nil {
			return true // nobody knows
		}
		if err := a.err(); err != nil {
			t.Errorf("publish %s: %v", id, err)
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		accepted[id] = i%2 == 0
		return true
	})
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
