package events

import (
	"encoding/json"
	"strings"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// Limits of an account in a region, and of a bus.
//
// Source: EventBridge quotas (eventbridge/latest/userguide/eb-quota.html).
const (
	busesMax       = 100
	rulesPerBusMax = 300
	policyBytesMax = 10_240
	tagsMax        = 50
)

// defaultBus is the bus that each account has in each region.
const defaultBus = "default"

// place is an account in a region.
type place struct{ account, region string }

func placeOf(c *service.Call) place { return place{c.Account, c.Region} }

func (p place) arn(resource string) string {
	return arn.ARN{Partition: arn.PartitionOf(p.region), Service: "events", Region: p.region, Account: p.account, Resource: resource}.String()
}

// busKey is a bus by its name.
type busKey struct {
	place
	name string
}

func (k busKey) arn() string { return k.place.arn("event-bus/" + k.name) }

// busOf reads a bus's name or ARN; without one it is the default bus.
func busOf(c *service.Call, nameOrARN *string) busKey {
	text := smithy.Val(nameOrARN)
	if text == "" {
		return busKey{placeOf(c), defaultBus}
	}
	a, err := arn.Parse(text)
	if err != nil {
		return busKey{placeOf(c), text}
	}
	return busKey{place{a.Account, a.Region}, strings.TrimPrefix(a.Resource, "event-bus/")}
}

// bus is an event bus as stored.
type bus struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Policy      string            `json:"policy,omitempty"`
	DeadLetter  string            `json:"deadLetter,omitempty"`
	Created     time.Time         `json:"created,omitzero"`
	Modified    time.Time         `json:"modified,omitzero"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Generation counts the changes of its rules and archives (E4), Rules and
	// Archives are how many there are.
	Generation uint64 `json:"generation,omitempty"`
	Rules      int    `json:"rules,omitempty"`
	Archives   int    `json:"archives,omitempty"`

	compiled *policy.Policy
}

// draftOf is the policy of a bus, to be changed.
func draftOf(text string) (policy.Draft, error) {
	if text == "" {
		return policy.Draft{Version: policy.Version2012}, nil
	}
	var d policy.Draft
	err := d.Read(text)
	return d, err
}

// indexOf is where a policy has the statement of an id, or -1.
func indexOf(d *policy.Draft, id string) int {
	return d.Index(func(sid string) bool { return sid == id })
}

// permit gives a policy with a statement more, or in the place of the one of its
// id.
func permit(text, sid string, raw json.RawMessage) (string, error) {
	d, err := draftOf(text)
	if err != nil {
		return "", err
	}
	if at := indexOf(&d, sid); at >= 0 {
		d.Statement[at] = raw
	} else {
		d.Statement = append(d.Statement, raw)
	}
	return d.Text()
}

// statementOf is the statement that PutPermission's older form means.
func statementOf(k busKey, in *api.PutPermissionInput) policy.Grant {
	s := policy.Grant{Sid: smithy.Val(in.StatementId), Effect: policy.Allow, Action: smithy.Val(in.Action), Resource: k.arn(), Principal: "*"}
	if p := smithy.Val(in.Principal); p != "*" {
		s.Principal = map[string]string{"AWS": arn.ARN{Partition: arn.PartitionOf(k.region), Service: "iam", Account: p, Resource: "root"}.String()}
	}
	if c := in.Condition; c != nil {
		s.Condition = map[string]map[string]string{smithy.Val(c.Type): {smithy.Val(c.Key): smithy.Val(c.Value)}}
	}
	return s
}
