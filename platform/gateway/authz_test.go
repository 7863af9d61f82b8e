package gateway

import (
	"context"
	"errors"
	"testing"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
)

// TestMoreKeys: a service's further keys are asked for once, by statements that
// need them, and nobody gets in past keys that could not be had.
func TestMoreKeys(t *testing.T) {
	const onKeys = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"json:colour":"red","json:size":"xl"}}}]}`
	const denyOnKeys = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"json:colour":"blue"}}}]}`
	const plain = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"ann"}}}]}`
	failed := errors.New("store is gone")
	for _, tt := range []struct {
		name, policy string
		colour       string
		err          error
		asked        int
		want         string // "", "denied", "failed"
	}{
		{"allowed by them", onKeys, "red", nil, 1, ""},
		{"denied by them", denyOnKeys, "blue", nil, 1, "denied"},
		{"other values", onKeys, "blue", nil, 1, "denied"},
		{"not asked for", plain, "red", failed, 0, ""},
		{"an allow that cannot be judged", onKeys, "red", failed, 1, "failed"},
		{"a deny that cannot be judged", denyOnKeys, "red", failed, 1, "failed"},
	} {
		h := newHarness(t)
		p, err := policy.Parse([]byte(tt.policy), policy.Identity)
		if err != nil {
			t.Fatal(err)
		}
		h.dir.policies = []*policy.Policy{p}
		asked := 0
		err = service.NewCall(h.g, service.Call{Caller: ann, Account: account}).Judge(context.Background(), service.Check{
			Action: "json:Pass", Resource: "x", Context: policy.Keys{"json:size": {"xl"}},
			More: func() (policy.Keys, error) {
				asked++
				return policy.Keys{"json:colour": {tt.colour}, "json:size": {"from Context"}}, tt.err
			},
		})
		got := ""
		switch {
		case errors.Is(err, failed):
			got = "failed"
		case fault.As(err) != nil:
			got = "denied"
		}
		if got != tt.want || asked != tt.asked {
			t.Errorf("%s: %q, asked %d times; want %q, %d", tt.name, got, asked, tt.want, tt.asked)
		}
	}
}

// TestRolesStayInTheirAccount: who may pass all roles may pass those of his own
// account.
func TestRolesStayInTheirAccount(t *testing.T) {
	h := newHarness(t)
	p, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	h.dir.policies = []*policy.Policy{p}
	for role, want := range map[string]bool{
		"arn:aws:iam::" + account + ":role/r": true, "arn:aws:iam::999999999999:role/r": false,
	} {
		err := service.NewCall(h.g, service.Call{Caller: ann, Account: account}).Judge(context.Background(), service.Check{Action: "iam:PassRole", Resource: role})
		if (err == nil) != want || err != nil && fault.As(err) == nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}
