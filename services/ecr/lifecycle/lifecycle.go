// Package lifecycle is the language of ECR's lifecycle policies: rules by
// priority that say which images of a repository expire. It decides and deletes
// nothing.
package lifecycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const rulesMax = 50 // "Rules per lifecycle policy", Amazon ECR service quotas

// Policy is a parsed policy, its rules by priority.
type Policy struct{ Rules []Rule }

// Rule is one rule.
type Rule struct {
	Priority    int       `json:"rulePriority"`
	Description string    `json:"description"`
	Selection   Selection `json:"selection"`
	Action      struct {
		Type string `json:"type"`
	} `json:"action"`
}

// Selection says which images a rule is about, and how many or how old.
type Selection struct {
	TagStatus   string   `json:"tagStatus"`
	TagPrefixes []string `json:"tagPrefixList"`
	TagPatterns []string `json:"tagPatternList"`
	CountType   string   `json:"countType"`
	CountUnit   string   `json:"countUnit"`
	CountNumber int      `json:"countNumber"`
}

// Values of the language.
const (
	tagged, untagged, anyTag = "tagged", "untagged", "any"
	countMore                = "imageCountMoreThan"
	sincePushed              = "sinceImagePushed"
	sincePulled              = "sinceImagePulled"
)

// Image is what rules ask about.
type Image struct {
	Digest         string
	Tags           []string
	Pushed, Pulled time.Time // Pulled is zero where it never was
}

// Expired is an image that a rule lets go.
type Expired struct {
	Image
	Priority int
}

// Parse reads a policy. Its errors are the caller's mistakes.
func Parse(text string) (*Policy, error) {
	var p struct {
		Rules []Rule `json:"rules"`
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || d.More() {
		return nil, fmt.Errorf("the policy is not a JSON document of rules: %v", err)
	}
	if len(p.Rules) == 0 || len(p.Rules) > rulesMax {
		return nil, fmt.Errorf("a policy has 1 to %d rules", rulesMax)
	}
	slices.SortStableFunc(p.Rules, func(a, b Rule) int { return a.Priority - b.Priority })
	for i := range p.Rules {
		r := &p.Rules[i]
		if i > 0 && p.Rules[i-1].Priority == r.Priority {
			return nil, fmt.Errorf("two rules have the priority %d", r.Priority)
		}
		if err := r.check(i == len(p.Rules)-1); err != nil {
			return nil, fmt.Errorf("rule %d: %w", r.Priority, err)
		}
	}
	return &Policy{p.Rules}, nil
}

func (r *Rule) check(last bool) error {
	s := r.Selection
	named := len(s.TagPrefixes) > 0 || len(s.TagPatterns) > 0
	aged := s.CountType == sincePushed || s.CountType == sincePulled
	switch {
	case r.Priority < 1:
		return fmt.Errorf("a priority is at least 1")
	case r.Action.Type != "expire":
		return fmt.Errorf("the action %q is not supported, only expire", r.Action.Type)
	case s.TagStatus != tagged && s.TagStatus != untagged && s.TagStatus != anyTag:
		return fmt.Errorf("tagStatus is tagged, untagged or any")
	case s.TagStatus == tagged && (len(s.TagPrefixes) > 0) == (len(s.TagPatterns) > 0):
		return fmt.Errorf("tagStatus tagged needs either tagPrefixList or tagPatternList")
	case s.TagStatus != tagged && named:
		return fmt.Errorf("lists of tags go with tagStatus tagged only")
	case s.TagStatus == anyTag && !last:
		return fmt.Errorf("a rule of tagStatus any must have the lowest priority")
	case s.CountType != countMore && !aged:
		return fmt.Errorf("countType is %s, %s or %s", countMore, sincePushed, sincePulled)
	case aged != (s.CountUnit == "days") || (!aged && s.CountUnit != ""):
		return fmt.Errorf("countUnit days goes with the ages, and with nothing else")
	case s.CountNumber < 1:
		return fmt.Errorf("countNumber is at least 1")
	}
	return nil
}

// Judge says which images expire, and by which rule. An image that a rule of
// higher priority is about is no matter of those below, whether it expires or
// not.
func (p *Policy) Judge(images []Image, now time.Time) []Expired {
	rest := slices.Clone(images)
	slices.SortStableFunc(rest, func(a, b Image) int { return b.Pushed.Compare(a.Pushed) }) // the newest first
	var out []Expired
	for _, r := range p.Rules {
		var mine, others []Image
		for _, i := range rest {
			if r.Selection.about(i) {
				mine = append(mine, i)
			} else {
				others = append(others, i)
			}
		}
		for n, i := range mine {
			if r.Selection.over(n, i, now) {
				out = append(out, Expired{i, r.Priority})
			}
		}
		rest = others
	}
	return out
}

// over says whether the image that has n newer ones beside it expires.
func (s *Selection) over(n int, i Image, now time.Time) bool {
	since := i.Pushed
	switch s.CountType {
	case countMore:
		return n >= s.CountNumber
	case sincePulled:
		if !i.Pulled.IsZero() {
			since = i.Pulled
		}
	}
	return now.Sub(since) > time.Duration(s.CountNumber)*24*time.Hour
}

// about says whether a rule selects an image. With several prefixes or patterns
// an image needs a tag for each.
func (s *Selection) about(i Image) bool {
	switch s.TagStatus {
	case untagged:
		return len(i.Tags) == 0
	case anyTag:
		return true
	}
	if len(i.Tags) == 0 {
		return false
	}
	has := func(match func(tag string) bool) bool { return slices.ContainsFunc(i.Tags, match) }
	for _, prefix := range s.TagPrefixes {
		if !has(func(tag string) bool { return strings.HasPrefix(tag, prefix) }) {
			return false
		}
	}
	for _, pattern := range s.TagPatterns {
		if !has(func(tag string) bool { return Match(pattern, tag) }) {
			return false
		}
	}
	return true
}

// Match says whether a tag is what a pattern means, in which '*' is any text.
func Match(pattern, tag string) bool {
	parts := strings.Split(pattern, "*")
	rest, found := strings.CutPrefix(tag, parts[0])
	if !found || len(parts) == 1 {
		return found && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, rest, found = strings.Cut(rest, part); !found {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
