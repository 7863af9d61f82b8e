package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	// The queues that are told in the end: of uploads in parts by S3 itself, of
	// those at once through a topic, and of all by EventBridge.
	partsQueue, putsQueue, busQueue = "told-parts", "told-puts", "told-bus"
	toldTopic                       = "puts"
	// notifyBytesMax is what is uploaded in a round.
	notifyBytesMax = 32 << 20
	// notifyEnd is how long the rest may take after the last death, leases by a
	// clock that cannot be moved among it.
	notifyEnd = 3 * time.Minute
	ownArn    = ":" + region + ":000000000000:"
)

// TestKillNotifications ends moln with SIGKILL while clients upload objects to a
// bucket that notifies a queue, a topic and EventBridge, and starts it again:
// every acknowledged object is told of at least once by each of them, as what it
// is, and nothing is told of that nobody wrote.
func TestKillNotifications(t *testing.T) {
	t.Parallel() // with its like: most of the time it waits for a lease
	t.Run("embedded", func(t *testing.T) {
		killNotifications(t, true, "--data-dir", t.TempDir())
	})
	t.Run("postgres", func(t *testing.T) {
		killNotifications(t, false, "--data-dir", t.TempDir(), "--store", postgres(t))
	})
}

func killNotifications(t *testing.T, advances bool, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	newClient(p.endpoint).makeNotified(t)
	all := &uploads{acked: map[string]upload{}, begun: map[string]int{}, most: notifyBytesMax}
	for round := range rounds(t) {
		after := killAfterMin + time.Duration(rng.Int64N(int64(killAfterMax-killAfterMin)))
		all.untilKilled(t, p, round, after)
		p = start(t, args...)
		t.Logf("round %d: killed after %v at the latest, %d uploads acknowledged so far", round, after.Round(time.Millisecond), len(all.acked))
		if t.Failed() {
			return
		}
	}
	if len(all.acked) < uploaders {
		t.Errorf("%d uploads were acknowledged in all, so little was tested", len(all.acked))
	}
	c := newClient(p.endpoint)
	told := map[string]map[string]bool{partsQueue: {}, putsQueue: {}, busQueue: {}}
	for deadline := time.Now().Add(notifyEnd); ; time.Sleep(time.Second) {
		if advances {
			c.advance(t, time.Minute)
		}
		for queue, keys := range told {
			c.drain(t, queueURL(c, queue), func(body string) { all.noted(t, queue, body, keys) })
		}
		missing := all.untold(told)
		if missing == "" || t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v after the last death: %s\n%s", notifyEnd, missing, p.stderr)
		}
	}
}

// inParts tells which of the two ways an upload went by its key: those of every
// second writer.
func inParts(key string) bool {
	var round, writer, n int
	_, err := fmt.Sscanf(key, "r%d/w%d/%d", &round, &writer, &n)
	return err == nil && writer%2 == 0
}

