// Package filter decides which messages a subscription gets: SNS's filter
// policies, over the attributes of messages or over their bodies. The language of
// the patterns is package eventpattern's; what is SNS's own is here: the two
// scopes, what an attribute's value is, and the limits.
//
// Sources: SNS developer guide, sns-subscription-filter-policies and
// subscription-filter-policy-constraints.
package filter

import (
	"encoding/json"
	"errors"
	"math"
	"strings"

	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/services/sns/envelope"
)

// Limits of a policy (subscription-filter-policy-constraints).
const (
	bytesMax        = 256 << 10
	keysMax         = 5
	combinationsMax = 150
)

// Scopes of a policy.
const (
	Attributes = "MessageAttributes"
	Body       = "MessageBody"
)

const orKey = "$or"

// Policy is a compiled policy. Safe for concurrent use.
type Policy struct {
	pattern *eventpattern.Pattern // nil: everything
	body    bool
}

// Error says what is wrong with a policy, as SNS does after "Invalid parameter: ".
type Error struct{ Reason string }

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// Parse compiles a policy for a scope. Its errors are of type *Error.
func Parse(text, scope string) (*Policy, error) {
	if len(text) > bytesMax {
		return nil, &Error{"FilterPolicy: Filter policy is larger than 256 KB"}
	}
	v, err := eventpattern.Decode([]byte(text))
	if err != nil {
		return nil, &Error{"FilterPolicy: failed to parse JSON."}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{"FilterPolicy: Filter is not an object"}
	}
	p := &Policy{body: scope == Body}
	if len(m) == 0 {
		return p, nil
	}
	if !p.body && nested(m) {
		return nil, &Error{"Filter policy scope MessageAttributes does not support nested filter policy"}
	}
	p.pattern, err = eventpattern.Parse([]byte(text), eventpattern.Notification)
	if e := (*eventpattern.Error)(nil); errors.As(err, &e) {
		return nil, &Error{"FilterPolicy: " + e.Reason}
	}
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	keys(m, names)
	if len(names) > keysMax {
		return nil, &Error{"FilterPolicy: Filter policy can not have more than 5 keys"}
	}
	if combinations(m, 1) > combinationsMax {
		return nil, &Error{"FilterPolicy: Filter policy is too complex"}
	}
	return p, nil
}

// either gives the alternatives of a $or, or nil where that is a field's name.
func either(name string, v any) []map[string]any {
	list, ok := v.([]any)
	if name != orKey || !ok || len(list) < 2 {
		return nil
	}
	out := make([]map[string]any, len(list))
	for i, e := range list {
		if out[i], ok = e.(map[string]any); !ok {
			return nil
		}
	}
	return out
}

// nested says whether a policy looks below the first level.
func nested(m map[string]any) bool {
	for name, v := range m {
		for _, one := range either(name, v) {
			if nested(one) {
				return true
			}
		}
		if sub, ok := v.(map[string]any); ok && hasLeaf(sub) {
			return true
		}
	}
	return false
}

// hasLeaf says whether some value below is a list, so that the policy means to
// look deeper and is not merely malformed.
func hasLeaf(m map[string]any) bool {
	for _, v := range m {
		switch v := v.(type) {
		case []any:
			return true
		case map[string]any:
			if hasLeaf(v) {
				return true
			}
		}
	}
	return false
}

// keys collects the names of the first level, those of alternatives included:
// "for a nested policy, only parent keys are counted".
func keys(m map[string]any, into map[string]bool) {
	for name, v := range m {
		if alternatives := either(name, v); alternatives != nil {
			for _, one := range alternatives {
				keys(one, into)
			}
			continue
		}
		into[name] = true
	}
}

// combinations is the complexity of a policy: the product of what its lists count,
// each as many times as it is deep, and the sum over alternatives.
func combinations(m map[string]any, depth int) float64 {
	product := 1.0
	for name, v := range m {
		if alternatives := either(name, v); alternatives != nil {
			sum := 0.0
			for _, one := range alternatives {
				sum += combinations(one, depth)
			}
			product *= sum
			continue
		}
		switch v := v.(type) {
		case []any:
			product *= float64(len(v) * depth)
		case map[string]any:
			product *= combinations(v, depth+1)
		}
	}
	return math.Min(product, math.MaxFloat32)
}

// Match says whether a subscription with the policy gets a message.
func (p *Policy) Match(text string, attributes map[string]envelope.Attribute) bool {
	if p == nil || p.pattern == nil {
		return true
	}
	if p.body {
		v, err := eventpattern.Decode([]byte(text))
		if err != nil {
			return false
		}
		if _, ok := v.(map[string]any); !ok {
			return false // only objects have properties
		}
		return p.pattern.MatchValue(v)
	}
	v := make(map[string]any, len(attributes))
	for name, a := range attributes {
		if x, ok := value(a); ok {
			v[name] = x
		}
	}
	return p.pattern.MatchValue(v)
}

// value is what a policy sees of an attribute: binary ones, and lists that are
// none, it does not see.
func value(a envelope.Attribute) (any, bool) {
	kind, label, _ := strings.Cut(a.Type, ".")
	switch {
	case kind == "Binary":
		return nil, false
	case kind == "Number":
		return json.Number(a.Text), true
	case kind == "String" && label == "Array":
		v, err := eventpattern.Decode([]byte(a.Text))
		if list, ok := v.([]any); err == nil && ok {
			return list, true
		}
		return nil, false
	}
	return a.Text, true
}
