package sns

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/sns"
	sqsapi "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/functions"
)

func TestQueuesGetEnvelopes(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	sub := h.subscribe(arn, "q")
	id := *must(t, h.call(), api.Publish, &api.PublishInput{
		TopicArn: &arn, Message: new(`{"default":"to all","sqs":"to <queues>"}`), MessageStructure: new("json"), Subject: new("S"),
		MessageAttributes: map[string]api.MessageAttributeValue{"n": {DataType: new("Number"), StringValue: new("1.5")}, "b": {DataType: new("Binary"), BinaryValue: []byte{1, 2}}},
	}).MessageId
	got := take(t, h.queued)
	if got.caller.Service != "sns.amazonaws.com" || got.caller.SourceARN != arn || got.caller.SourceAccount != account {
		t.Errorf("sent by %+v", got.caller)
	}
	body := got.body(t)
	if !strings.HasPrefix(*got.MessageBody, "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"") {
		t.Errorf("%s", *got.MessageBody)
	}
	delete(body, "Signature")
	delete(body, "SigningCertURL")
	want := map[string]any{
		"Type": "Notification", "MessageId": id, "TopicArn": arn, "Subject": "S", "Message": "to <queues>", "Timestamp": "2026-03-20T12:00:00.000Z", "SignatureVersion": "1",
		"UnsubscribeURL":    "http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn=" + sub,
		"MessageAttributes": map[string]any{"b": map[string]any{"Type": "Binary", "Value": "AQI="}, "n": map[string]any{"Type": "Number", "Value": "1.5"}},
	}
	if d := cmp.Diff(want, body); d != "" {
		t.Error(d)
	}
}

func TestRawDelivery(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	h.subscribe(arn, "q", "RawMessageDelivery", "True")
	must(t, h.call(), api.Publish, &api.PublishInput{
		TopicArn: &arn, Message: new("text"), Subject: new("S"), MessageGroupId: new("g"),
		MessageAttributes: map[string]api.MessageAttributeValue{"n": {DataType: new("Number.int"), StringValue: new("1")}, "b": {DataType: new("Binary"), BinaryValue: []byte{1, 2}}},
	})
	got := take(t, h.queued)
	want := &sqsapi.SendMessageInput{
		QueueUrl: new("https://sqs.us-east-1.amazonaws.com/000000000000/q"), MessageBody: new("text"), MessageGroupId: new("g"),
		MessageAttributes: map[string]sqsapi.MessageAttributeValue{"n": {DataType: new("Number.int"), StringValue: new("1")}, "b": {DataType: new("Binary"), BinaryValue: []byte{1, 2}}},
	}
	if d := cmp.Diff(want, got.SendMessageInput); d != "" {
		t.Error(d)
	}
}

func TestFunctionsGetEvents(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	function := "arn:aws:lambda:us-east-1:" + account + ":function:f"
	sub := *must(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("lambda"), Endpoint: &function}).SubscriptionArn
	id := h.publish(arn, "hello")
	got := take(t, h.invoked)
	if got.FunctionARN != function || got.Kind != functions.Async || got.Caller.Service != "sns.amazonaws.com" || got.Caller.SourceARN != arn {
		t.Errorf("%+v", got)
	}
	var event struct {
		Records []struct {
			EventSource, EventVersion, EventSubscriptionArn string
			Sns                                             map[string]any
		}
	}
	if err := json.Unmarshal(got.Payload, &event); err != nil || len(event.Records) != 1 {
		t.Fatal(err, string(got.Payload))
	}
	r := event.Records[0]
	if r.EventSource != "aws:sns" || r.EventVersion != "1.0" || r.EventSubscriptionArn != sub {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"Signature", "SigningCertUrl", "UnsubscribeUrl"} {
		if r.Sns[name] == "" {
			t.Errorf("no %s", name)
		}
		delete(r.Sns, name)
	}
	want := map[string]any{
		"Type": "Notification", "MessageId": id, "TopicArn": arn, "Subject": nil, "Message": "hello", "Timestamp": "2026-03-20T12:00:00.000Z",
		"SignatureVersion": "1", "MessageAttributes": map[string]any{},
	}
	if d := cmp.Diff(want, r.Sns); d != "" {
		t.Error(d)
	}
}

