package cloudformation

import (
	"slices"
	"strings"
	"testing"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/smithy"
)

func TestParameterStore(t *testing.T) {
	w := newWorld(t)
	body := `
Parameters: {Version: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /cdk/version}}
Rules:
  New: {Assertions: [{Assert: {'Fn::Not': [{'Fn::Contains': [['1', '2'], !Ref Version]}]}, AssertDescription: bootstrap again}]}
Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: !Ref Version}}}
`
	in := &api.CreateStackInput{StackName: new("st"), TemplateBody: &body}
	wantFault(w, api.CreateStack, in, "ValidationError", "Unable to fetch parameters [/cdk/version] from parameter store for this account.")
	w.objects["/cdk/version"] = "2"
	wantFault(w, api.CreateStack, in, "ValidationError", "bootstrap again")
	w.objects["/cdk/version"] = "33"
	must(w, api.CreateStack, in)
	st := w.wait("st", "CREATE_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "33" || *st.Parameters[0].ResolvedValue != "33" {
		t.Errorf("A is %+v, parameters %+v", got, st.Parameters)
	}
}

func TestDynamicReferences(t *testing.T) {
	tests := []struct{ value, want string }{
		{"{{resolve:ssm:/p}}", "plain"},
		{"a-{{resolve:ssm:/p}}-b", "a-plain-b"},
		{"{{resolve:secretsmanager:sec}}", `{"k":"deep"}`},
		{"{{resolve:secretsmanager:sec:SecretString:k}}", "deep"},
		{"{{resolve:secretsmanager:sec:SecretString:k:AWSCURRENT:}}", "deep"},
		{"{{resolve:ssm:/none}}", ""},
		{"{{resolve:other:x}}", ""},
	}
	for _, tt := range tests {
		w := newWorld(t)
		w.objects["/p"], w.objects["sec"] = "plain", `{"k":"deep"}`
		w.create("st", "Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: '"+tt.value+"'}}}")
		if tt.want == "" {
			w.wait("st", "ROLLBACK_COMPLETE")
			continue
		}
		w.wait("st", "CREATE_COMPLETE")
		if got, _ := w.thing("a"); got.Value != tt.want {
			t.Errorf("%s gave %q", tt.value, got.Value)
		}
		events := must(w, api.DescribeStackEvents, &api.DescribeStackEventsInput{StackName: new("st")}).StackEvents
		if slices.ContainsFunc(events, func(e api.StackEvent) bool { return strings.Contains(smithy.Val(e.ResourceProperties), "deep") }) {
			t.Error("an event shows the secret")
		}
	}
}

func TestStackNames(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"", "1a", "a_b", "a b", strings.Repeat("a", 129)} {
		wantFault(w, api.CreateStack, &api.CreateStackInput{StackName: &name, TemplateBody: new(twoThings)}, "ValidationError", "stackName")
	}
}

func TestEmptyListsAreThere(t *testing.T) {
	w := newWorld(t)
	body := "Resources: {A: {Type: Test::Thing}}"
	if must(w, api.GetTemplateSummary, &api.GetTemplateSummaryInput{TemplateBody: &body}).Parameters == nil {
		t.Error("the AWS CLI's deploy needs the Parameters of every summary")
	}
	w.create("st", body)
	if st := w.wait("st", "CREATE_COMPLETE"); st.Tags == nil || st.NotificationARNs == nil {
		t.Error("tags or notification ARNs are missing")
	}
}
