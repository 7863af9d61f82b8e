package iam

import (
	"context"
	"log/slog"
	"testing"
	"time"

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

const account = "000000000000"

// harness is the service behind a backend that allows everything.
type harness struct {
	*servicetest.Backend
	t      *testing.T
	s      *Service
	clk    *clock.Fake
	caller identity.Principal
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	sealer, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, clk: clk}
	h.s = New(service.Deps{
		KV: kv.New(memkv.New()), Clock: clk, Ident: ident.NewSeeded(1, clk), Seal: sealer, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { h.s.Close() })
	h.Backend = servicetest.New(h.s.Definition(), "ValidationError")
	h.caller = identity.Principal{Principal: policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + account + ":root", AccountID: account, UserID: account}}
	return h
}

func (h *harness) call() *service.Call {
	return service.NewCall(h, service.Call{Caller: h.caller, Account: account, Region: "us-east-1", Now: h.clk.Now(), Log: slog.New(slog.DiscardHandler)})
}

func do[In, Out any](h *harness, op smithy.Op[In, Out], in *In) (*Out, error) {
	return service.Invoke(context.Background(), h.call(), op, in)
}

func must[In, Out any](h *harness, op smithy.Op[In, Out], in *In) *Out {
	h.t.Helper()
	out, err := do(h, op, in)
	if err != nil {
		_, o := op.Of()
		h.t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

// refused wants a fault, its status as well where the model gives one.
func refused[In, Out any](h *harness, op smithy.Op[In, Out], in *In, code string, status int, message string) {
	h.t.Helper()
	_, o := op.Of()
	_, err := do(h, op, in)
	f := fault.As(err)
	if f == nil {
		h.t.Errorf("%s: got %v, want %s", o.Name, err, code)
		return
	}
	if f.Code != code || f.Status != status || f.Message != message {
		h.t.Errorf("%s: got %s %d %q\nwant %s %d %q", o.Name, f.Code, f.Status, f.Message, code, status, message)
	}
}

const (
	trust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	listAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}`
	getAll  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
)

// may evaluates what the gateway would for a principal.
func (h *harness) may(p identity.Principal, action string) bool {
	h.t.Helper()
	set, err := h.s.Policies(context.Background(), p)
	if err != nil {
		h.t.Fatalf("policies: %v", err)
	}
	return policy.Evaluate(policy.Request{Principal: p.Principal, Action: action, Resource: "*", ResourceAccount: account}, policy.Set{
		Identity: set.Identity, Boundary: set.Boundary, HasBoundary: set.HasBoundary, Session: set.Session, HasSession: set.HasSession,
	}).Allowed
}