// untold says which acknowledged objects somebody was not told of; "" is none.
func (u *uploads) untold(told map[string]map[string]bool) string {
	missing := map[string]int{}
	for key := range u.acked {
		queue := putsQueue
		if inParts(key) {
			queue = partsQueue
		}
		for _, q := range []string{queue, busQueue} {
			if !told[q][key] {
				missing[q]++
			}
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("of %d uploads are not told yet: %v", len(u.acked), missing)
}

// makeNotified makes the bucket and all that is told of what happens in it, each
// with the policy that lets its sender in, and no further.
func (c *client) makeNotified(t *testing.T) {
	t.Helper()
	must := succeeded(t)
	bucket, topic := "arn:aws:s3:::"+uploadBucket, "arn:aws:sns"+ownArn+toldTopic
	rule := "arn:aws:events" + ownArn + "rule/created"
	allow := func(service, action, resource, source string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":%q,"Resource":%q,"Condition":{"ArnLike":{"aws:SourceArn":%q}}}]}`, service, action, resource, source)
	}
	for queue, sender := range map[string][2]string{
		partsQueue: {"s3.amazonaws.com", bucket}, putsQueue: {"sns.amazonaws.com", topic}, busQueue: {"events.amazonaws.com", rule},
	} {
		must(c.target(t.Context(), "sqs", "AmazonSQS.CreateQueue", map[string]any{
			"QueueName": queue, "Attributes": map[string]string{"Policy": allow(sender[0], "sqs:SendMessage", "arn:aws:sqs"+ownArn+queue, sender[1])},
		}, nil))
	}
	query := func(action string, values url.Values) {
		t.Helper()
		values.Set("Action", action)
		values.Set("Version", "2010-03-31")
		must(c.form(t.Context(), "sns", values.Encode()))
	}
	query("CreateTopic", url.Values{"Name": {toldTopic}})
	query("SetTopicAttributes", url.Values{"TopicArn": {topic}, "AttributeName": {"Policy"}, "AttributeValue": {allow("s3.amazonaws.com", "SNS:Publish", topic, bucket)}})
	query("Subscribe", url.Values{
		"TopicArn": {topic}, "Protocol": {"sqs"}, "Endpoint": {"arn:aws:sqs" + ownArn + putsQueue},
		"Attributes.entry.1.key": {"RawMessageDelivery"}, "Attributes.entry.1.value": {"true"},
	})
	must(c.target(t.Context(), "events", "AWSEvents.PutRule", map[string]any{
		"Name": "created", "EventPattern": `{"source":["aws.s3"],"detail-type":["Object Created"],"detail":{"bucket":{"name":["` + uploadBucket + `"]}}}`,
	}, nil))
	must(c.target(t.Context(), "events", "AWSEvents.PutTargets", map[string]any{
		"Rule": "created", "Targets": []map[string]string{{"Id": "q", "Arn": "arn:aws:sqs" + ownArn + busQueue}},
	}, nil))
	must(c.do(t.Context(), "s3", http.MethodPut, "/"+uploadBucket, nil, nil))
	must(c.do(t.Context(), "s3", http.MethodPut, "/"+uploadBucket+"?notification=", nil, []byte("<NotificationConfiguration>"+
		"<TopicConfiguration><Topic>"+topic+"</Topic><Event>s3:ObjectCreated:Put</Event></TopicConfiguration>"+
		"<QueueConfiguration><Id>in-parts</Id><Queue>arn:aws:sqs"+ownArn+partsQueue+"</Queue><Event>s3:ObjectCreated:CompleteMultipartUpload</Event></QueueConfiguration>"+
		"<EventBridgeConfiguration></EventBridgeConfiguration></NotificationConfiguration>")))
}

// noted checks one message against what was uploaded.
func (u *uploads) noted(t *testing.T, queue, body string, keys map[string]bool) {
	t.Helper()
	var m struct {
		Event   string // of the test
		Records []struct {
			EventVersion, EventSource, EventName string
			S3                                   struct {
				Object struct{ Key, ETag, Sequencer string }
			}
		}
		Source string // EventBridge's
		Detail struct {
			Reason string
			Object struct{ Key, Etag, Sequencer string }
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Errorf("%s: %v: %s", queue, err, body)
		return
	}
	key, etag, sequencer, event := m.Detail.Object.Key, m.Detail.Object.Etag, m.Detail.Object.Sequencer, m.Detail.Reason
	switch {
	case m.Event == "s3:TestEvent" && queue != busQueue:
		return
	case queue == busQueue && m.Source != "aws.s3", queue != busQueue && (len(m.Records) != 1 || m.Records[0].EventSource != "aws:s3" || m.Records[0].EventVersion != "2.1"):
		t.Errorf("%s: %s", queue, body)
		return
	case queue != busQueue:
		r := m.Records[0]
		text, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			t.Errorf("%s: %v", queue, err)
		}
		key, etag, sequencer, event = text, r.S3.Object.ETag, r.S3.Object.Sequencer, r.EventName
	}
	want := map[string]string{partsQueue: "ObjectCreated:CompleteMultipartUpload", putsQueue: "ObjectCreated:Put", busQueue: "PutObject"}[queue]
	if queue == busQueue && inParts(key) {
		want = "CompleteMultipartUpload"
	}
	done, acked := u.acked[key]
	if _, begun := u.begun[key]; !acked && !begun {
		t.Errorf("%s is told of %s, which nobody wrote", queue, key)
	}
	if event != want || sequencer == "" || acked && strings.Trim(done.etag, `"`) != etag {
		t.Errorf("%s: %s, want %s of %s: %s", queue, event, want, done.etag, body)
	}
	keys[key] = true
}
