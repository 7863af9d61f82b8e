package logs

import (
	"context"
	"testing"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/policy"
)

// TestResourcePolicies is that what the account's policies say stands beside
// every group's check, and no longer than they are there.
func TestResourcePolicies(t *testing.T) {
	h := newHarness(t)
	const doc = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/*:*"}}`
	allowed := func(group string) bool {
		t.Helper()
		var put = &api.CreateLogStreamInput{LogGroupName: &group, LogStreamName: new("s")}
		_, op := api.CreateLogStream.Of()
		checks, err := h.s.authorize(context.Background(), h.call(), op, put)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Evaluate(policy.Request{
			Principal: policy.Principal{Kind: policy.Service, Service: "events.amazonaws.com"}, Action: checks[0].Action, Resource: checks[0].Resource, ResourceAccount: "000000000000",
		}, policy.Set{Resource: checks[0].Policy}).Allowed
	}
	if allowed("/aws/events/x") {
		t.Error("allowed without a policy")
	}
	must(h, api.PutResourcePolicy, &api.PutResourcePolicyInput{PolicyName: new("p"), PolicyDocument: new(doc)})
	must(h, api.PutResourcePolicy, &api.PutResourcePolicyInput{PolicyName: new("p"), PolicyDocument: new(doc)})
	if !allowed("/aws/events/x") || allowed("/other") {
		t.Error("the policy is not what decides")
	}
	if got := must(h, api.DescribeResourcePolicies, &api.DescribeResourcePoliciesInput{}); len(got.ResourcePolicies) != 1 || *got.ResourcePolicies[0].PolicyDocument != doc {
		t.Errorf("policies %+v", got.ResourcePolicies)
	}
	refused(h, api.PutResourcePolicy, &api.PutResourcePolicyInput{PolicyName: new("p"), PolicyDocument: new(`{}`)}, "InvalidParameterException", "Syntax errors in policy.")
	must(h, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{PolicyName: new("p")})
	if allowed("/aws/events/x") {
		t.Error("allowed after the policy is gone")
	}
	refused(h, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{PolicyName: new("p")}, "ResourceNotFoundException", "Policy with name [p] does not exist.")
}
