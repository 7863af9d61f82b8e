package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

const (
	// busPutters is how many clients put events when the process dies, busBatch
	// how many in one request.
	busPutters, busBatch = 8, 3
	busDeaths            = 3
	// busAfterMax is how long after the first event it dies at most.
	busAfterMax = 1200 * time.Millisecond
	// busEnd is how long the rest may take in the end.
	busEnd = 2 * time.Minute
)

// TestKillBus puts events on a bus while moln is ended with SIGKILL three times
// and started again: every event whose id was answered reaches the queue of the
// rule that wants it, and no event of the others.
func TestKillBus(t *testing.T) {
	t.Parallel() // with its like: most of the time it waits for a lease
	t.Run("embedded", func(t *testing.T) { killBus(t, true, "--data-dir", t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { killBus(t, false, "--data-dir", t.TempDir(), "--store", postgres(t)) })
}

func killBus(t *testing.T, advances bool, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	queue := newClient(p.endpoint).makeBus(t)
	accepted := map[string]bool{} // whether the rule wants it
	for range busDeaths {
		after := time.Duration(rng.Int64N(int64(busAfterMax)))
		putUntilKilled(t, p, after, accepted)
		t.Logf("killed after %v, %d events accepted so far", after, len(accepted))
		p = start(t, args...)
	}
	missing := map[string]bool{}
	for id, wanted := range accepted {
		if wanted {
			missing[id] = true
		}
	}
	if len(missing) == 0 {
		t.Fatal("no event was accepted, so nothing was tested")
	}
	c := newClient(p.endpoint)
	for deadline := time.Now().Add(busEnd); len(missing) > 0; {
		if advances {
			c.advance(t, time.Minute)
		}
		c.drain(t, queue, func(body string) {
			var e struct{ ID string }
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Errorf("%v: %s", err, body)
			}
			if wanted, known := accepted[e.ID]; known && !wanted {
				t.Errorf("%s passed the rule", e.ID)
			}
			delete(missing, e.ID)
		})
		if time.Now().After(deadline) || t.Failed() {
			t.Fatalf("%v after the last death %d of %d events are missing\n%s", busEnd, len(missing), len(accepted), p.stderr)
		}
	}
}

// makeBus makes a bus with a rule that sends to a queue, and gives its URL.
func (c *client) makeBus(t *testing.T) string {
	t.Helper()
	must := succeeded(t)
	own := "arn:aws:sqs:" + region + ":" + accountID + ":put"
	var queue struct{ QueueUrl string }
	must(c.target(t.Context(), "sqs", "AmazonSQS.CreateQueue", fields{"QueueName": "put", "Attributes": fields{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + own + `"}}`,
	}}, &queue))
	must(c.target(t.Context(), "events", "AWSEvents.CreateEventBus", fields{"Name": "b"}, nil))
	must(c.target(t.Context(), "events", "AWSEvents.PutRule", fields{"Name": "r", "EventBusName": "b", "EventPattern": `{"detail":{"n":[{"numeric":[">=",1]}]}}`}, nil))
	must(c.target(t.Context(), "events", "AWSEvents.PutTargets", fields{"Rule": "r", "EventBusName": "b", "Targets": []fields{{"Id": "q", "Arn": own}}}, nil))
	return queue.QueueUrl
}

// putUntilKilled puts events and kills the process under it; the first of each
// request is one that the rule does not want.
func putUntilKilled(t *testing.T, p *process, after time.Duration, accepted map[string]bool) {
	t.Helper()
	c := newClient(p.endpoint)
	var mu sync.Mutex
	allUntilKilled(p, busPutters, after, func(int, int) bool {
		var entries []fields
		for n := range busBatch {
			entries = append(entries, fields{"EventBusName": "b", "Source": "s", "DetailType": "t", "Detail": fmt.Sprintf(`{"n":%d}`, n)})
		}
		var out struct{ Entries []struct{ EventId string } }
		a, err := c.target(t.Context(), "events", "AWSEvents.PutEvents", fields{"Entries": entries}, &out)
		if err != nil {
			return true // nobody knows
		}
		if err := a.err(); err != nil {
			t.Errorf("put: %v", err)
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		for n, e := range out.Entries {
			accepted[e.EventId] = n > 0
		}
		return true
	})
}
