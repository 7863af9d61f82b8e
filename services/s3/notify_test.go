package s3

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/api/events"
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/api/sns"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/event"
	"moln.dev/moln/services/s3/store"
)

// messengers is a backend with queues, topics and an event bus.
type messengers struct {
	judge
	mu   sync.Mutex
	sent []string // "queue …", "topic …", "bus …"
	as   []string
}

func (m *messengers) Dispatch(_ context.Context, c *service.Call, _ smithy.Descriptor, in any) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add := func(s string) {
		m.sent, m.as = append(m.sent, s), append(m.as, c.Caller.Service+" "+c.Caller.SourceARN+" "+c.Account)
	}
	switch in := in.(type) {
	case *sqs.SendMessageInput:
		if !strings.HasSuffix(*in.QueueUrl, "/"+account+"/q") {
			return nil, fault.New("AWS.SimpleQueueService.NonExistentQueue", 400, "The specified queue does not exist.")
		}
		add("queue " + *in.MessageBody)
		return &sqs.SendMessageOutput{}, nil
	case *sns.PublishInput:
		add("topic " + *in.Message)
		return &sns.PublishOutput{}, nil
	case *events.DescribeEventBusInput:
		return &events.DescribeEventBusOutput{}, nil
	case *events.PutEventsInput:
		e := in.Entries[0]
		add("bus " + *e.Source + " " + *e.DetailType + " " + e.Resources[0] + " " + *e.Detail)
		return &events.PutEventsOutput{FailedEntryCount: new(int32(0))}, nil
	}
	return nil, fault.New("NotImplemented", 501, "moln does not have this service yet")
}

// took is what was sent that begins with prefix, once there are n of them.
func (m *messengers) took(w *world, prefix string, n int) []string {
	w.t.Helper()
	var out []string
	w.until(prefix, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		out = nil
		for _, s := range m.sent {
			if rest, ok := strings.CutPrefix(s, prefix+" "); ok {
				out = append(out, rest)
			}
		}
		return len(out) >= n
	})
	return out
}

func configure(bucket string, conf api.NotificationConfiguration) *api.PutBucketNotificationConfigurationInput {
	return &api.PutBucketNotificationConfigurationInput{Bucket: &bucket, NotificationConfiguration: &conf}
}

const (
	queueARN = "arn:aws:sqs:us-east-1:" + account + ":q"
	topicARN = "arn:aws:sns:us-east-1:" + account + ":t"
)

// TestDestinationsAreTested is destinations that cannot be reached, which are
// refused, and nothing of the configuration is kept.
func TestDestinationsAreTested(t *testing.T) {
	w := newWorld(t)
	w.bucket("events")
	all := []string{"s3:ObjectCreated:*"}
	const unable = "InvalidArgument: Unable to validate the following destination configurations"
	absent := []api.NotificationConfiguration{
		{QueueConfigurations: []api.QueueConfiguration{{QueueArn: new(queueARN), Events: all}}},
		{TopicConfigurations: []api.TopicConfiguration{{TopicArn: new(topicARN), Events: all}}},
		{EventBridgeConfiguration: &api.EventBridgeConfiguration{}},
	}
	for _, conf := range absent {
		w.refused("PutBucketNotificationConfiguration", configure("events", conf), unable)
	}
	w.backend = &messengers{}
	queue := func(name string) *api.PutBucketNotificationConfigurationInput {
		return configure("events", api.NotificationConfiguration{
			QueueConfigurations: []api.QueueConfiguration{{QueueArn: new("arn:aws:sqs:us-east-1:" + account + ":" + name), Events: all}},
		})
	}
	w.refused("PutBucketNotificationConfiguration", queue("nobodys"), unable)
	w.refused("PutBucketNotificationConfiguration", queue("q.fifo"), "InvalidArgument: FIFO SQS queues are not supported.")
	_, err := w.ops["PutBucketNotificationConfiguration"].Call(t.Context(), w.call(root), queue("nobodys"))
	want := map[string]string{"ArgumentName": "arn:aws:sqs:us-east-1:" + account + ":nobodys", "ArgumentValue": "The destination queue does not exist"}
	if diff := cmp.Diff(any(want), fault.As(err).Body); diff != "" {
		t.Error(diff)
	}
	w.refused("PutBucketNotificationConfiguration", configure("events", api.NotificationConfiguration{
		QueueConfigurations: []api.QueueConfiguration{{QueueArn: new("arn:aws:sqs:eu-west-1:" + account + ":q"), Events: all}},
	}), "InvalidArgument: The notification destination service region is not valid for the bucket location constraint")
	w.refused("PutBucketNotificationConfiguration", configure("events", api.NotificationConfiguration{
		QueueConfigurations: []api.QueueConfiguration{{QueueArn: new(queueARN), Events: all}},
		TopicConfigurations: []api.TopicConfiguration{{TopicArn: new(topicARN), Events: []string{"s3:ObjectCreated:Put"}}},
	}), "InvalidArgument: Configurations overlap. Configurations on the same bucket cannot share a common event type.")
	if out := must[api.NotificationConfiguration](w, "GetBucketNotificationConfiguration", &api.GetBucketNotificationConfigurationRequest{Bucket: new("events")}); !cmp.Equal(out, &api.NotificationConfiguration{}) {
		t.Errorf("kept: %+v", out)
	}
}

