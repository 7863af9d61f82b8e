package e2e

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// eventsSent is how many asynchronous events are sent, and eventSenders by
	// how many clients; every eventFails-th is one that its function fails on.
	eventsSent   = 1000
	eventSenders = 16
	eventFails   = 10
	// eventDeaths is how often the process dies while they are worked off.
	eventDeaths = 3
	// eventsEnd is how long the rest may take in the end.
	eventsEnd = 90 * time.Second

	countTable, toldTable, lostBucket = "counted", "told", "lost"
)

// TestKillEvents sends 1,000 asynchronous events to a function while moln is
// ended with SIGKILL three times and started again. Every event that was accepted
// is given to the function at least once, those that it fails on as often again as
// is configured; and everybody's destination is told: a function of the successes,
// a bucket of the failures.
func TestKillEvents(t *testing.T) {
	t.Parallel() // with its like: most of the time it waits for a lease
	t.Run("embedded", func(t *testing.T) {
		killEvents(t, 1, "--data-dir", t.TempDir())
	})
	// The clock of a shared store cannot be moved, and a retry comes a minute
	// later.
	t.Run("postgres", func(t *testing.T) {
		killEvents(t, 0, "--data-dir", t.TempDir(), "--store", postgres(t))
	})
}

func killEvents(t *testing.T, retries int, args ...string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	p := start(t, args...)
	newClient(p.endpoint).makeEventFunctions(t, retries)
	accepted := map[int]bool{}
	sent := 0
	for death := range eventDeaths {
		until := eventsSent * (death + 1) / eventDeaths
		after := sent + 1 + rng.IntN(until-sent-1)
		sendEvents(t, p, accepted, sent, until, after)
		sent = until
		p = start(t, args...)
		t.Logf("killed after some %d events, %d accepted so far", after, len(accepted))
	}
	c := newClient(p.endpoint)
	sendEvents(t, p, accepted, 0, sent, -1)
	if len(accepted) != eventsSent {
		t.Errorf("%d of %d events were accepted in the end", len(accepted), eventsSent)
	}
	// What a dead process had leased comes due, and so do the retries.
	deadline := time.Now().Add(eventsEnd)
	for {
		if retries > 0 {
			c.advance(t, time.Minute)
		}
		missing := c.missingEvents(t, accepted, retries)
		if missing == "" {
			break
		}
		if time.Now().After(deadline) || t.Failed() {
			t.Fatalf("%v after the last death: %s\n%s", eventsEnd, missing, p.stderr)
		}
		time.Sleep(time.Second)
	}
	t.Logf("%d events accepted, each worked off and told of", len(accepted))
}

// sendEvents sends the events from first to until that have not been accepted,
// and kills the process after one of them, if it comes.
func sendEvents(t *testing.T, p *process, accepted map[int]bool, first, until, after int) {
	t.Helper()
	c := newClient(p.endpoint)
	ids := make(chan int)
	var mu sync.Mutex
	dead := make(chan struct{})
	var all sync.WaitGroup
	for range eventSenders {
		all.Go(func() {
			for id := range ids {
				body := fmt.Appendf(nil, `{"id":"%d","fail":%v}`, id, fails(id))
				a, err := c.do(t.Context(), "lambda", http.MethodPost, "/2015-03-31/functions/counter/invocations", http.Header{"X-Amz-Invocation-Type": {"Event"}}, body)
				if err != nil {
					continue // nobody knows
				}
				if err := a.err(); err != nil {
					t.Errorf("event %d: %v", id, err)
					continue
				}
				mu.Lock()
				accepted[id] = true
				mu.Unlock()
			}
		})
	}
	go func() {
		defer close(dead)
		for id := first; id < until; id++ {
			mu.Lock()
			done := accepted[id]
			mu.Unlock()
			if !done {
				ids <- id
			}
			if id == after {
				p.kill()
			}
		}
		close(ids)
	}()
	<-dead
	all.Wait()
}

func fails(id int) bool { return id%eventFails == 0 }

