// Package stack is the state of CloudFormation stacks and how it is stored:
// stacks, their resources, events, change sets, exports and templates.
//
// It decides nothing: package deploy works on stacks, package cloudformation
// answers requests. Only store.go knows keys.
//
// # Keys
//
// All keys are tuples that begin with account and region.
//
//	"stack", id                     Stack
//	"name", name                    id of the stack that holds the name
//	"resource", id, logical id      Resource
//	"event", id, sortable           Event
//	"set", id, change set id        ChangeSet
//	"template", id, template id     template text
//	"export", name                  Export
//	"import", export name, id       name of the importing stack
//	"work", id                      lease of the running operation (see Work)
//
// # Invariants
//
//	S1  A stack's Op is set exactly while an operation is under way, and a
//	    "work" key then exists for it.
//	S2  A name key exists exactly for stacks that are not DELETE_COMPLETE.
//	S3  What a resource's Current names exists, or did until someone deleted it
//	    behind the stack's back; so does all that Before and Doomed name.
package stack

import (
	"strings"
	"time"

	"moln.dev/moln/platform/identity"
)

// Place is where stacks live.
type Place struct{ Account, Region string }

// Stack is one stack.
type Stack struct {
	ID      string `json:"id"`
	ARN     string `json:"arn"`
	Name    string `json:"name"`
	Account string `json:"account"`
	Region  string `json:"region"`

	Status       string     `json:"status"`
	StatusReason string     `json:"statusReason,omitempty"`
	Created      time.Time  `json:"created"`
	Updated      *time.Time `json:"updated,omitempty"`
	Deleted      *time.Time `json:"deleted,omitempty"`

	// Deployed is what was last deployed completely, or is being created.
	Deployed Target `json:"deployed"`
	Outputs  []Output
	// ChangeSetARN is the change set that was executed last.
	ChangeSetARN string `json:"changeSetArn,omitempty"`
	ParentARN    string `json:"parentArn,omitempty"`
	RootARN      string `json:"rootArn,omitempty"`

	TerminationProtection bool   `json:"terminationProtection,omitempty"`
	DisableRollback       bool   `json:"disableRollback,omitempty"`
	RoleARN               string `json:"roleArn,omitempty"`
	TimeoutMinutes        int32  `json:"timeoutMinutes,omitempty"`
	// LastToken is the client request token of the last operation.
	LastToken string `json:"lastToken,omitempty"`

	// Imports are the exports that Deployed imports.
	Imports []string `json:"imports,omitempty"`

	Op *Operation `json:"op,omitempty"`
	// Stuck is the update whose rollback failed and may be continued.
	Stuck *Operation `json:"stuck,omitempty"`
}

// Place gives the account and region.
func (s *Stack) Place() Place { return Place{s.Account, s.Region} }

// Target is what a stack is to become: template and all that goes into it.
type Target struct {
	TemplateID  string            `json:"templateId"`
	Description string            `json:"description,omitempty"`
	Parameters  map[string]string `json:"parameters,omitempty"`
	// Resolved are the values that SSM parameters had.
	Resolved     map[string]string `json:"resolved,omitempty"`
	Hidden       []string          `json:"hidden,omitempty"` // NoEcho parameters
	Tags         []Tag             `json:"tags,omitempty"`
	Capabilities []string          `json:"capabilities,omitempty"`
	Notify       []string          `json:"notify,omitempty"`
}

// TagMap gives the tags as a map.
func (t *Target) TagMap() map[string]string {
	m := make(map[string]string, len(t.Tags))
	for _, tag := range t.Tags {
		m[tag.Key] = tag.Value
	}
	return m
}

// Values gives what each parameter stands for: SSM's answer where it was asked.
func (t *Target) Values() map[string]string {
	m := make(map[string]string, len(t.Parameters))
	for k, v := range t.Parameters {
		m[k] = v
		if r, ok := t.Resolved[k]; ok {
			m[k] = r
		}
	}
	return m
}

// Tag is a stack's tag.
type Tag struct{ Key, Value string }

// Output is an evaluated output.
type Output struct {
	Key, Value          string
	Description, Export string `json:",omitempty"`
}

// Kind is what an operation does.
type Kind string

// Kinds of operations.
const (
	Create Kind = "create"
	Update Kind = "update"
	Delete Kind = "delete"
)

// Phase is how far an operation is.
type Phase string

