package kms

import (
	"context"
	"log/slog"
	"testing"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/engine/kv/memkv"
	"moln.dev/moln/engine/seal"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/platform/service/servicetest"
)

const (
	account = "000000000000"
	region  = "us-east-1"
)

// harness calls operations as the gateway does: validate, judge, call.
type harness struct {
	*servicetest.Backend
	t   testing.TB
	s   *Service
	clk *clock.Fake
	iam map[string]*policy.Policy // by the principal's ARN
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
	sealer, err := seal.New(make([]byte, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, clk: clk, iam: map[string]*policy.Policy{}}
	h.s = New(service.Deps{KV: kv.New(memkv.New()), Clock: clk, Ident: ident.NewSeeded(1, clk), Seal: sealer, Log: slog.New(slog.DiscardHandler)})
	h.Backend = servicetest.New(h.s.Definition(), "ValidationException")
	h.Judging = h.judge
	return h
}

// judge goes by the callers' own policies and by what the check says.
func (h *harness) judge(c *service.Call, check service.Check) error {
	set := policy.Set{Resource: check.Policy}
	if p := h.iam[c.Caller.ARN]; p != nil {
		set.Identity = []*policy.Policy{p}
	}
	owner := check.Account
	if owner == "" {
		owner = c.Account
	}
	d := policy.Evaluate(policy.Request{
		Principal: c.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: owner,
		ResourcePolicyMandatory: check.PolicyMandatory, Context: check.Context,
	}, set)
	switch {
	case d.Allowed:
		return nil
	case check.Fault != nil:
		return check.Fault(d)
	}
	return fault.New("AccessDeniedException", 400, "%s", d.Message(c.Caller.ARN, check.Action, check.Resource))
}

// call is one by the account's root.
func (h *harness) call() *service.Call {
	root := identity.Principal{Principal: policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + account + ":root", AccountID: account}}
	return service.NewCall(h, service.Call{Caller: root, Account: account, Region: region, Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

// user is a call by a user with an IAM policy, which may be empty.
func (h *harness) user(name, doc string) *service.Call {
	h.t.Helper()
	arn := userARN(name)
	if doc != "" {
		p, err := policy.Parse([]byte(doc), policy.Identity)
		if err != nil {
			h.t.Fatal(err)
		}
		h.iam[arn] = p
	}
	return h.call().As(identity.Principal{Principal: policy.Principal{Kind: policy.User, ARN: arn, AccountID: account, UserID: "AIDA" + name}})
}

func userARN(name string) string { return "arn:aws:iam::" + account + ":user/" + name }

// via is the call as one that a service makes in its caller's name.
func via(c *service.Call, name string) *service.Call {
	d := *c
	d.Service = name
	return &d
}

func do[In, Out any](c *service.Call, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(context.Background(), c, op, in)
}

func must[In, Out any](t testing.TB, c *service.Call, op smithy.Op[In, Out], in *In) *Out {
	t.Helper()
	out, err := do(c, op, in)
	if err != nil {
		_, o := op.Of()
		t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

// fails wants a fault; message may be empty to compare the code only.
func fails[In, Out any](t testing.TB, c *service.Call, op smithy.Op[In, Out], in *In, code, message string) {
	t.Helper()
	_, err := do(c, op, in)
	if f := fault.As(err); f == nil || f.Code != code || (message != "" && f.Message != message) {
		_, o := op.Of()
		t.Errorf("%s: got %v\nwant %s: %s", o.Name, err, code, message)
	}
}

func (h *harness) key(in api.CreateKeyInput) *api.KeyMetadata {
	h.t.Helper()
	return must(h.t, h.call(), api.CreateKey, &in).KeyMetadata
}
