package kms

import (
	"context"
	"errors"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// admitPolicy checks a key's new policy: its form, and unless bypassed that its
// author may still change it (K4).
func (s *Service) admitPolicy(ctx context.Context, c *service.Call, k *key, doc string, bypass bool) error {
	if len(doc) > policyBytesMax {
		return api.ErrLimitExceededException("The policy is larger than %d bytes.", policyBytesMax)
	}
	p, err := policy.Parse([]byte(doc), policy.Resource)
	if bad, ok := errors.AsType[*policy.Malformed](err); ok {
		return api.ErrMalformedPolicyDocumentException("%s", bad.Message)
	}
	if err != nil || bypass {
		return err
	}
	keys := s.callKeys(c, nil)
	describeKey(keys, named{key: k})
	return c.Judge(ctx, service.Check{
		Action: "kms:PutKeyPolicy", Resource: k.arn(), Account: k.Account, Context: keys,
		Policy: p.Named("new key policy"), PolicyMandatory: true,
		Fault: func(policy.Decision) error {
			return api.ErrMalformedPolicyDocumentException("The new key policy will not allow you to update the key policy in the future.")
		},
	})
}

func (s *Service) putKeyPolicy(ctx context.Context, c *service.Call, in *api.PutKeyPolicyInput) (*api.PutKeyPolicyOutput, error) {
	if name := smithy.Val(in.PolicyName); name != "" && name != policyNameDefault {
		return nil, api.ErrNotFoundException("No such policy exists")
	}
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if err := s.admitPolicy(ctx, c, k.key, *in.Policy, smithy.Val(in.BypassPolicyLockoutSafetyCheck)); err != nil {
		return nil, err
	}
	_, err = s.change(ctx, c, *in.KeyId, func(k *key) error {
		k.Policy = *in.Policy
		return nil
	})
	return nil, err
}

func (s *Service) getKeyPolicy(ctx context.Context, c *service.Call, in *api.GetKeyPolicyInput) (*api.GetKeyPolicyOutput, error) {
	if name := smithy.Val(in.PolicyName); name != "" && name != policyNameDefault {
		return nil, api.ErrNotFoundException("No such policy exists")
	}
	k, err := s.find(ctx, c, *in.KeyId, false)
	if err != nil {
		return nil, err
	}
	return &api.GetKeyPolicyOutput{Policy: &k.Policy, PolicyName: new(policyNameDefault)}, nil
}

func (s *Service) listKeyPolicies(ctx context.Context, c *service.Call, in *api.ListKeyPoliciesInput) (*api.ListKeyPoliciesOutput, error) {
	if _, err := s.find(ctx, c, *in.KeyId, false); err != nil {
		return nil, err
	}
	return &api.ListKeyPoliciesOutput{PolicyNames: []string{policyNameDefault}, Truncated: new(false)}, nil
}