// Phases of operations. Create and update go forward, then clean up, or roll
// back and clean up. Delete only cleans up.
const (
	Forward  Phase = "forward"
	Rollback Phase = "rollback"
	Cleanup  Phase = "cleanup"
)

// Operation is the work under way on a stack.
type Operation struct {
	ID    string `json:"id"`
	Kind  Kind   `json:"kind"`
	Phase Phase  `json:"phase"`
	// RolledBack says that Cleanup follows a rollback.
	RolledBack bool               `json:"rolledBack,omitempty"`
	Token      string             `json:"token,omitempty"`
	Caller     identity.Principal `json:"caller"`
	RoleARN    string             `json:"roleArn,omitempty"`
	Target     Target             `json:"target"`
	Started    time.Time          `json:"started"`
	// OnFailure is ROLLBACK, DO_NOTHING or DELETE.
	OnFailure string `json:"onFailure,omitempty"`
	Cancelled bool   `json:"cancelled,omitempty"`
	// Retain lists resources that a deletion leaves, or that a continued
	// rollback skips.
	Retain []string `json:"retain,omitempty"`
	// Outputs are set when Forward is through.
	Outputs []Output `json:"outputs,omitempty"`
}

// Physical is a resource outside the stack's books.
type Physical struct {
	Type       string         `json:"type"`
	ID         string         `json:"id,omitempty"`
	Ref        string         `json:"ref,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Properties map[string]any `json:"properties,omitempty"`
	Token      string         `json:"token,omitempty"`
	// Tags are the stack's tags when it was made or updated last.
	Tags map[string]string `json:"tags,omitempty"`
	// Policies are DeletionPolicy and UpdateReplacePolicy.
	Policies [2]string `json:"policies"`
}

// RefValue is what Ref gives.
func (p *Physical) RefValue() string {
	if p.Ref != "" {
		return p.Ref
	}
	return p.ID
}

// Resource is one resource of a stack.
type Resource struct {
	LogicalID    string    `json:"logicalId"`
	Status       string    `json:"status"`
	StatusReason string    `json:"statusReason,omitempty"`
	Updated      time.Time `json:"updated"`
	Description  string    `json:"description,omitempty"`
	Metadata     any       `json:"metadata,omitempty"`
	// DependsOn are the logical ids that must outlive this one.
	DependsOn []string `json:"dependsOn,omitempty"`

	Current Physical `json:"current"`
	// Op is the operation that touched the resource last; Done that it is
	// through with it.
	Op   string `json:"op,omitempty"`
	Done bool   `json:"done,omitempty"`
	// Fresh: the operation made the resource, which did not exist before.
	Fresh bool `json:"fresh,omitempty"`
	// Before is the state before the operation; Replaced that it is another
	// physical resource than Current.
	Before   *Physical `json:"before,omitempty"`
	Replaced bool      `json:"replaced,omitempty"`
	// Doomed are physical resources to delete in clean-up.
	Doomed []Physical `json:"doomed,omitempty"`
}

// Live says whether there is a physical resource.
func (r *Resource) Live() bool { return r.Current.ID != "" && r.Status != "DELETE_COMPLETE" }

// Event is one line of a stack's history.
type Event struct {
	ID           string
	LogicalID    string
	PhysicalID   string `json:",omitempty"`
	Type         string
	Time         time.Time
	Status       string
	StatusReason string `json:",omitempty"`
	Properties   string `json:",omitempty"`
	Token        string `json:",omitempty"`
	Operation    string `json:",omitempty"`
}

// ChangeSet is a change set. Changes are in the API's form, as JSON.
type ChangeSet struct {
	ID, ARN, Name    string
	Description      string
	StackID          string
	Type             string // CREATE or UPDATE
	Created          time.Time
	Status           string
	StatusReason     string
	ExecutionStatus  string
	Target           Target
	RoleARN          string
	OnStackFailure   string
	Nested, Import   bool
	Token            string
	Changes          []byte
	ChangesWithProps []byte
}

// Export is an exported output.
type Export struct{ Name, Value, StackID, StackARN, StackName string }

// Active says whether the stack holds its name.
func (s *Stack) Active() bool { return s.Status != "DELETE_COMPLETE" }

// InProgress says whether an operation is under way.
func (s *Stack) InProgress() bool {
	return strings.HasSuffix(s.Status, "_IN_PROGRESS") && s.Status != "REVIEW_IN_PROGRESS"
}
