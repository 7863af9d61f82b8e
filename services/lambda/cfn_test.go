package lambda

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/cfn"
)

// resource makes properties of a type from JSON.
func resource(t *testing.T, name, logical, text string) (service.ResourceType, *service.Resource) {
	t.Helper()
	all := cfn.Resources()
	i := slices.IndexFunc(all, func(r service.ResourceType) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no type %s", name)
	}
	p := all[i].New()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		t.Fatal(err)
	}
	return all[i], &service.Resource{Type: name, LogicalID: logical, StackName: "stack", Token: "TOKEN", Properties: p, Tags: map[string]string{"stack": "s"}}
}

func TestFunctionResource(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, c := t.Context(), w.call()
	rt, r := resource(t, "AWS::Lambda::Function", "Fn", `{"Code":{"ZipFile":"exports.handler = async () => ({v: 1, x: process.env.XX})"},"Handler":"index.handler","Runtime":"nodejs20.x",
		"Role":"`+goodRole+`","MemorySize":256,"Timeout":7,"Environment":{"Variables":{"XX":"y"}},"ReservedConcurrentExecutions":5,"Tags":[{"Key":"a","Value":"b"}]}`)
	if err := rt.Create(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	if r.PhysicalID != "stack-Fn-TOKEN" || r.Attributes["Arn"] != "arn:aws:lambda:eu-west-1:123456789012:function:stack-Fn-TOKEN" {
		t.Errorf("made %s, %v", r.PhysicalID, r.Attributes)
	}
	if _, v := w.invoke(r.PhysicalID, `{}`); v["v"] != 1.0 || v["x"] != "y" {
		t.Errorf("answer %v", v)
	}
	old := r.Properties
	_, next := resource(t, "AWS::Lambda::Function", "Fn", `{"Code":{"ZipFile":"exports.handler = async () => ({v: 2, x: process.env.XX})"},"Handler":"index.handler","Runtime":"nodejs20.x",
		"Role":"`+goodRole+`","Tags":[{"Key":"c","Value":"d"}]}`)
	r.Old, r.Properties = old, next.Properties
	if err := rt.Update(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	got := must(w, api.GetFunction, &api.GetFunctionInput{FunctionName: &r.PhysicalID})
	if *got.Configuration.MemorySize != 128 || *got.Configuration.Timeout != 3 || got.Configuration.Environment != nil || got.Concurrency != nil {
		t.Errorf("what the template left out stayed: %+v", got.Configuration)
	}
	if got.Tags["a"] != "" || got.Tags["c"] != "d" || got.Tags["stack"] != "s" {
		t.Errorf("tags %v", got.Tags)
	}
	if _, v := w.invoke(r.PhysicalID, `{}`); v["v"] != 2.0 || v["x"] != nil {
		t.Errorf("answer %v", v)
	}
	for range 2 { // gone already is no error
		if err := rt.Delete(ctx, c, r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDependentResources(t *testing.T) {
	w := newWorld(t, Options{Sandbox: "none"})
	ctx, c := t.Context(), w.call()
	w.node("f", "1")
	type made struct {
		rt service.ResourceType
		r  *service.Resource
	}
	var all []made
	create := func(name, text string) *service.Resource {
		rt, r := resource(t, name, "Id", text)
		if err := rt.Create(ctx, c, r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, made{rt, r})
		return r
	}
	v := create("AWS::Lambda::Version", `{"FunctionName":"f","Description":"d"}`)
	if v.PhysicalID != "arn:aws:lambda:eu-west-1:123456789012:function:f:1" || v.Attributes["Version"] != "1" {
		t.Errorf("version %s %v", v.PhysicalID, v.Attributes)
	}
	a := create("AWS::Lambda::Alias", `{"FunctionName":"f","FunctionVersion":"1","Name":"live"}`)
	if a.PhysicalID != "arn:aws:lambda:eu-west-1:123456789012:function:f:live" {
		t.Errorf("alias %s", a.PhysicalID)
	}
	p := create("AWS::Lambda::Permission", `{"FunctionName":"`+a.PhysicalID+`","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com"}`)
	if doc := must(w, api.GetPolicy, &api.GetPolicyInput{FunctionName: new("f"), Qualifier: new("live")}); !strings.Contains(*doc.Policy, p.RefValue) {
		t.Errorf("policy %s has no %s", *doc.Policy, p.RefValue)
	}
	create("AWS::Lambda::EventInvokeConfig", `{"FunctionName":"f","Qualifier":"$LATEST","MaximumRetryAttempts":1}`)
	slices.Reverse(all)
	for _, m := range all {
		for range 2 {
			if err := m.rt.Delete(ctx, c, m.r); err != nil {
				t.Errorf("delete %s: %v", m.r.Type, err)
			}
		}
	}
	if _, err := do(w, api.GetAlias, &api.GetAliasInput{FunctionName: new("f"), Name: new("live")}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("the alias is still there: %v", err)
	}
	if _, err := do(w, api.GetFunction, &api.GetFunctionInput{FunctionName: new("f"), Qualifier: new("1")}); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("the version is still there: %v", err)
	}
}

func TestFunctionResourceBeside(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, c := t.Context(), w.call()
	const base = `"Code":{"ZipFile":"exports.handler = async () => 1"},"Handler":"index.handler","Runtime":"nodejs20.x","Role":"` + goodRole + `"`
	rt, r := resource(t, "AWS::Lambda::Function", "Fn", `{`+base+`,"RecursiveLoop":"Allow","TenancyConfig":{"TenantIsolationMode":"PER_TENANT"},"RuntimeManagementConfig":{"UpdateRuntimeOn":"FunctionUpdate"}}`)
	if err := rt.Create(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	if r.Attributes["SnapStartResponse.ApplyOn"] != "None" {
		t.Errorf("attributes %v", r.Attributes)
	}
	state := func() string {
		loop := must(w, api.GetFunctionRecursionConfig, &api.GetFunctionRecursionConfigInput{FunctionName: &r.PhysicalID})
		updates := must(w, api.GetRuntimeManagementConfig, &api.GetRuntimeManagementConfigInput{FunctionName: &r.PhysicalID})
		return *loop.RecursiveLoop + " " + *updates.UpdateRuntimeOn
	}
	if got := state(); got != "Allow FunctionUpdate" {
		t.Error(got)
	}
	_, next := resource(t, "AWS::Lambda::Function", "Fn", `{`+base+`,"TenancyConfig":{"TenantIsolationMode":"PER_TENANT"}}`)
	r.Old, r.Properties = r.Properties, next.Properties
	if err := rt.Update(ctx, c, r); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != "Terminate Auto" {
		t.Error(got)
	}
}
