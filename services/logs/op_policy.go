package logs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/tuple"
	"moln.dev/moln/platform/service"
)

// Limits of resource policies (CloudWatch Logs quotas).
const (
	policiesMax    = 10
	policyBytesMax = 5_120
)

// decodedMax is how many places' policies are kept decoded.
const decodedMax = 256

// resourcePolicy says who else may use the groups of an account in a region, such
// as the services that write into them.
type resourcePolicy struct {
	Name     string `json:"name"`
	Document string `json:"document"`
	Updated  int64  `json:"updated"` // ms
}

// policies are all of one account in one region, in one record.
type policies struct {
	List []resourcePolicy `json:"list"`

	compiled *policy.Policy
}

func (p place) policiesKey() []byte { return tuple.Key(p.account, p.region, "p") }

func decodePolicies(raw []byte) (*policies, error) {
	out := new(policies)
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, err
	}
	for _, one := range out.List {
		p, err := policy.Parse([]byte(one.Document), policy.Resource)
		if err != nil {
			return nil, err // it was checked when it was stored
		}
		p = p.Named("resource policy " + one.Name)
		if out.compiled != nil {
			p = out.compiled.With(p)
		}
		out.compiled = p
	}
	return out, nil
}

// policies are those of a place, which are shared.
func (s *Service) policies(ctx context.Context, p place) (*policies, error) {
	out, err := s.decoded.Get(ctx, s.store.db, p)
	if errors.Is(err, kv.ErrNotFound) {
		return &policies{}, nil
	}
	return out, err
}

func (s *Service) changePolicies(ctx context.Context, p place, change func([]resourcePolicy) ([]resourcePolicy, error)) error {
	key := p.policiesKey()
	return s.store.db.Update(ctx, func(tx *kv.Tx) error {
		var now policies
		raw, err := tx.Get(key)
		if err == nil {
			err = json.Unmarshal(raw, &now)
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if now.List, err = change(now.List); err != nil {
			return err
		}
		if raw, err = json.Marshal(now); err != nil {
			return err
		}
		return tx.Put(key, raw)
	}, key)
}

func (s *Service) putResourcePolicy(ctx context.Context, c *service.Call, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	switch {
	case in.ResourceArn != nil || in.ExpectedRevisionId != nil:
		return nil, api.ErrInvalidParameterException("moln does not support resource policies of one log group (resourceArn)")
	case in.PolicyName == nil || in.PolicyDocument == nil:
		return nil, api.ErrInvalidParameterException("policyName and policyDocument are required.")
	case len(*in.PolicyDocument) > policyBytesMax:
		return nil, api.ErrLimitExceededException("Resource limit exceeded.")
	}
	if _, err := policy.Parse([]byte(*in.PolicyDocument), policy.Resource); err != nil {
		return nil, api.ErrInvalidParameterException("%s", err.Error())
	}
	put := resourcePolicy{*in.PolicyName, *in.PolicyDocument, c.Now.UnixMilli()}
	err := s.changePolicies(ctx, placeOf(c), func(list []resourcePolicy) ([]resourcePolicy, error) {
		list = slices.DeleteFunc(slices.Clone(list), func(p resourcePolicy) bool { return p.Name == put.Name })
		if list = append(list, put); len(list) > policiesMax {
			return nil, api.ErrLimitExceededException("Resource limit exceeded.")
		}
		return list, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutResourcePolicyOutput{ResourcePolicy: new(put.describe())}, nil
}

func (p resourcePolicy) describe() api.ResourcePolicy {
	return api.ResourcePolicy{PolicyName: &p.Name, PolicyDocument: &p.Document, LastUpdatedTime: &p.Updated}
}

func (s *Service) deleteResourcePolicy(ctx context.Context, c *service.Call, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	if in.ResourceArn != nil || in.ExpectedRevisionId != nil {
		return nil, api.ErrInvalidParameterException("moln does not support resource policies of one log group (resourceArn)")
	}
	name := smithy.Val(in.PolicyName)
	return nil, s.changePolicies(ctx, placeOf(c), func(list []resourcePolicy) ([]resourcePolicy, error) {
		now := slices.DeleteFunc(slices.Clone(list), func(p resourcePolicy) bool { return p.Name == name })
		if len(now) == len(list) {
			return nil, api.ErrResourceNotFoundException("Policy with name [%s] does not exist.", name)
		}
		return now, nil
	})
}

func (s *Service) describeResourcePolicies(ctx context.Context, c *service.Call, in *api.DescribeResourcePoliciesInput) (*api.DescribeResourcePoliciesOutput, error) {
	if in.ResourceArn != nil || smithy.Val(in.PolicyScope) == api.PolicyScopeResource {
		return nil, api.ErrInvalidParameterException("moln does not support resource policies of one log group (resourceArn)")
	}
	all, err := s.policies(ctx, placeOf(c))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeResourcePoliciesOutput{ResourcePolicies: []api.ResourcePolicy{}}
	for _, p := range all.List {
		if in.NextToken != nil {
			if p.Name == *in.NextToken {
				in.NextToken = nil
			}
			continue
		}
		if n := len(out.ResourcePolicies); in.Limit != nil && n == int(*in.Limit) {
			out.NextToken = out.ResourcePolicies[n-1].PolicyName
			break
		}
		out.ResourcePolicies = append(out.ResourcePolicies, p.describe())
	}
	return out, nil
}

// policyProperties are AWS::Logs::ResourcePolicy's.
type policyProperties struct {
	PolicyName, PolicyDocument *string
}

func putPolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*policyProperties)
	if _, err := service.Invoke(ctx, c, api.PutResourcePolicy, &api.PutResourcePolicyInput{PolicyName: p.PolicyName, PolicyDocument: p.PolicyDocument}); err != nil {
		return err
	}
	r.PhysicalID = *p.PolicyName
	return nil
}

func deletePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{PolicyName: &r.PhysicalID})
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	return err
}