func TestFiltering(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	h.subscribe(arn, "red", "FilterPolicy", `{"colour":["red"]}`)
	h.subscribe(arn, "big", "FilterPolicy", `{"size":[{"numeric":[">",10]}]}`, "FilterPolicyScope", "MessageBody")
	h.subscribe(arn, "all")
	names := func(n int) []string {
		var out []string
		for range n {
			out = append(out, (*take(t, h.queued).QueueUrl)[len("https://sqs.us-east-1.amazonaws.com/000000000000/"):])
		}
		slices.Sort(out)
		return out
	}
	colour := map[string]api.MessageAttributeValue{"colour": {DataType: new("String"), StringValue: new("red")}}
	must(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new(`{"size":11}`), MessageAttributes: colour})
	if got := names(3); !slices.Equal(got, []string{"all", "big", "red"}) {
		t.Error(got)
	}
	must(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new(`{"size":9}`)})
	must(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new(`red`), MessageAttributes: colour})
	if got := names(3); !slices.Equal(got, []string{"all", "all", "red"}) {
		t.Error(got)
	}
	none(t, h.queued)
}

// What the receiver's owner must change goes to the dead letters at once, and
// other failures are tried again by the clock.
func TestRetriesAndDeadLetters(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	h.subscribe(arn, "gone", "RedrivePolicy", `{"deadLetterTargetArn":"`+queueOf("dead")+`"}`)
	h.setQueue("gone", fault.New("AWS.SimpleQueueService.NonExistentQueue", 400, "no such queue"))
	h.publish(arn, "lost")
	got := take(t, h.queued)
	if !strings.HasSuffix(*got.QueueUrl, "/dead") || got.body(t)["Message"] != "lost" || h.tried("gone") != 1 {
		t.Errorf("%s after %d attempts: %s", *got.QueueUrl, h.tried("gone"), *got.MessageBody)
	}
	h.setQueue("gone", errors.New("the machine is on fire"))
	h.publish(arn, "kept")
	// Three at once, two after a second each, ten with growing delays.
	until(t, "immediate retries", func() bool { return h.tried("gone") == 5 })
	h.clk.Advance(time.Second)
	until(t, "the first after a second", func() bool { return h.tried("gone") == 6 })
	h.setQueue("gone", nil)
	for len(h.queued) == 0 {
		h.clk.Advance(time.Second)
		time.Sleep(time.Millisecond)
	}
	if got := take(t, h.queued); !strings.HasSuffix(*got.QueueUrl, "/gone") || got.body(t)["Message"] != "kept" {
		t.Errorf("%s: %s", *got.QueueUrl, *got.MessageBody)
	}
}

// server is a web server that is subscribed.
type server struct {
	*httptest.Server
	got    chan request
	answer chan int // what it answers, 200 when empty
}

type request struct {
	http.Header
	body string
}

