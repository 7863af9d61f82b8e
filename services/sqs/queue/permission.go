package queue

import (
	"bytes"
	"encoding/json"
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

// document is a policy to which permissions are added.
type document struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement oneOrMany
}

type oneOrMany []json.RawMessage

// UnmarshalJSON reads a list, or its only member.
func (l *oneOrMany) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return json.Unmarshal(raw, (*[]json.RawMessage)(l))
	}
	*l = oneOrMany{bytes.Clone(raw)}
	return nil
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]any
	Action    any
	Resource  string
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

// oneOf is a list, or its only member by itself.
func oneOf(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// Grant adds a permission to the policy of a queue.
func (q *Queue) Grant(p Permission) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	doc := document{Version: string(policy.Version2008), ID: q.ARN() + "/SQSDefaultPolicy"}
	if text := q.Set[api.QueueAttributeNamePolicy]; text != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return "", err
		}
	}
	if doc.index(p.Label) >= 0 {
		return "", Invalid("Value %s for parameter Label is invalid. Reason: Already exists.", p.Label)
	}
	var principals, actions []string
	for _, a := range p.Accounts {
		principals = append(principals, "arn:aws:iam::"+a+":root")
	}
	for _, a := range p.Actions {
		actions = append(actions, "SQS:"+a)
	}
	raw, err := json.Marshal(statement{p.Label, string(policy.Allow), map[string]any{"AWS": oneOf(principals)}, oneOf(actions), q.ARN()})
	if err != nil {
		return "", err
	}
	doc.Statement = append(doc.Statement, raw)
	out, err := json.Marshal(doc)
	return string(out), err
}

// Revoke removes a permission; the policy is empty where none is left.
func (q *Queue) Revoke(label string) (string, error) {
	var doc document
	if text := q.Set[api.QueueAttributeNamePolicy]; text != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return "", err
		}
	}
	i := doc.index(label)
	if i < 0 {
		return "", Invalid("Value %s for parameter Label is invalid. Reason: can't find label.", label)
	}
	doc.Statement = slices.Delete(doc.Statement, i, i+1)
	if len(doc.Statement) == 0 {
		return "", nil
	}
	out, err := json.Marshal(doc)
	return string(out), err
}

func (d *document) index(label string) int {
	return slices.IndexFunc(d.Statement, func(raw json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(raw, &s) == nil && strings.EqualFold(s.Sid, label)
	})
}