// TestEveryDestinationIsTold is what a queue, a topic and the bus are sent.
func TestEveryDestinationIsTold(t *testing.T) {
	w := newWorld(t)
	m := &messengers{}
	w.backend = m
	w.bucket("events")
	w.versioned("events")
	must[api.PutBucketNotificationConfigurationOutput](w, "PutBucketNotificationConfiguration", configure("events", api.NotificationConfiguration{
		QueueConfigurations:      []api.QueueConfiguration{{Id: new("made"), QueueArn: new(queueARN), Events: []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}}},
		TopicConfigurations:      []api.TopicConfiguration{{TopicArn: new(topicARN), Events: []string{"s3:ObjectTagging:*", "s3:ObjectAcl:Put"}}},
		EventBridgeConfiguration: &api.EventBridgeConfiguration{},
	}))
	for _, kind := range []string{"queue", "topic"} {
		var test event.Test
		if err := json.Unmarshal([]byte(m.took(w, kind, 1)[0]), &test); err != nil {
			t.Fatal(err)
		}
		if want := (event.Test{Service: "Amazon S3", Event: "s3:TestEvent", Time: "2026-01-02T03:04:05.000Z", Bucket: "events", RequestID: "req", HostID: "req"}); test != want {
			t.Errorf("%+v", test)
		}
	}
	w.run()
	put := w.put("events", "a b", "text")
	queued := m.took(w, "queue", 2)[1]
	o, err := w.s.store.Version(context.Background(), w.stored("events"), "a b", *put.VersionId)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-02T03:`
	if !strings.HasPrefix(queued, want) {
		t.Errorf("queue: %s", queued)
	}
	want = `"object":{"key":"a+b","size":4,"eTag":"1cb251ec0d568de6a929b520c4aed8d1","versionId":"` + *put.VersionId + `","sequencer":"` + store.Sequencer(o.Sequence) + `"}}}]}`
	if !strings.HasSuffix(queued, want) {
		t.Errorf("queue: %s\nwant …%s", queued, want)
	}
	tags := &api.Tagging{TagSet: []api.Tag{{Key: new("k"), Value: new("v")}}}
	must[api.PutObjectTaggingOutput](w, "PutObjectTagging", &api.PutObjectTaggingInput{Bucket: new("events"), Key: new("a b"), Tagging: tags})
	topic := m.took(w, "topic", 2)[1]
	if !strings.Contains(topic, `"eventVersion":"2.3"`) || !strings.Contains(topic, `"eventName":"ObjectTagging:Put"`) ||
		!strings.HasSuffix(topic, `"object":{"key":"a+b","eTag":"1cb251ec0d568de6a929b520c4aed8d1","versionId":"`+*put.VersionId+`"}}}]}`) {
		t.Errorf("topic: %s", topic)
	}
	must[api.DeleteObjectOutput](w, "DeleteObject", &api.DeleteObjectInput{Bucket: new("events"), Key: new("a b")})
	var got []string
	for _, s := range m.took(w, "bus", 3) {
		about, _, _ := strings.Cut(s, ` {`)
		got = append(got, about)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"aws.s3 Object Created arn:aws:s3:::events", "aws.s3 Object Deleted arn:aws:s3:::events", "aws.s3 Object Tags Added arn:aws:s3:::events"}, got); diff != "" {
		t.Error(diff)
	}
	bus := m.took(w, "bus", 3)
	if last := bus[slices.IndexFunc(bus, func(s string) bool { return strings.Contains(s, "Object Deleted") })]; !strings.HasSuffix(last, `"request-id":"req","requester":"`+account+`","source-ip-address":"127.0.0.1","reason":"DeleteObject","deletion-type":"Delete Marker Created"}`) {
		t.Errorf("bus: %s", last)
	}
	for _, as := range m.as {
		if as != "s3.amazonaws.com arn:aws:s3:::events "+account {
			t.Errorf("sent as %s", as)
		}
	}
}

func (w *world) stored(bucket string) *store.Bucket {
	w.t.Helper()
	b, err := w.s.store.Bucket(context.Background(), bucket)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}