func newServer(t *testing.T) *server {
	s := &server{got: make(chan request, 100), answer: make(chan int, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.got <- request{r.Header, string(b)}
		select {
		case code := <-s.answer:
			w.WriteHeader(code)
		default:
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (r request) json(t *testing.T) map[string]string {
	t.Helper()
	v := map[string]any{}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	out := map[string]string{}
	for k, v := range v {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// link asks for a URL of a message, without a key.
func (h *harness) link(t *testing.T, text string) (int, string) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	for _, e := range h.s.Definition().Endpoints {
		if e.Match(r, "127.0.0.1") {
			w := httptest.NewRecorder()
			c := h.call()
			c.Caller.ARN = ""
			e.Serve(w, r, c)
			return w.Code, w.Body.String()
		}
	}
	t.Fatalf("nobody serves %s", text)
	return 0, ""
}

func TestWebServers(t *testing.T) {
	h := newHarness(t)
	web := newServer(t)
	arn := h.topic("t", "SignatureVersion", "2")
	in := &api.SubscribeInput{TopicArn: &arn, Protocol: new("http"), Endpoint: new(web.URL + "/in?x=1")}
	if got := *must(t, h.call(), api.Subscribe, in).SubscriptionArn; got != "pending confirmation" {
		t.Error(got)
	}
	in.ReturnSubscriptionArn = new(true)
	sub := *must(t, h.call(), api.Subscribe, in).SubscriptionArn
	first, second := take(t, web.got), take(t, web.got)
	if first.Get("X-Amz-Sns-Message-Type") != "SubscriptionConfirmation" || first.Get("X-Amz-Sns-Topic-Arn") != arn || first.Get("Content-Type") != "text/plain; charset=UTF-8" {
		t.Errorf("%v", first.Header)
	}
	h.verify(t, first.json(t))
	h.publish(arn, "too early")
	if code, text := h.link(t, strings.Replace(second.json(t)["SubscribeURL"], "Token=", "Token=0", 1)); code != 400 || !strings.Contains(text, "Invalid parameter: Token") {
		t.Errorf("%d: %s", code, text)
	}
	if code, text := h.link(t, second.json(t)["SubscribeURL"]); code != 200 || !strings.Contains(text, "<SubscriptionArn>"+sub+"<") {
		t.Errorf("%d: %s", code, text)
	}
	must(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new("now\nthen"), Subject: new("s")})
	got := take(t, web.got)
	m := got.json(t)
	if m["Message"] != "now\nthen" || got.Get("X-Amz-Sns-Subscription-Arn") != sub || got.Get("X-Amz-Sns-Message-Id") != m["MessageId"] {
		t.Errorf("%v %v", got.Header, m)
	}
	h.verify(t, m)
	must(t, h.call(), api.SetSubscriptionAttributes, &api.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: new("RawMessageDelivery"), AttributeValue: new("true")})
	must(t, h.call(), api.SetSubscriptionAttributes, &api.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: new("DeliveryPolicy"), AttributeValue: new(`{"requestPolicy":{"headerContentType":"text/csv"}}`)})
	h.publish(arn, "a,b")
	if raw := take(t, web.got); raw.body != "a,b" || raw.Get("X-Amz-Sns-Rawdelivery") != "true" || raw.Get("Content-Type") != "text/csv" {
		t.Errorf("%v: %s", raw.Header, raw.body)
	}
	if code, _ := h.link(t, m["UnsubscribeURL"]); code != 200 {
		t.Error(code)
	}
	end := take(t, web.got).json(t)
	if end["Type"] != "UnsubscribeConfirmation" {
		t.Error(end)
	}
	h.verify(t, end)
	fails(t, h.call(), api.GetSubscriptionAttributes, &api.GetSubscriptionAttributesInput{SubscriptionArn: &sub}, "NotFound", "Subscription does not exist")
	if code, _ := h.link(t, end["SubscribeURL"]); code != 200 {
		t.Error(code)
	}
	h.publish(arn, "again")
	if got := take(t, web.got); got.body != "again" {
		t.Error(got.body)
	}
}

// verify checks a message's signature as receivers do.
func (h *harness) verify(t *testing.T, m map[string]string) {
	t.Helper()
	_, text := h.link(t, m["SigningCertURL"])
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal(text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	signed := ""
	for _, n := range names {
		if v, ok := m[n]; ok {
			signed += n + "\n" + v + "\n"
		}
	}
	signature, err := base64.StdEncoding.DecodeString(m["Signature"])
	if err != nil || m["SignatureVersion"] != "2" {
		t.Fatal(err, m["SignatureVersion"])
	}
	sum := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("%v: %v", err, m)
	}
}

func TestWebServersFail(t *testing.T) {
	h := newHarness(t)
	web := newServer(t)
	arn := h.topic("t")
	sub := *must(t, h.call(), api.Subscribe, &api.SubscribeInput{
		TopicArn: &arn, Protocol: new("http"), Endpoint: &web.URL, ReturnSubscriptionArn: new(true),
		Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + queueOf("dead") + `"}`, "DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":2,"minDelayTarget":7,"maxDelayTarget":7}}`},
	}).SubscriptionArn
	token := take(t, web.got).json(t)["Token"]
	if got := *must(t, h.call(), api.ConfirmSubscription, &api.ConfirmSubscriptionInput{TopicArn: &arn, Token: &token, AuthenticateOnUnsubscribe: new("true")}).SubscriptionArn; got != sub {
		t.Error(got)
	}
	web.answer <- 500
	web.answer <- 429
	web.answer <- 503
	h.publish(arn, "one")
	for range 2 {
		take(t, web.got)
		none(t, web.got)
		waiting := h.clk.Timers()
		until(t, "the next attempt is waited for", func() bool { return h.clk.Timers() >= waiting })
		for i := 0; len(web.got) == 0; i++ {
			if i > 20 {
				t.Fatal("no further attempt")
			}
			h.clk.Advance(time.Second)
			time.Sleep(5 * time.Millisecond)
		}
	}
	take(t, web.got)
	if got := take(t, h.queued).body(t); got["Message"] != "one" {
		t.Error(got)
	}
	web.answer <- 404
	h.publish(arn, "two")
	take(t, web.got)
	got := take(t, h.queued).body(t)
	if got["Message"] != "two" {
		t.Error(got)
	}
	if code, _ := h.link(t, fmt.Sprint(got["UnsubscribeURL"])); code != 403 {
		t.Errorf("a locked subscription was ended by a link: %d", code)
	}
}

func TestMail(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t", "DisplayName", "Shop")
	must(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("email"), Endpoint: new("a@example.com")})
	ask := take(t, h.mailed)
	if ask.To != "a@example.com" || ask.From != `"Shop" <no-reply@sns.amazonaws.com>` || ask.Subject != "AWS Notification - Subscription Confirmation" {
		t.Errorf("%+v", ask)
	}
	at := strings.Index(ask.Text, "http://")
	if code, text := h.link(t, strings.TrimSpace(ask.Text[at:])); code != 200 {
		t.Fatal(text)
	}
	must(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new("Hello"), Subject: new("News")})
	if got := take(t, h.mailed); got.Subject != "News" || !strings.HasPrefix(got.Text, "Hello\n") || !strings.Contains(got.Text, "Action=Unsubscribe") {
		t.Errorf("%+v", got)
	}
}

func TestUnconfirmedSubscriptionsEnd(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t")
	must(t, h.call(), api.Subscribe, &api.SubscribeInput{TopicArn: &arn, Protocol: new("email-json"), Endpoint: new("a@example.com")})
	var m struct{ SubscribeURL string }
	if err := json.Unmarshal([]byte(take(t, h.mailed).Text), &m); err != nil {
		t.Fatal(err)
	}
	pending := func() string {
		return must(t, h.call(), api.GetTopicAttributes, &api.GetTopicAttributesInput{TopicArn: &arn}).Attributes["SubscriptionsPending"]
	}
	if got := pending(); got != "1" {
		t.Error(got)
	}
	h.clk.Advance(confirmationLife + time.Minute)
	until(t, "the subscription is gone", func() bool { return pending() == "0" })
	if code, text := h.link(t, m.SubscribeURL); code != 400 {
		t.Error(text)
	}
}

func TestEncryptedTopics(t *testing.T) {
	h := newHarness(t)
	arn := h.topic("t", "KmsMasterKeyId", "alias/x")
	h.kms = fault.New("DisabledException", 400, "the key is disabled")
	fails(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new("x")}, "KMSDisabled", "")
	h.kms = fault.New("NotFoundException", 400, "no key")
	fails(t, h.call(), api.Publish, &api.PublishInput{TopicArn: &arn, Message: new("x")}, "KMSNotFound", "")
	h.kms = nil
	h.publish(arn, "x")
}
