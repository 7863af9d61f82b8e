package lambda

import (
	"net/http"
	"strings"
	"testing"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/functions"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

func TestTenants(t *testing.T) {
	w := newWorld(t, Options{})
	made := w.node("f", `let seen = 0; exports.handler = async (e, c) => ({tenant: c.tenantId, seen: ++seen})`, func(in *api.CreateFunctionInput) {
		in.TenancyConfig = &api.TenancyConfig{TenantIsolationMode: new("PER_TENANT")}
	})
	if *made.TenancyConfig.TenantIsolationMode != "PER_TENANT" {
		t.Errorf("made %+v", made)
	}
	w.node("plain", `exports.handler = async (e, c) => ({tenant: c.tenantId === undefined})`)
	ask := func(name, tenant string) (*api.InvokeOutput, error) {
		in := &api.InvokeInput{FunctionName: &name}
		if tenant != "" {
			in.TenantId = &tenant
		}
		return do(w, api.Invoke, in)
	}
	for _, c := range []struct{ tenant, want string }{
		{"blue", `{"tenant":"blue","seen":1}`}, {"green", `{"tenant":"green","seen":1}`}, {"blue", `{"tenant":"blue","seen":2}`},
		{"blue/green", `{"tenant":"blue/green","seen":1}`},
	} {
		if out, err := ask("f", c.tenant); err != nil || string(out.Payload) != c.want {
			t.Errorf("%s: %v, %v", c.tenant, out, err)
		}
	}
	out, err := ask("f", "")
	wantFault(t, out, err, "InvalidParameterValueException", "Add a valid tenant ID in your request and try again.")
	out, err = ask("plain", "blue")
	wantFault(t, out, err, "InvalidParameterValueException", "Remove the tenant ID from your request and try again.")
	out, err = ask("f", "no;such")
	wantFault(t, out, err, "ValidationException", "tenantId")
	if out, err := ask("plain", ""); err != nil || string(out.Payload) != `{"tenant":true}` {
		t.Errorf("%v, %v", out, err)
	}
	must(w, api.PublishVersion, &api.PublishVersionInput{FunctionName: new("f")})
	warm, err := do(w, api.PutProvisionedConcurrencyConfig, &api.PutProvisionedConcurrencyConfigInput{FunctionName: new("f"), Qualifier: new("1"), ProvisionedConcurrentExecutions: new(int32(1))})
	wantFault(t, warm, err, "InvalidParameterValueException", "tenancy")
	url, err := do(w, api.CreateFunctionUrlConfig, &api.CreateFunctionUrlConfigInput{FunctionName: new("f"), AuthType: new("NONE")})
	wantFault(t, url, err, "InvalidParameterValueException", "tenancy")
	event, err := do(w, api.Invoke, &api.InvokeInput{FunctionName: new("f"), InvocationType: new("Event")})
	wantFault(t, event, err, "InvalidParameterValueException", "Add a valid tenant ID")
	must(w, api.UpdateFunctionConfiguration, &api.UpdateFunctionConfigurationInput{FunctionName: new("f"), Timeout: new(int32(9))})
	if out, err := ask("f", "blue"); err != nil || string(out.Payload) != `{"tenant":"blue","seen":1}` {
		t.Errorf("after a change %v, %v", out, err)
	}
}

// looping calls a function as it would call itself: with the trace that it got.
func (w *world) looping(name, trace string) (string, error) {
	r, _ := http.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Amzn-Trace-Id", trace)
	c := w.call()
	c.HTTP = &service.HTTP{Request: r}
	out, err := w.s.invokeFunction(w.t.Context(), c, &api.InvokeInput{FunctionName: &name})
	if err != nil {
		return "", err
	}
	return strings.Trim(string(out.Payload), `"`), nil
}

func TestLoops(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("loop", `exports.handler = async () => process.env._X_AMZN_TRACE_ID`)
	trace, times := "", 0
	var err error
	for ; err == nil && times < 50; times++ {
		trace, err = w.looping("loop", trace)
	}
	wantFault(t, 0, err, "RecursiveInvocationException", "recursive loop")
	if times != 17 {
		t.Errorf("ended at call %d", times)
	}
	if got := must(w, api.GetFunctionRecursionConfig, &api.GetFunctionRecursionConfigInput{FunctionName: new("loop")}); *got.RecursiveLoop != "Terminate" {
		t.Errorf("%+v", got)
	}
	must(w, api.PutFunctionRecursionConfig, &api.PutFunctionRecursionConfigInput{FunctionName: new("loop"), RecursiveLoop: new("Allow")})
	trace = ""
	for times = 0; times < 20; times++ {
		if trace, err = w.looping("loop", trace); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeepRequests(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("deep", `exports.handler = async () => 1`)
	req := functions.Request{Caller: w.call().Caller, Account: account, Region: region, FunctionARN: fn.FunctionARN(fn.Place{Account: account, Region: region}, "deep"), Depth: service.MaxDepth}
	out, err := w.s.InvokeFunction(t.Context(), req)
	wantFault(t, out, err, "RecursiveInvocationException", "recursive loop")
	must(w, api.PutFunctionRecursionConfig, &api.PutFunctionRecursionConfigInput{FunctionName: new("deep"), RecursiveLoop: new("Allow")})
	if out, err := w.s.InvokeFunction(t.Context(), req); err != nil || string(out.Payload) != "1" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestRuntimeManagement(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => 1`, func(in *api.CreateFunctionInput) { in.Publish = new(true) })
	got := must(w, api.GetRuntimeManagementConfig, &api.GetRuntimeManagementConfigInput{FunctionName: new("f")})
	if *got.UpdateRuntimeOn != "Auto" || got.RuntimeVersionArn != nil {
		t.Errorf("%+v", got)
	}
	now := *must(w, api.GetFunctionConfiguration, &api.GetFunctionConfigurationInput{FunctionName: new("f")}).RuntimeVersionConfig.RuntimeVersionArn
	put := &api.PutRuntimeManagementConfigInput{FunctionName: new("f"), Qualifier: new("1"), UpdateRuntimeOn: new("Manual")}
	out, err := do(w, api.PutRuntimeManagementConfig, put)
	wantFault(t, out, err, "InvalidParameterValueException", "RuntimeVersionArn")
	put.RuntimeVersionArn = new(now[:len(now)-1] + "x")
	out, err = do(w, api.PutRuntimeManagementConfig, put)
	wantFault(t, out, err, "InvalidParameterValueException", "moln has no runtime version")
	put.RuntimeVersionArn = &now
	must(w, api.PutRuntimeManagementConfig, put)
	if got := must(w, api.GetRuntimeManagementConfig, &api.GetRuntimeManagementConfigInput{FunctionName: new("f"), Qualifier: new("1")}); *got.UpdateRuntimeOn != "Manual" || *got.RuntimeVersionArn != now {
		t.Errorf("%+v", got)
	}
	if got := must(w, api.GetRuntimeManagementConfig, &api.GetRuntimeManagementConfigInput{FunctionName: new("f")}); *got.UpdateRuntimeOn != "Auto" {
		t.Errorf("%+v", got)
	}
	if out := must(w, api.Invoke, &api.InvokeInput{FunctionName: new("f"), Qualifier: new("1")}); string(out.Payload) != "1" {
		t.Errorf("%s", out.Payload)
	}
}

func TestResourcePolicy(t *testing.T) {
	w := newWorld(t, Options{})
	w.node("f", `exports.handler = async () => 1`)
	arn := fn.FunctionARN(fn.Place{Account: account, Region: region}, "f")
	text := `{"Version":"2012-10-17","Statement":{"Sid":"a","Effect":"Allow","Principal":{"AWS":["999999999999"]},"Action":["lambda:InvokeFunction","lambda:GetFunction"],"Resource":"` + arn + `"}}`
	put := &api.PutResourcePolicyInput{ResourceArn: &arn, Policy: &text}
	none, err := do(w, api.GetResourcePolicy, &api.GetResourcePolicyInput{ResourceArn: &arn})
	wantFault(t, none, err, "ResourceNotFoundException", "")
	must(w, api.AddPermission, &api.AddPermissionInput{FunctionName: new("f"), StatementId: new("old"), Action: new("lambda:InvokeFunction"), Principal: new("s3.amazonaws.com")})
	made := must(w, api.PutResourcePolicy, put)
	shown := must(w, api.GetPolicy, &api.GetPolicyInput{FunctionName: new("f")})
	if *shown.Policy != *made.Policy || *shown.RevisionId != *made.RevisionId || strings.Contains(*shown.Policy, "old") || !strings.Contains(*shown.Policy, "lambda:GetFunction") {
		t.Errorf("put %+v, got %+v", made, shown)
	}
	if _, err := doContext(t.Context(), w, w.stranger(), api.GetFunction, &api.GetFunctionInput{FunctionName: &arn}); err != nil {
		t.Error(err)
	}
	must(w, api.AddPermission, &api.AddPermissionInput{FunctionName: new("f"), StatementId: new("more"), Action: new("lambda:InvokeFunction"), Principal: new("s3.amazonaws.com")})
	for _, c := range []struct{ policy, revision, code string }{
		{text, *made.RevisionId, "PreconditionFailedException"},
		{`{`, "", "InvalidParameterValueException"},
		{strings.Replace(text, arn+`"`, arn+`x"`, 1), "", "InvalidParameterValueException"},
		{strings.Replace(text, `"Resource":"`+arn, `"NotResource":"`+arn+`x`, 1), "", "InvalidParameterValueException"},
		{strings.Replace(text, "lambda:GetFunction", "s3:GetObject", 1), "", "InvalidParameterValueException"},
		{strings.Replace(text, `"Principal":{"AWS":["999999999999"]},`, "", 1), "", "InvalidParameterValueException"},
	} {
		in := &api.PutResourcePolicyInput{ResourceArn: &arn, Policy: &c.policy}
		if c.revision != "" {
			in.RevisionId = &c.revision
		}
		if _, err := do(w, api.PutResourcePolicy, in); !fault.Is(err, c.code) {
			t.Errorf("%s: %v", c.policy, err)
		}
	}
	must(w, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{ResourceArn: &arn})
	again, err := do(w, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{ResourceArn: &arn})
	wantFault(t, again, err, "ResourceNotFoundException", "")
	denied, err := doContext(t.Context(), w, w.stranger(), api.GetFunction, &api.GetFunctionInput{FunctionName: &arn})
	wantFault(t, denied, err, "AccessDeniedException", "")
}
