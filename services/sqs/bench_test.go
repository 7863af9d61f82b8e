package sqs

import (
	"testing"

	api "moln.dev/moln/api/sqs"
)

// BenchmarkSendReceiveDelete is the life of one message, in each store.
func BenchmarkSendReceiveDelete(b *testing.B) {
	for _, name := range []string{"memory", "pebble"} {
		b.Run(name, func(b *testing.B) {
			h := newHarnessOn(b, drivers()[name](b))
			url := h.create("jobs", nil)
			b.RunParallel(func(pb *testing.PB) {
				c := h.call()
				for pb.Next() {
					if _, err := do(c, api.SendMessage, &api.SendMessageInput{QueueUrl: url, MessageBody: new("a message of some length, as they are")}); err != nil {
						b.Fatal(err)
					}
					out, err := do(c, api.ReceiveMessage, &api.ReceiveMessageInput{QueueUrl: url})
					if err != nil {
						b.Fatal(err)
					}
					for _, m := range out.Messages {
						if _, err := do(c, api.DeleteMessage, &api.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		})
	}
}
