package queue

import (
	"net/url"
	"regexp"
	"strings"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/arn"
)

// Key says which queue is meant.
type Key struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"`
}

// fifoSuffix ends the names of FIFO queues, and of no others.
const fifoSuffix = ".fifo"

// Fifo reports whether it is a FIFO queue.
func (k Key) Fifo() bool { return strings.HasSuffix(k.Name, fifoSuffix) }

// ARN is the queue's ARN.
func (k Key) ARN() string { return "arn:aws:sqs:" + k.Region + ":" + k.Account + ":" + k.Name }

// URL is the queue's URL at an endpoint.
func (k Key) URL(endpoint string) string { return endpoint + "/" + k.Account + "/" + k.Name }

// ParseARN reads a queue's ARN.
func ParseARN(s string) (Key, bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "sqs" || a.Region == "" || !accountForm.MatchString(a.Account) || !isName(a.Resource) {
		return Key{}, false
	}
	return Key{a.Account, a.Region, a.Resource}, true
}

// Names have 1 to 80 characters, ".fifo" included
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html).
const nameMax = 80

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

func isName(s string) bool {
	base := strings.TrimSuffix(s, fifoSuffix)
	return len(s) <= nameMax && nameForm.MatchString(base)
}

// CheckName checks the name of a queue that is to be made.
func CheckName(name string, fifo bool) error {
	switch {
	case fifo && (!strings.HasSuffix(name, fifoSuffix) || !isName(name)):
		return Invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && !nameForm.MatchString(name):
		return Invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// ParseURL finds the queue that a URL names. Whatever host moln is reached by is
// as good as AWS's; one of AWS's names the region as well:
//
//	https://sqs.REGION.amazonaws.com/ACCOUNT/NAME
//	https://REGION.queue.amazonaws.com/ACCOUNT/NAME
//	https://queue.amazonaws.com/ACCOUNT/NAME
func ParseURL(s, region string) (Key, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Key{}, badAddress(s)
	}
	account, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !ok || !accountForm.MatchString(account) {
		return Key{}, badAddress(s)
	}
	if !isName(name) {
		return Key{}, Absent()
	}
	if r := regionOf(strings.ToLower(u.Hostname())); r != "" && r != region {
		return Key{}, badAddress(s)
	}
	return Key{account, region, name}, nil
}

// regionOf is the region that a host of AWS's names, or empty.
func regionOf(host string) string {
	name, ok := strings.CutSuffix(strings.TrimSuffix(host, ".cn"), ".amazonaws.com")
	if !ok {
		return ""
	}
	if name == "queue" {
		return "us-east-1"
	}
	if r, ok := strings.CutSuffix(name, ".queue"); ok {
		return r
	}
	if r, ok := strings.CutPrefix(name, "sqs."); ok && !strings.Contains(r, ".") {
		return r
	}
	return ""
}

func badAddress(s string) error {
	return api.ErrInvalidAddress("The address %s is not valid for this endpoint.", s)
}

// Absent is the fault for a queue that is not there.
func Absent() error { return api.ErrQueueDoesNotExist("The specified queue does not exist.") }
