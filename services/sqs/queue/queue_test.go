package queue

import (
	"encoding/json"
	"strings"
	"testing"

	"moln.dev/moln/aws/fault"
)

var (
	plain = Key{"000000000000", "us-east-1", "jobs"}
	fifo  = Key{"000000000000", "us-east-1", "jobs.fifo"}
)

func TestParseURL(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:4566/000000000000/jobs":               "jobs",
		"https://sqs.us-east-1.amazonaws.com/000000000000/jobs": "jobs",
		"https://us-east-1.queue.amazonaws.com/000000000000/a":  "a",
		"https://queue.amazonaws.com/000000000000/a.fifo":       "a.fifo",
		"/000000000000/jobs":                                    "jobs",
		"https://sqs.eu-west-1.amazonaws.com/000000000000/jobs": "InvalidAddress",
		"jobs":                      "InvalidAddress",
		"http://x/1/jobs":           "InvalidAddress",
		"http://x/000000000000/":    "QueueDoesNotExist",
		"http://x/000000000000/a/b": "QueueDoesNotExist",
		"http://[":                  "InvalidAddress",
		"http://x/000000000000/" + strings.Repeat("a", 81): "QueueDoesNotExist",
	} {
		k, err := ParseURL(url, "us-east-1")
		got := k.Name
		if f := fault.As(err); f != nil {
			got = f.Code
		}
		if got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		fifo bool
		want bool
	}{
		{"a-B_1", false, true}, {"a.fifo", true, true}, {"a.fifo", false, false}, {"a", true, false}, {"", false, false},
		{strings.Repeat("a", 80), false, true}, {strings.Repeat("a", 81), false, false}, {strings.Repeat("a", 76) + ".fifo", true, false}, {"a b", false, false},
	} {
		if err := CheckName(tt.name, tt.fifo); (err == nil) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

const letters = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":%}`

func TestMerge(t *testing.T) {
	redrive := func(count string) map[string]string {
		return map[string]string{"RedrivePolicy": strings.ReplaceAll(letters, "%", count)}
	}
	for _, tt := range []struct {
		k       Key
		have    map[string]string
		request map[string]string
		want    string // a part of the fault; empty: none
	}{
		{plain, nil, map[string]string{"DelaySeconds": "900", "MaximumMessageSize": "1048576", "VisibilityTimeout": "43200"}, ""},
		{plain, nil, map[string]string{"DelaySeconds": "901"}, "InvalidAttributeValue: Invalid value for the parameter DelaySeconds."},
		{plain, nil, map[string]string{"MaximumMessageSize": "1023"}, "Invalid value for the parameter MaximumMessageSize."},
		{plain, nil, map[string]string{"VisibilityTimeout": ""}, "Invalid value for the parameter VisibilityTimeout."},
		{plain, nil, map[string]string{"QueueArn": "x"}, "InvalidAttributeName: Unknown Attribute QueueArn."},
		{plain, nil, map[string]string{"Foo": "x"}, "Unknown Attribute Foo."},
		{plain, nil, map[string]string{"FifoQueue": "true"}, "Unknown Attribute FifoQueue."},
		{plain, nil, map[string]string{"DeduplicationScope": "queue"}, "You can specify the DeduplicationScope only when FifoQueue is set to true."},
		{fifo, nil, map[string]string{"FifoQueue": "false"}, "Modifying queue type is not supported."},
		{fifo, nil, map[string]string{"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"}, "allowed only when the value for DeduplicationScope is messageGroup"},
		{fifo, map[string]string{"DeduplicationScope": "messageGroup"}, map[string]string{"FifoThroughputLimit": "perMessageGroupId"}, ""},
		{plain, nil, redrive("3"), ""},
		{plain, nil, redrive(`"1000"`), ""},
		{plain, nil, redrive("0"), "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."},
		{plain, nil, redrive("1001"), "Invalid value for maxReceiveCount"},
		{fifo, nil, redrive("1"), "same type of queue"},
		{plain, nil, map[string]string{"RedrivePolicy": "x"}, "not a valid JSON map"},
		{plain, nil, map[string]string{"RedrivePolicy": "{}"}, "deadLetterTargetArn"},
		{plain, redrive("1"), map[string]string{"RedrivePolicy": ""}, ""},
		{plain, nil, map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:a"]}`}, ""},
		{plain, nil, map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"byQueue"}`}, "RedriveAllowPolicy"},
		{plain, nil, map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"some"}`}, "RedriveAllowPolicy"},
		{plain, nil, map[string]string{"Policy": "{"}, "Invalid value for the parameter Policy."},
		{plain, nil, map[string]string{"SqsManagedSseEnabled": "true", "KmsMasterKeyId": "x"}, "one type of server-side encryption"},
		{plain, map[string]string{"KmsMasterKeyId": "x"}, map[string]string{"SqsManagedSseEnabled": "true"}, "one type of server-side encryption"},
	} {
		_, err := Merge(tt.k, tt.have, tt.request)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.request, err, tt.want)
		}
	}
}

