package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// allUntilKilled has clients call once, each again and again with its own number
// and that of the round, and kills the process under them after a while. once says
// false to end its client.
func allUntilKilled(p *process, clients int, after time.Duration, once func(client, round int) bool) {
	dead := make(chan struct{})
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-dead:
					return
				default:
				}
				if !once(n, i) {
					return
				}
			}
		})
	}
	time.Sleep(after) // the moment of death is the test's input
	p.kill()
	close(dead)
	all.Wait()
}

// drain takes all that is in a queue, and calls each with what messages say.
func (c *client) drain(t *testing.T, url string, each func(body string)) {
	t.Helper()
	must := succeeded(t)
	for !t.Failed() {
		var got struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		must(c.target(t.Context(), "sqs", "AmazonSQS.ReceiveMessage", fields{"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "VisibilityTimeout": 3600}, &got))
		if len(got.Messages) == 0 {
			return
		}
		var entries []fields
		for i, m := range got.Messages {
			each(m.Body)
			entries = append(entries, fields{"Id": fmt.Sprint(i), "ReceiptHandle": m.ReceiptHandle})
		}
		must(c.target(t.Context(), "sqs", "AmazonSQS.DeleteMessageBatch", fields{"QueueUrl": url, "Entries": entries}, nil))
	}
}
