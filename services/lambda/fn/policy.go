package fn

import (
	"encoding/json"
	"regexp"
	"slices"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
)

const policyBytesMax = 20 << 10

// ResourcePolicy is a function's policy as stored: statements in the order
// they were added, as AWS words them.
type ResourcePolicy struct {
	Statements []statement `json:"statements"`
	Revision   string      `json:"revision"`
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
	return json.Marshal(struct {
		Version   string      `json:"Version"`
		ID        string      `json:"Id"`
		Statement []statement `json:"Statement"`
	}{string(policy.Version2012), "default", p.Statements})
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
	return slices.IndexFunc(p.Statements, func(s statement) bool { return s.Sid == sid })
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
	p.Statements = append(slices.Clone(p.Statements), s)
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
