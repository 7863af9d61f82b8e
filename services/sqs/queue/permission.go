package queue

import (
	"regexp"
	"slices"
	"strings"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/policy"
)

// policyName is what decisions call the policy of a queue.
func policyName(k Key) string { return "policy of " + k.Name }

func compilePolicy(k Key, text string) (*policy.Policy, error) {
	p, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, err
	}
	return p.Named(policyName(k)), nil
}

// Permission is what AddPermission is asked for.
type Permission struct {
	Label    string
	Accounts []string
	Actions  []string // without "SQS:"
}

// The label has up to 80 characters
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html);
// the quota of actions is of the same service's "policies" page.
var labelForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

const actionsMax = 7

// shareable are the operations that a permission may be for.
func shareable(action string) bool {
	switch action {
	case "*", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl",
		"ListDeadLetterSourceQueues", "PurgeQueue":
		return true
	}
	return false
}

func (p Permission) check() error {
	if !labelForm.MatchString(p.Label) {
		return Invalid("Value %s for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.", p.Label)
	}
	if len(p.Accounts) == 0 {
		return Missing("AWSAccountIds")
	}
	if len(p.Actions) == 0 {
		return Missing("Actions")
	}
	if len(p.Actions) > actionsMax {
		return api.ErrOverLimit("%d Actions were found, maximum allowed is %d.", len(p.Actions), actionsMax)
	}
	for _, a := range p.Accounts {
		if !accountForm.MatchString(a) {
			return Invalid("Value [%s] for parameter PrincipalId is invalid. Reason: Unable to verify.", a)
		}
	}
	for _, a := range p.Actions {
		if !shareable(a) {
			return Invalid("Value SQS:%s for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions. ", a)
		}
	}
	return nil
}

// Grant adds a permission to the policy of a queue.
func (q *Queue) Grant(p Permission) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	doc := policy.Draft{Version: policy.Version2008, ID: q.ARN() + "/SQSDefaultPolicy"}
	if err := doc.Read(q.Set[api.QueueAttributeNamePolicy]); err != nil {
		return "", err
	}
	if labelled(&doc, p.Label) >= 0 {
		return "", Invalid("Value %s for parameter Label is invalid. Reason: Already exists.", p.Label)
	}
	var principals, actions []string
	for _, a := range p.Accounts {
		principals = append(principals, "arn:aws:iam::"+a+":root")
	}
	for _, a := range p.Actions {
		actions = append(actions, "SQS:"+a)
	}
	err := doc.Add(policy.Grant{
		Sid: p.Label, Effect: policy.Allow, Principal: map[string]any{"AWS": policy.Alone(principals)}, Action: policy.Alone(actions), Resource: q.ARN(),
	})
	if err != nil {
		return "", err
	}
	return doc.Text()
}

// Revoke removes a permission; the policy is empty where none is left.
func (q *Queue) Revoke(label string) (string, error) {
	var doc policy.Draft
	if err := doc.Read(q.Set[api.QueueAttributeNamePolicy]); err != nil {
		return "", err
	}
	i := labelled(&doc, label)
	if i < 0 {
		return "", Invalid("Value %s for parameter Label is invalid. Reason: can't find label.", label)
	}
	doc.Statement = slices.Delete(doc.Statement, i, i+1)
	return doc.Text()
}

// labelled is where a policy has a permission, or -1.
func labelled(doc *policy.Draft, label string) int {
	return doc.Index(func(sid string) bool { return strings.EqualFold(sid, label) })
}
