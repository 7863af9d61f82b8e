package events

import (
	"slices"
	"strings"
	"time"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/eventpattern"
	"moln.dev/moln/aws/smithy"
)

// ruleKey is a rule by its name.
type ruleKey struct {
	busKey
	rule string
}

// arn is without the bus's name for rules of the default bus.
func (k ruleKey) arn() string {
	if k.name == defaultBus {
		return k.place.arn("rule/" + k.rule)
	}
	return k.place.arn("rule/" + k.name + "/" + k.rule)
}

// ruleOf reads a rule's ARN.
func ruleOf(p place, resource string) (ruleKey, bool) {
	rest, ok := strings.CutPrefix(resource, "rule/")
	if !ok {
		return ruleKey{}, false
	}
	k := ruleKey{busKey{p, defaultBus}, rest}
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		k.name, k.rule = rest[:at], rest[at+1:]
	}
	return k, k.rule != ""
}

// rule is a rule as stored, with its targets.
type rule struct {
	Name        string            `json:"name"`
	Pattern     string            `json:"pattern,omitempty"`
	Schedule    string            `json:"schedule,omitempty"`
	State       string            `json:"state"`
	Description string            `json:"description,omitempty"`
	Role        string            `json:"role,omitempty"`
	CreatedBy   string            `json:"createdBy"`
	Tags        map[string]string `json:"tags,omitempty"`
	Targets     []api.Target      `json:"targets,omitempty"`
	// Round tells the timers of a schedule from those that it had before it was
	// changed, disabled or made anew.
	Round string `json:"round,omitempty"`
}

func (r *rule) enabled() bool { return r.State != api.RuleStateDisabled }

// target finds a target by its id.
func (r *rule) target(id string) *api.Target {
	i := slices.IndexFunc(r.Targets, func(t api.Target) bool { return *t.Id == id })
	if i < 0 {
		return nil
	}
	return &r.Targets[i]
}

// compiled is a rule that can be matched.
type compiled struct {
	rule
	key     ruleKey
	pattern *eventpattern.Pattern
}

func (k ruleKey) describe(r *rule) api.Rule {
	return api.Rule{
		Name: &r.Name, Arn: new(k.arn()), EventPattern: text(r.Pattern), State: &r.State, Description: text(r.Description),
		ScheduleExpression: text(r.Schedule), RoleArn: text(r.Role), EventBusName: new(k.name),
	}
}

// text is nil for the empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// checkPattern compiles a pattern; its error is the fault.
func checkPattern(pattern *string) error {
	if smithy.Val(pattern) == "" {
		return nil
	}
	if _, err := eventpattern.Parse([]byte(*pattern), eventpattern.EventBridge); err != nil {
		return api.ErrInvalidEventPatternException("%s", err.Error())
	}
	return nil
}

// timeOf is nil for the zero time.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