// makeEventFunctions makes the function that counts its events, the one that is
// told of its successes, and all that they need.
func (c *client) makeEventFunctions(t *testing.T, retries int) {
	t.Helper()
	must := succeeded(t)
	ctx := t.Context()
	for _, table := range []string{countTable, toldTable} {
		must(c.target(ctx, "dynamodb", "DynamoDB_20120810.CreateTable", fields{
			"TableName": table, "BillingMode": "PAY_PER_REQUEST", "KeySchema": []fields{{"AttributeName": "id", "KeyType": "HASH"}},
			"AttributeDefinitions": []fields{{"AttributeName": "id", "AttributeType": "S"}},
		}, nil))
	}
	must(c.do(ctx, "s3", http.MethodPut, "/"+lostBucket, nil, nil))
	const allow = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["dynamodb:*","s3:*","lambda:*","logs:*"],"Resource":"*"}}`
	c.lambdaRole(t, "counter")
	must(c.form(ctx, "iam", url.Values{"Action": {"PutRolePolicy"}, "Version": {"2010-05-08"}, "RoleName": {"counter"}, "PolicyName": {"all"}, "PolicyDocument": {allow}}.Encode()))
	code := programOf(t, "./testdata/counter")
	function := func(name, table string) {
		body, err := json.Marshal(fields{
			"FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": "arn:aws:iam::" + accountID + ":role/counter",
			"Timeout": 30, "Code": fields{"ZipFile": code}, "Environment": fields{"Variables": fields{"TABLE": table}},
		})
		if err != nil {
			t.Fatal(err)
		}
		must(c.do(ctx, "lambda", http.MethodPost, "/2015-03-31/functions", nil, body))
	}
	function("counter", countTable)
	function("teller", toldTable)
	config, err := json.Marshal(fields{"MaximumRetryAttempts": retries, "DestinationConfig": fields{
		"OnSuccess": fields{"Destination": "arn:aws:lambda:" + region + ":" + accountID + ":function:teller"},
		"OnFailure": fields{"Destination": "arn:aws:s3:::" + lostBucket},
	}})
	if err != nil {
		t.Fatal(err)
	}
	must(c.do(ctx, "lambda", http.MethodPut, "/2019-09-25/functions/counter/event-invoke-config", nil, config))
}

// accountID is the account of the tests' credentials.
const accountID = "000000000000"

// advance moves the account's clock.
func (c *client) advance(t *testing.T, by time.Duration) {
	t.Helper()
	a, err := c.do(t.Context(), "moln", http.MethodPost, "/_moln/clock?advance="+by.String(), nil, nil)
	if err == nil {
		err = a.err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// missingEvents says what is still missing of the accepted events: runs of their
// function, or the word to their destination; "" is nothing.
func (c *client) missingEvents(t *testing.T, accepted map[int]bool, retries int) string {
	t.Helper()
	counted, told, lost := c.counts(t, countTable), c.counts(t, toldTable), c.lostRecords(t)
	runs, successes, failures := 0, 0, 0
	for id := range accepted {
		key, want := fmt.Sprint(id), 1
		if fails(id) {
			want += retries
			if !lost[key] {
				failures++
			}
		} else if told[key] < 1 {
			successes++
		}
		if counted[key] < want {
			runs++
		}
	}
	if runs+successes+failures == 0 {
		return ""
	}
	return fmt.Sprintf("%d events lack runs, %d successes and %d failures were not told of", runs, successes, failures)
}

// counts are the numbers in a table of counters.
func (c *client) counts(t *testing.T, table string) map[string]int {
	t.Helper()
	out := map[string]int{}
	in := fields{"TableName": table, "ConsistentRead": true}
	for {
		var page struct {
			Items            []map[string]struct{ S, N string }
			LastEvaluatedKey json.RawMessage
		}
		a, err := c.target(t.Context(), "dynamodb", "DynamoDB_20120810.Scan", in, &page)
		if err == nil {
			err = a.err()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			var n int
			fmt.Sscan(item["n"].N, &n)
			out[item["id"].S] = n
		}
		if page.LastEvaluatedKey == nil {
			return out
		}
		in["ExclusiveStartKey"] = page.LastEvaluatedKey
	}
}

// lostRecords are the events whose failure the bucket was told of.
func (c *client) lostRecords(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	get := func(path string) []byte {
		a, err := c.do(t.Context(), "s3", http.MethodGet, path, nil, nil)
		if err == nil {
			err = a.err()
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.body
	}
	var list struct {
		Contents []struct{ Key string }
	}
	if err := xml.Unmarshal(get("/"+lostBucket+"?list-type=2"), &list); err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		var record struct {
			RequestContext struct{ Condition string }
			RequestPayload struct{ ID string }
		}
		if err := json.Unmarshal(get("/"+lostBucket+"/"+o.Key), &record); err != nil || record.RequestContext.Condition != "RetriesExhausted" || !strings.HasPrefix(o.Key, "aws/lambda/async/counter/") {
			t.Errorf("%s: %+v, %v", o.Key, record, err)
		}
		out[record.RequestPayload.ID] = true
	}
	return out
}
