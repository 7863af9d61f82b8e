package lambda

import (
	"maps"
	"strings"
	"testing"

	kms "moln.dev/moln/api/kms"
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/service"
)

// fakeKMS encrypts under keys by name: it knows who was granted what.
type fakeKMS struct {
	kept    []kms.EncryptInput
	granted map[string]bool
	refuse  *fault.Fault
}

func (k *fakeKMS) dispatch(c *service.Call, in any) (any, error) {
	if k.refuse != nil {
		return nil, k.refuse
	}
	switch in := in.(type) {
	case *kms.EncryptInput:
		k.kept = append(k.kept, *in)
		return &kms.EncryptOutput{CiphertextBlob: []byte{byte(len(k.kept) - 1)}}, nil
	case *kms.CreateGrantInput:
		if k.granted == nil {
			k.granted = map[string]bool{}
		}
		k.granted[*in.GranteePrincipal] = true
		return &kms.CreateGrantOutput{}, nil
	case *kms.DecryptInput:
		e := k.kept[in.CiphertextBlob[0]]
		if !maps.Equal(e.EncryptionContext, in.EncryptionContext) {
			return nil, kms.ErrInvalidCiphertextException("")
		}
		if c.Caller.Kind == policy.AssumedRole && !k.granted[c.Caller.RoleARN] {
			return nil, fault.New("AccessDeniedException", 400, "not granted")
		}
		return &kms.DecryptOutput{Plaintext: e.Plaintext}, nil
	}
	return nil, nil
}

const someKey = "arn:aws:kms:eu-west-1:123456789012:key/1"

func TestVariablesUnderKMS(t *testing.T) {
	w := newWorld(t, Options{})
	made := w.node("f", `exports.handler = async () => ({own: process.env.OWN})`, func(in *api.CreateFunctionInput) {
		in.Environment = &api.Environment{Variables: map[string]string{"OWN": "secret-value"}}
		in.KMSKeyArn, in.Publish = new(someKey), new(true)
	})
	if *made.KMSKeyArn != someKey || made.Environment.Variables["OWN"] != "secret-value" {
		t.Errorf("made %+v", made)
	}
	if e := w.kms.kept[0]; *e.KeyId != someKey || e.EncryptionContext["aws:lambda:FunctionArn"] != "arn:aws:lambda:eu-west-1:123456789012:function:f" || strings.Contains(string(e.Plaintext), "secret") || !w.kms.granted[goodRole] {
		t.Errorf("asked KMS for %+v, granted %v", e, w.kms.granted)
	}
	if _, v := w.invoke("f", `{}`); v["own"] != "secret-value" {
		t.Errorf("answer %v", v)
	}
	if again := must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("f")}); *again.Version != "1" {
		t.Errorf("the same was published as %s", *again.Version)
	}
	w.kms.refuse = fault.New("AccessDeniedException", 400, "no")
	shown := must(w, api.GetFunctionConfiguration, &api.GetFunctionConfigurationInput{FunctionName: new("f")})
	if e := shown.Environment; e.Variables != nil || *e.Error.ErrorCode != "AccessDeniedException" {
		t.Errorf("shown without permission: %+v", e)
	}
	moved, err := do(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), KMSKeyArn: new("")})
	wantFault(t, moved, err, "InvalidParameterValueException", "unable to decrypt your environment variables")
	w.kms.refuse = nil
	back := must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), KMSKeyArn: new("")})
	if back.KMSKeyArn != nil || back.Environment.Variables["OWN"] != "secret-value" {
		t.Errorf("back %+v", back)
	}
	w.kms.refuse = fault.New("AccessDeniedException", 400, "no")
	if _, v := w.invoke("f", `{}`); v["own"] != "secret-value" {
		t.Errorf("answer %v", v)
	}
}

func TestInvokeWithoutKMS(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => 1`, func(in *api.CreateFunctionInput) {
		in.Environment, in.KMSKeyArn = &api.Environment{Variables: map[string]string{"OWN": "x"}}, new(someKey)
	})
	for _, c := range []struct{ kms, code string }{
		{"AccessDeniedException", "KMSAccessDeniedException"}, {"DisabledException", "KMSDisabledException"},
		{"KMSInvalidStateException", "KMSInvalidStateException"}, {"NotFoundException", "KMSNotFoundException"},
	} {
		w.kms.refuse = fault.New(c.kms, 400, "no")
		out, err := do(w, api.Invoke, &api.InvokeInput{FunctionName: new("f")})
		wantFault(t, out, err, c.code, "Lambda was unable to decrypt the environment variables because")
		if f := fault.As(err); f == nil || f.Status != 502 {
			t.Errorf("%v", err)
		}
	}
}