func TestEncryptionChanges(t *testing.T) {
	set, err := Merge(plain, nil, map[string]string{"KmsMasterKeyId": "x"})
	if err != nil || set["SqsManagedSseEnabled"] != "false" {
		t.Fatal(set, err)
	}
	q := &Queue{Key: plain, Set: set}
	if err := q.Understand(); err != nil || q.Sealed || q.KeyID != "x" || q.Shown()["KmsDataKeyReusePeriodSeconds"] != "300" {
		t.Errorf("%+v %v", q, err)
	}
}

func TestSame(t *testing.T) {
	q := &Queue{Key: plain, Set: map[string]string{"DelaySeconds": "5", "RedrivePolicy": `{"a":1,"b":2}`}}
	for want, request := range map[string]map[string]string{
		"":                  {"DelaySeconds": "5", "VisibilityTimeout": "30", "RedrivePolicy": `{ "b": 2, "a": 1 }`},
		"DelaySeconds":      {"DelaySeconds": "6"},
		"VisibilityTimeout": {"VisibilityTimeout": "31"},
		"RedrivePolicy":     {"RedrivePolicy": `{"a":1}`},
	} {
		if got, _ := q.Same(request); got != want {
			t.Errorf("%v: %q, want %q", request, got, want)
		}
	}
}

func TestPermissions(t *testing.T) {
	q := &Queue{Key: plain, Set: map[string]string{}}
	text, err := q.Grant(Permission{Label: "one", Accounts: []string{"111111111111", "222222222222"}, Actions: []string{"SendMessage"}})
	const want = `{"Version":"2008-10-17","Id":"arn:aws:sqs:us-east-1:000000000000:jobs/SQSDefaultPolicy","Statement":[{"Sid":"one","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::222222222222:root"]},"Action":"SQS:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:jobs"}]}`
	if err != nil || text != want {
		t.Fatal(text, err)
	}
	q.Set["Policy"] = text
	for want, p := range map[string]Permission{
		"Already exists.":                             {Label: "one", Accounts: []string{"111111111111"}, Actions: []string{"*"}},
		"Unable to verify.":                           {Label: "two", Accounts: []string{"x"}, Actions: []string{"*"}},
		"list of valid actions":                       {Label: "two", Accounts: []string{"111111111111"}, Actions: []string{"DeleteQueue"}},
		"8 Actions were found, maximum allowed is 7.": {Label: "two", Accounts: []string{"111111111111"}, Actions: make([]string, 8)},
	} {
		if _, err := q.Grant(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := q.Revoke("two"); err == nil || !strings.Contains(err.Error(), "can't find label.") {
		t.Error(err)
	}
	if left, err := q.Revoke("one"); left != "" || err != nil {
		t.Error(left, err)
	}
}

func TestAllow(t *testing.T) {
	var none *Allow
	by := &Allow{allowByQueue, []string{plain.ARN()}}
	if !none.Allows(plain) || (&Allow{Permission: denyAll}).Allows(plain) || !by.Allows(plain) || by.Allows(fifo) {
		t.Error("redrive permissions are not judged as they say")
	}
	var r *Redrive
	if r.Exhausted(9) || (&Redrive{MaxReceives: 2}).Exhausted(1) || !(&Redrive{MaxReceives: 2}).Exhausted(2) {
		t.Error("messages are not moved when they were received as often as may be")
	}
}

func FuzzPolicies(f *testing.F) {
	for _, s := range []string{`{}`, strings.ReplaceAll(letters, "%", "1"), `{"redrivePermission":"allowAll"}`, `{"Statement":[]}`, `[`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{"RedrivePolicy", "RedriveAllowPolicy", "Policy"} {
			set, err := Merge(plain, nil, map[string]string{name: s})
			if err != nil {
				continue
			}
			q := &Queue{Key: plain, Set: set}
			if err := q.Understand(); err != nil {
				t.Errorf("%s %q was taken, and is not understood: %v", name, s, err)
			}
			if name == "Policy" && s != "" {
				if text, err := q.Grant(Permission{Label: "fuzz", Accounts: []string{"111111111111"}, Actions: []string{"*"}}); err == nil && !json.Valid([]byte(text)) {
					t.Errorf("%q", text)
				}
			}
		}
	})
}
