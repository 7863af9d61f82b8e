package cloudformation

import (
	"strings"
	"testing"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/smithy"
)

func (w *world) changeSet(kind, body string) *api.DescribeChangeSetOutput {
	w.t.Helper()
	must(w, api.CreateChangeSet, &api.CreateChangeSetInput{
		StackName: new("st"), ChangeSetName: new("cs"), ChangeSetType: &kind, TemplateBody: &body,
		NotificationARNs: []string{""}, // how tools send an empty list
	})
	return must(w, api.DescribeChangeSet, &api.DescribeChangeSetInput{StackName: new("st"), ChangeSetName: new("cs"), IncludePropertyValues: new(true)})
}

func TestChangeSetLifecycle(t *testing.T) {
	w := newWorld(t)
	cs := w.changeSet("CREATE", twoThings)
	if *cs.Status != "CREATE_COMPLETE" || *cs.ExecutionStatus != "AVAILABLE" || len(cs.Changes) != 2 {
		t.Fatalf("%s %s, %d changes", *cs.Status, *cs.ExecutionStatus, len(cs.Changes))
	}
	w.wait("st", "REVIEW_IN_PROGRESS")
	must(w, api.ExecuteChangeSet, &api.ExecuteChangeSetInput{StackName: new("st"), ChangeSetName: new("cs")})
	w.wait("st", "CREATE_COMPLETE")
	if got := *must(w, api.GetTemplate, &api.GetTemplateInput{StackName: new("st")}).TemplateBody; got != twoThings {
		t.Error("the stack has another template")
	}
	wantFault(w, api.ExecuteChangeSet, &api.ExecuteChangeSetInput{StackName: new("st"), ChangeSetName: new("cs")}, "InvalidChangeSetStatus", "EXECUTE_COMPLETE")
	must(w, api.DeleteChangeSet, &api.DeleteChangeSetInput{StackName: new("st"), ChangeSetName: new("cs")})
	must(w, api.DeleteChangeSet, &api.DeleteChangeSetInput{StackName: new("st"), ChangeSetName: new("cs")})
	wantFault(w, api.DescribeChangeSet, &api.DescribeChangeSetInput{StackName: new("st"), ChangeSetName: new("cs")}, "ChangeSetNotFound", "ChangeSet [cs] does not exist")

	cs = w.changeSet("UPDATE", twoThings)
	if *cs.Status != "FAILED" || *cs.StatusReason != noChanges || *cs.ExecutionStatus != "UNAVAILABLE" {
		t.Errorf("an empty change set is %s: %s", *cs.Status, *cs.StatusReason)
	}
	must(w, api.DeleteChangeSet, &api.DeleteChangeSetInput{ChangeSetName: cs.ChangeSetId})

	cs = w.changeSet("UPDATE", strings.ReplaceAll(twoThings, "Name: a,", "Name: a2,"))
	got := map[string]string{}
	for _, c := range cs.Changes {
		rc := c.ResourceChange
		line := *rc.Action + " " + smithy.Val(rc.Replacement)
		for _, d := range rc.Details {
			line += " " + *d.Target.Name + ":" + *d.Target.RequiresRecreation + ":" + *d.Evaluation + ":" + *d.ChangeSource
		}
		got[*rc.LogicalResourceId] = line
	}
	if got["A"] != "Modify True Name:Always:Static:DirectModification" {
		t.Errorf("A: %s", got["A"])
	}
	if !strings.HasPrefix(got["B"], "Modify False Value:Never:Dynamic:ResourceAttribute") {
		t.Errorf("B: %s", got["B"])
	}
	must(w, api.ExecuteChangeSet, &api.ExecuteChangeSetInput{ChangeSetName: cs.ChangeSetId})
	w.wait("st", "UPDATE_COMPLETE")
	if _, there := w.thing("a2"); !there {
		t.Error("the change set did nothing")
	}
}

func TestChangeSetFaults(t *testing.T) {
	w := newWorld(t)
	in := &api.CreateChangeSetInput{StackName: new("st"), ChangeSetName: new("cs"), ChangeSetType: new("UPDATE"), TemplateBody: new(twoThings)}
	wantFault(w, api.CreateChangeSet, in, "ValidationError", "Stack [st] does not exist")
	wantFault(w, api.DescribeStacks, &api.DescribeStacksInput{StackName: new("st")}, "ValidationError", "Stack with id st does not exist")
	bad := &api.CreateChangeSetInput{StackName: new("st"), ChangeSetName: new("cs"), ChangeSetType: new("CREATE"), TemplateBody: new("Resources: {A: {Type: X, Properties: {v: !Ref B}}, B: {Type: X, DependsOn: A}}")}
	wantFault(w, api.CreateChangeSet, bad, "ValidationError", "Circular dependency between resources: [A, B]")
	wantFault(w, api.DescribeStacks, &api.DescribeStacksInput{StackName: new("st")}, "ValidationError", "does not exist")
	wantFault(w, api.CreateChangeSet, &api.CreateChangeSetInput{StackName: new("st"), ChangeSetName: new("cs"), ChangeSetType: new("IMPORT"), TemplateBody: new(twoThings)}, "ValidationError", "not supported")
}

func TestReviewStackIsDeleted(t *testing.T) {
	w := newWorld(t)
	cs := w.changeSet("CREATE", twoThings)
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")})
	w.wait(*cs.StackId, "DELETE_COMPLETE")
}

func TestTemplateObject(t *testing.T) {
	tests := []struct{ link, want string }{
		{"https://s3.amazonaws.com/b/serverless/x/dev/1700-2026-01-01T00:00:00.000Z/t.json", "b serverless/x/dev/1700-2026-01-01T00:00:00.000Z/t.json"},
		{"http://127.0.0.1:4566/b/k/t.yml", "b k/t.yml"},
		{"http://127.0.0.1:4566/b/k?versionId=v1", "b k v1"},
		{"https://b.s3.amazonaws.com/k/t", "b k/t"},
		{"https://b.with.dots.s3.eu-west-1.amazonaws.com/k", "b.with.dots k"},
		{"https://s3.eu-west-1.amazonaws.com/b/k", "b k"},
		{"https://s3-us-gov-west-1.amazonaws.com/b/k", "b k"},
		{"https://b.s3.dualstack.eu-west-1.amazonaws.com/k", "b k"},
		{"https://b.s3.cn-north-1.amazonaws.com.cn/k", "b k"},
		{"http://b.s3.localhost:4566/k", "b k"},
		{"http://s3.localhost:4566/b/k", "b k"},
		{"https://s3.amazonaws.com/b", ""},
		{"file:///etc/passwd", ""},
		{"nonsense", ""},
	}
	for _, tt := range tests {
		o, ok := templateObject(tt.link)
		got := strings.TrimSpace(o.bucket + " " + o.key + " " + o.version)
		if !ok {
			got = ""
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.link, got, tt.want)
		}
	}
}
