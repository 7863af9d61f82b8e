package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// letterSource is the queue that letterWriters fill, and letterHidden for how
	// many seconds it hides a message: what a dead process had received comes back
	// after it.
	letterSource  = "letters"
	letterWriters = 8
	letterHidden  = 5
)

// letterFunction tells a table of every message that it is given, and fails on
// some of them the first time.
const letterFunction = tableCalls + `
exports.handler = async (event) => {
  const bad = event.Records.filter((r) => r.attributes.ApproximateReceiveCount === "1" && r.body.endsWith("7"));
  const good = event.Records.filter((r) => !bad.includes(r));
  const puts = good.map((r) => ({PutRequest: {Item: {id: {S: r.body}}}}));
  if (puts.length > 0) await call("BatchWriteItem", {RequestItems: {seen: puts}});
  return {batchItemFailures: bad.map((r) => ({itemIdentifier: r.messageId}))};
};`

// TestQueueMappingThroughKill has clients send messages to a queue that is mapped
// to a function, while moln is ended with SIGKILL and started again. The function
// must have processed every message that was acknowledged, also those that it
// fails on at first.
func TestQueueMappingThroughKill(t *testing.T) {
	onEachStore(t, queueMappingThroughKill)
}

func queueMappingThroughKill(t *testing.T, args ...string) {
	p := start(t, args...)
	c := newClient(p.endpoint)
	queue := makeQueueMapping(t, c)
	var written sync.Map
	var count atomic.Int64
	next := make([]int, letterWriters)
	for range mappingDeaths {
		allUntilKilled(p, letterWriters, beforeDeath(), func(w, _ int) bool {
			body := fmt.Sprintf("w%d#%d", w, next[w])
			next[w]++
			a, err := c.target(t.Context(), "sqs", "AmazonSQS.SendMessage", fields{"QueueUrl": queue, "MessageBody": body}, nil)
			if err != nil {
				return false
			}
			if err := a.err(); err != nil {
				t.Error(err)
				return false
			}
			written.Store(body, true)
			count.Add(1)
			return true
		})
		p = start(t, args...)
		c = newClient(p.endpoint)
	}
	awaitSeen(t, p, c, &written, count.Load())
	awaitEmpty(t, c, queue)
}

// awaitEmpty waits until nothing is left in a queue.
func awaitEmpty(t *testing.T, c *client, queue string) {
	t.Helper()
	deadline := time.Now().Add(mappingWait)
	for {
		var got struct{ Attributes map[string]string }
		good(t, func() (answer, error) {
			return c.target(t.Context(), "sqs", "AmazonSQS.GetQueueAttributes", fields{"QueueUrl": queue, "AttributeNames": []string{"All"}}, &got)
		})
		if got.Attributes["ApproximateNumberOfMessages"] == "0" && got.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("messages are left: %v", got.Attributes)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// makeQueueMapping makes a queue, a table, the function, and the mapping.
func makeQueueMapping(t *testing.T, c *client) (queue string) {
	t.Helper()
	ctx := t.Context()
	var made struct{ QueueUrl string }
	good(t, func() (answer, error) {
		return c.target(ctx, "sqs", "AmazonSQS.CreateQueue", fields{"QueueName": letterSource, "Attributes": fields{"VisibilityTimeout": fmt.Sprint(letterHidden)}}, &made)
	})
	good(t, func() (answer, error) {
		return c.target(ctx, "dynamodb", "DynamoDB_20120810.CreateTable", fields{
			"TableName": "seen", "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions": []fields{{"AttributeName": "id", "AttributeType": "S"}},
			"KeySchema":            []fields{{"AttributeName": "id", "KeyType": "HASH"}},
		}, nil)
	})
	c.lambdaRole(t, "reader")
	const may = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","dynamodb:*","logs:*"],"Resource":"*"}}`
	succeeded(t)(c.form(ctx, "iam", url.Values{"Action": {"PutRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {"reader"}, "PolicyName": {"p"}, "PolicyDocument": {may}}.Encode()))
	post := func(path string, in fields) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		good(t, func() (answer, error) {
			return c.do(ctx, "lambda", http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body)
		})
	}
	post("/2015-03-31/functions", fields{
		"FunctionName": "see", "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": "arn:aws:iam::000000000000:role/reader", "Timeout": letterHidden,
		"Code": fields{"ZipFile": zipped(t, "index.js", letterFunction)},
	})
	post("/2015-03-31/event-source-mappings", fields{
		"FunctionName": "see", "EventSourceArn": "arn:aws:sqs:" + region + ":000000000000:" + letterSource, "BatchSize": 10, "FunctionResponseTypes": []string{"ReportBatchItemFailures"},
	})
	return made.QueueUrl
}
