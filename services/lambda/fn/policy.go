package fn

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
)

const policyBytesMax = 20 << 10

// ResourcePolicy is a function's policy as stored: statements in the order
// they were added, as AWS words them, or as they came in a whole document.
type ResourcePolicy struct {
	Statements []json.RawMessage `json:"statements"`
	Revision   string            `json:"revision"`
	// Whole says that it came as a document; Version and ID are that one's own.
	Whole   bool   `json:"whole,omitempty"`
	Version string `json:"version,omitempty"`
	ID      string `json:"id,omitempty"`
}

// statement is one permission.
type statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal any                          `json:"Principal"`
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// Document is the policy as GetPolicy shows it.
func (p *ResourcePolicy) Document() ([]byte, error) {
	version, id := p.Version, p.ID
	if !p.Whole {
		version, id = string(policy.Version2012), "default"
	}
	return json.Marshal(struct {
		Version   string            `json:"Version,omitempty"`
		ID        string            `json:"Id,omitempty"`
		Statement []json.RawMessage `json:"Statement"`
	}{version, id, p.Statements})
}

// Compile makes the policy one that can be judged.
func (p *ResourcePolicy) Compile(name string) (*policy.Policy, error) {
	doc, err := p.Document()
	if err != nil {
		return nil, err
	}
	compiled, err := policy.Parse(doc, policy.Resource)
	if err != nil {
		return nil, err
	}
	return compiled.Named(name), nil
}

// Index finds a statement, or is -1.
func (p *ResourcePolicy) Index(sid string) int {
	return slices.IndexFunc(p.Statements, func(raw json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(raw, &s) == nil && s.Sid == sid
	})
}

var (
	accountPattern       = regexp.MustCompile(`^\d{12}$`)
	servicePrincipalForm = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)$`)
	principalARNForm     = regexp.MustCompile(`^arn:[a-z-]+:(iam|sts)::\d{12}:(root|user/.+|role/.+|assumed-role/.+|federated-user/.+)$`)
)

// principalOf words a principal as AWS does in function policies.
func principalOf(p string) (any, bool) {
	switch {
	case p == "*":
		return "*", true
	case accountPattern.MatchString(p):
		return map[string]string{"AWS": "arn:aws:iam::" + p + ":root"}, true
	case principalARNForm.MatchString(p):
		return map[string]string{"AWS": p}, true
	case servicePrincipalForm.MatchString(p):
		return map[string]string{"Service": p}, true
	}
	return nil, false
}

// StatementOf builds a statement from a request.
func StatementOf(r Ref, in *api.AddPermissionInput) (statement, error) {
	principal, ok := principalOf(*in.Principal)
	if !ok {
		return statement{}, Invalid("The provided principal was invalid. Please check the principal and try again.")
	}
	s := statement{Sid: *in.StatementId, Effect: "Allow", Principal: principal, Action: *in.Action, Resource: r.ARN()}
	condition := func(operator, key string, value *string) {
		if smithy.Val(value) == "" {
			return
		}
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		if s.Condition[operator] == nil {
			s.Condition[operator] = map[string]string{}
		}
		s.Condition[operator][key] = *value
	}
	condition("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	condition("StringEquals", "lambda:EventSourceToken", in.EventSourceToken)
	condition("StringEquals", "lambda:FunctionUrlAuthType", in.FunctionUrlAuthType)
	condition("StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID)
	condition("ArnLike", "AWS:SourceArn", in.SourceArn)
	if smithy.Val(in.InvokedViaFunctionUrl) {
		condition("Bool", "lambda:InvokedViaFunctionUrl", new("true"))
	}
	return s, nil
}

// Add puts a statement into the policy, or says why it does not fit.
func (p *ResourcePolicy) Add(s statement) error {
	if p.Index(s.Sid) >= 0 {
		return Conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", s.Sid)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	p.Statements = append(slices.Clone(p.Statements), raw)
	doc, err := p.Document()
	if err != nil {
		return err
	}
	if len(doc) > policyBytesMax {
		return api.ErrPolicyLengthExceededException("The final policy size (%d) is bigger than the limit (%d).", len(doc), policyBytesMax)
	}
	if _, err := policy.Parse(doc, policy.Resource); err != nil {
		return Invalid("%s", err)
	}
	return nil
}

// LayerStatement builds a statement of a layer version's policy from a request.
func LayerStatement(r LayerRef, in *api.AddLayerVersionPermissionInput) (statement, error) {
	principal, ok := principalOf(*in.Principal)
	if !ok {
		return statement{}, Invalid("The provided principal was invalid. Please check the principal and try again.")
	}
	s := statement{Sid: *in.StatementId, Effect: "Allow", Principal: principal, Action: *in.Action, Resource: r.ARN()}
	if org := smithy.Val(in.OrganizationId); org != "" {
		if *in.Principal != "*" {
			return statement{}, Invalid("OrganizationId can only be specified with a Principal of *.")
		}
		s.Condition = map[string]map[string]string{"StringEquals": {"aws:PrincipalOrgID": org}}
	}
	return s, nil
}

// Remove takes a statement out of the policy.
func (p *ResourcePolicy) Remove(sid string) error {
	i := p.Index(sid)
	if i < 0 {
		return NoResource("Statement %s is not found in resource policy.", sid)
	}
	p.Statements = slices.Delete(slices.Clone(p.Statements), i, i+1)
	return nil
}

// ParsePolicy reads a whole document that is to be the policy of r. It must say
// who may do what with r, and with nothing else.
func ParsePolicy(r Ref, text string) (*ResourcePolicy, error) {
	if len(text) > policyBytesMax {
		return nil, api.ErrPolicyLengthExceededException("The final policy size (%d) is bigger than the limit (%d).", len(text), policyBytesMax)
	}
	if _, err := policy.Parse([]byte(text), policy.Resource); err != nil {
		return nil, Invalid("The policy is not valid: %s", err)
	}
	var doc struct {
		Version, ID string
		Statement   oneOrMany[json.RawMessage]
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, Invalid("The policy is not valid: %s", err)
	}
	for _, raw := range doc.Statement {
		var s struct{ Resource, Action oneOrMany[string] }
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, Invalid("The policy is not valid: %s", err)
		}
		if len(s.Resource) == 0 || len(s.Action) == 0 {
			return nil, Invalid("The policy is not valid: its statements must have a Resource and an Action.")
		}
		for _, name := range s.Resource {
			if name != r.ARN() {
				return nil, Invalid("The policy is not valid: the Resource of its statements must be %s, not %s.", r.ARN(), name)
			}
		}
		for _, action := range s.Action {
			if service, _, _ := strings.Cut(action, ":"); !strings.EqualFold(service, "lambda") {
				return nil, Invalid("The policy is not valid: %s is not an action of Lambda.", action)
			}
		}
	}
	return &ResourcePolicy{Statements: doc.Statement, Whole: true, Version: doc.Version, ID: doc.ID}, nil
}

// oneOrMany is a list that may be written as its only member.
type oneOrMany[T any] []T

func (l *oneOrMany[T]) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return json.Unmarshal(raw, (*[]T)(l))
	}
	*l = make([]T, 1)
	return json.Unmarshal(raw, &(*l)[0])
}
