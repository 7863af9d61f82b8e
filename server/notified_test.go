package server

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moln.dev/moln/api/cloudformation"
	"moln.dev/moln/api/s3"
	"moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
)

// notifiedStack is a bucket that notifies a queue and EventBridge, whose rule sends
// to another queue. The policies come before the bucket, which is refused without
// the first.
const notifiedStack = `
Resources:
  Told:
    Type: AWS::SQS::Queue
    Properties: {QueueName: told}
  ToldPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Told]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: s3.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Told.Arn
            Condition:
              ArnLike: {"aws:SourceArn": "arn:aws:s3:::notified"}
              StringEquals: {"aws:SourceAccount": !Ref "AWS::AccountId"}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: removed}
  TopicPolicy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: s3.amazonaws.com}
            Action: sns:Publish
            Resource: !Ref Topic
            Condition: {ArnLike: {"aws:SourceArn": "arn:aws:s3:::notified"}}
  Bus:
    Type: AWS::SQS::Queue
    Properties: {QueueName: bus}
  BusPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Bus]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: sqs:SendMessage, Resource: !GetAtt Bus.Arn}]
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [aws.s3], detail-type: [Object Created], detail: {bucket: {name: [notified]}}}
      Targets: [{Id: q, Arn: !GetAtt Bus.Arn}]
  Bucket:
    Type: AWS::S3::Bucket
    DependsOn: [ToldPolicy, TopicPolicy]
    Properties:
      BucketName: notified
      NotificationConfiguration:
        QueueConfigurations:
          - Event: s3:ObjectCreated:*
            Queue: !GetAtt Told.Arn
            Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}, {Name: suffix, Value: .txt}]}}
        TopicConfigurations: [{Event: "s3:ObjectRemoved:*", Topic: !Ref Topic}]
        EventBridgeConfiguration: {EventBridgeEnabled: true}
`

// withoutPolicy is the same without the policy that lets S3 send to the queue, and
// with queues of other names: those of deleted queues are not free at once.
func withoutPolicy(template string) string {
	from, to := strings.Index(template, "  ToldPolicy:"), strings.Index(template, "  Topic:")
	return strings.NewReplacer("ToldPolicy, ", "", "QueueName: ", "QueueName: other-").Replace(template[:from] + template[to:])
}

// TestNotifiedByTemplate makes buckets with targets by CloudFormation: one whose
// queue does not let S3 in fails; of the other each target is sent a test, and
// then told of what happens, and only of that.
func TestNotifiedByTemplate(t *testing.T) {
	s, _ := serve(t, ephemeral())
	c := s.Call(identity.DefaultAccount, identity.DefaultRegion).As(rootPrincipal(identity.DefaultAccount))
	if status, reason := stacked(t, c, "refused", withoutPolicy(notifiedStack)); status != "ROLLBACK_COMPLETE" || !strings.Contains(reason, "Unable to validate the following destination configurations") {
		t.Errorf("without the policy: %s, %s", status, reason)
	}
	if status, reason := stacked(t, c, "notified", notifiedStack); status != "CREATE_COMPLETE" {
		t.Fatalf("%s, %s", status, reason)
	}
	test := received(t, c, "told")
	want := regexp.MustCompile(`^\{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"[-0-9]+T[:0-9]+\.[0-9]{3}Z","Bucket":"notified","RequestId":"[^"]+","HostId":"[^"]+"\}$`)
	if !want.MatchString(test) {
		t.Errorf("the test: %s", test)
	}
	for _, key := range []string{"out/a.txt", "in/a.png", "in/a b.txt"} {
		invoked(t, c, s3.PutObject, &s3.PutObjectInput{Bucket: new("notified"), Key: new(key), Body: strings.NewReader("hello")})
	}
	var got struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(received(t, c, "told")), &got); err != nil || len(got.Records) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	r := got.Records[0]
	entity := r["s3"].(map[string]any)
	object := entity["object"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"key": "in/a+b.txt", "size": 5.0, "eTag": "5d41402abc4b2a76b9719d911017c592", "sequencer": object["sequencer"]}, object); diff != "" || object["sequencer"] == "" {
		t.Error(diff)
	}
	if r["eventName"] != "ObjectCreated:Put" || r["eventSource"] != "aws:s3" || r["awsRegion"] != identity.DefaultRegion || entity["configurationId"] == "" {
		t.Errorf("%v", r)
	}
	for range 3 {
		var event struct {
			Detail struct{ Object struct{ Key string } }
		}
		if err := json.Unmarshal([]byte(received(t, c, "bus")), &event); err != nil || event.Detail.Object.Key == "" {
			t.Errorf("%+v, %v", event, err)
		}
	}
}

// stacked makes a stack and waits for it; reason is why a resource failed.
func stacked(t *testing.T, c *service.Call, name, template string) (status, reason string) {
	t.Helper()
	invoked(t, c, cloudformation.CreateStack, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template})
	for range 600 {
		status = smithy.Val(invoked(t, c, cloudformation.DescribeStacks, &cloudformation.DescribeStacksInput{StackName: &name}).Stacks[0].StackStatus)
		if strings.HasSuffix(status, "_COMPLETE") || strings.HasSuffix(status, "_FAILED") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, e := range invoked(t, c, cloudformation.DescribeStackEvents, &cloudformation.DescribeStackEventsInput{StackName: &name}).StackEvents {
		if smithy.Val(e.ResourceStatus) == "CREATE_FAILED" {
			reason += smithy.Val(e.LogicalResourceId) + ": " + smithy.Val(e.ResourceStatusReason) + "; "
		}
	}
	return status, reason
}

// received waits for a message and takes it out of its queue.
func received(t *testing.T, c *service.Call, queue string) string {
	t.Helper()
	url := "https://sqs.us-east-1.amazonaws.com/" + identity.DefaultAccount + "/" + queue
	for range 10 {
		out, err := service.Invoke(context.Background(), c, sqs.ReceiveMessage, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: new(int32(2)), MaxNumberOfMessages: new(int32(1))})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			invoked(t, c, sqs.DeleteMessage, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			return *m.Body
		}
	}
	t.Fatalf("there is nothing in the queue %s", queue)
	return ""
}
