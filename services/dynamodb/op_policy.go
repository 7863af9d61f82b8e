package dynamodb

import (
	"context"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

const (
	// maxPolicyBytes is what a resource policy may have, AWS says.
	maxPolicyBytes = 20 << 10
	// noPolicy is the ExpectedRevisionId of a table without a policy.
	noPolicy = "NO_POLICY"
)

// policyOf is the resource policy of the table that a request names; nil where
// there is no such table, or none on it.
func (s *Service) policyOf(ctx context.Context, c *service.Call, given *string) (*policy.Policy, error) {
	p, name, err := locate(c, given)
	if err != nil {
		return nil, nil // the handler says what is wrong with the name
	}
	t, err := s.tableOf(ctx, c, p, name)
	switch {
	case err == nil:
		return t.Compiled, nil
	case fault.As(err) != nil:
		return nil, nil // there is no such table
	}
	return nil, err
}

// readPolicy checks a document that is to become a table's policy.
func (s *Service) readPolicy(c *service.Call, resource, document string) (*table.Policy, error) {
	if len(document) > maxPolicyBytes {
		return nil, words.Refuse("Resource-based policy size exceeds the maximum allowed size of %d bytes", maxPolicyBytes)
	}
	if _, err := policy.Parse([]byte(document), policy.Resource); err != nil {
		return nil, words.Refuse("Invalid policy document: %s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	return &table.Policy{Document: document, Revision: s.deps.Ident.UUID()}, nil
}

// locksOut reports whether a policy denies its maker to change it again.
func locksOut(c *service.Call, resource string, document string) bool {
	p, err := policy.Parse([]byte(document), policy.Resource)
	if err != nil {
		return false
	}
	d := policy.Evaluate(policy.Request{Principal: c.Caller.Principal, Action: "dynamodb:PutResourcePolicy", Resource: resource}, policy.Set{Resource: p})
	return d.Explicit
}

// policyTable is the table that an ARN of a policy request names.
func policyTable(c *service.Call, resource string) (string, error) {
	if a, err := arn.Parse(resource); err == nil && strings.Contains(a.Resource, "/stream/") {
		return "", words.BadParameter("moln has no resource policies on streams")
	}
	return taggedTable(c, resource)
}

func noPolicyOn(resource string) error {
	return api.ErrPolicyNotFoundException("Resource-based policy not found for the provided ResourceArn: %s", resource)
}

func wrongRevision(resource string) error {
	return api.ErrPolicyNotFoundException("Resource-based policy with the ExpectedRevisionId not found for the provided ResourceArn: %s", resource)
}

// expected refuses a request whose expected revision is not the policy's.
func expected(have *table.Policy, revision *string, resource string) error {
	switch {
	case revision == nil:
		return nil
	case have == nil && *revision == noPolicy, have != nil && *revision == have.Revision:
		return nil
	}
	return wrongRevision(resource)
}

func (s *Service) putResourcePolicy(ctx context.Context, c *service.Call, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	name, err := policyTable(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Table(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn)); err != nil {
		return nil, err
	}
	p, err := s.readPolicy(c, *in.ResourceArn, *in.Policy)
	if err != nil {
		return nil, err
	}
	if !smithy.Val(in.ConfirmRemoveSelfResourceAccess) && locksOut(c, *in.ResourceArn, *in.Policy) {
		return nil, words.Refuse("The resource-based policy would remove your permissions to change it. Set ConfirmRemoveSelfResourceAccess to true to confirm that you want that")
	}
	revision := ""
	_, err = s.store.Change(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn), func(t *table.Table) error {
		if err := expected(t.Policy, in.ExpectedRevisionId, *in.ResourceArn); err != nil {
			return err
		}
		if t.Policy == nil || t.Policy.Document != p.Document {
			t.Policy = p
		}
		revision = t.Policy.Revision
		return nil
	})
	return &api.PutResourcePolicyOutput{RevisionId: &revision}, err
}

func (s *Service) getResourcePolicy(ctx context.Context, c *service.Call, in *api.GetResourcePolicyInput) (*api.GetResourcePolicyOutput, error) {
	name, err := policyTable(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Table(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn))
	if err != nil {
		return nil, err
	}
	if t.Policy == nil {
		return nil, noPolicyOn(*in.ResourceArn)
	}
	return &api.GetResourcePolicyOutput{Policy: &t.Policy.Document, RevisionId: &t.Policy.Revision}, nil
}

func (s *Service) deleteResourcePolicy(ctx context.Context, c *service.Call, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	name, err := policyTable(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteResourcePolicyOutput{}
	_, err = s.store.Change(ctx, store.PlaceOf(c), name, noTableARN(*in.ResourceArn), func(t *table.Table) error {
		if err := expected(t.Policy, in.ExpectedRevisionId, *in.ResourceArn); err != nil {
			return err
		}
		if out.RevisionId = nil; t.Policy != nil {
			out.RevisionId = &t.Policy.Revision
		}
		t.Policy = nil
		return nil
	})
	return out, err
}
