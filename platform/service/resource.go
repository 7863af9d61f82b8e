package service

import (
	"context"
	"encoding/json"
	"maps"
)

// ResourceType is a CloudFormation resource type over a service's operations.
// Handlers call Invoke with the stack's caller or role, so that creating by
// template needs the permissions that creating by API needs.
type ResourceType struct {
	Name string // "AWS::SQS::Queue"
	// New returns a pointer to a zero property struct. A field's json tag, or
	// else its Go name, is the property's name, at every depth; a property
	// that it lacks fails the resource and is named. Generated API types may
	// serve as nested property types where the names agree. Scalars are
	// converted as CloudFormation does ("5" for a number, true for "true").
	New func() any
	// Replace lists the top-level properties whose change makes a new
	// physical resource; all others are updated in place.
	Replace []string
	Create  func(ctx context.Context, c *Call, r *Resource) error
	// Update changes the resource in place. Nil: every change replaces.
	Update func(ctx context.Context, c *Call, r *Resource) error
	// Delete removes it; a resource that is gone already is no error.
	Delete func(ctx context.Context, c *Call, r *Resource) error
}

// Resource is one resource of a stack while it is worked on.
type Resource struct {
	Type, LogicalID, StackID, StackName string
	// PhysicalID is set by Create; Ref gives it unless RefValue is set.
	PhysicalID string
	RefValue   string
	// Attributes are the values of Fn::GetAtt, by name ("Arn", "A.B").
	Attributes map[string]any
	// Properties is what New made, filled; Old the same before an update.
	Properties any
	Old        any
	// Tags are the stack's tags, to be added to the resource's own.
	Tags map[string]string
	// Token is the same for every try of one creation: generated names and
	// idempotency tokens derive from it.
	Token string

	generated string
}

// TagsWith are the stack's tags with the resource's own over them.
func (r *Resource) TagsWith(own []struct{ Key, Value string }) map[string]string {
	all := make(map[string]string, len(r.Tags)+len(own))
	maps.Copy(all, r.Tags)
	for _, t := range own {
		all[t.Key] = t.Value
	}
	return all
}

// TagsGone are the keys of old tags that a resource of these tags has no more.
func (r *Resource) TagsGone(own, old []struct{ Key, Value string }) []string {
	have := r.TagsWith(own)
	var gone []string
	for _, t := range old {
		if _, ok := have[t.Key]; !ok {
			gone = append(gone, t.Key)
		}
	}
	return gone
}

// Document is the text of a property that templates give as an object or as its
// text: a policy, a pattern, a schema. Nil: the property is not there.
func Document(property any) (*string, error) {
	switch v := property.(type) {
	case nil:
		return nil, nil
	case string:
		return &v, nil
	}
	raw, err := json.Marshal(property)
	if err != nil {
		return nil, err
	}
	return new(string(raw)), nil
}

// GeneratedName is the name CloudFormation gives a resource without one:
// stack-logicalid-RANDOM, cut to max characters.
func (r *Resource) GeneratedName(max int) string {
	suffix := "-" + r.Token
	base := r.StackName + "-" + r.LogicalID
	if len(base)+len(suffix) > max {
		base = base[:max-len(suffix)]
	}
	r.generated = base + suffix
	return r.generated
}

// Generated is the last answer of GeneratedName, or empty. What has that name
// was made for this resource, since no other has its token.
func (r *Resource) Generated() string { return r.generated }
