package cloudformation

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/aws/smithy"
)

const twoThings = `
Parameters: {V: {Type: String, Default: one}, Secret: {Type: String, NoEcho: true, Default: hush}}
Resources:
  A: {Type: Test::Thing, Properties: {Name: a, Value: !Ref V}}
  B: {Type: Test::Thing, Properties: {Value: !Sub '${A.Arn}-${Secret}'}}
Outputs:
  Out: {Value: !GetAtt A.Arn, Export: {Name: shared}}
`

func TestTableNamesEveryOperationOnce(t *testing.T) {
	seen := map[string]int{}
	for _, op := range table.Bind(nil) {
		_, o := op.Of()
		seen[o.Name]++
	}
	for _, o := range api.Schema.Operations {
		if seen[o.Name] != 1 {
			t.Errorf("%s: %d rows", o.Name, seen[o.Name])
		}
	}
}

func TestCreateDescribeDelete(t *testing.T) {
	w := newWorld(t)
	id := w.create("st", twoThings)
	st := w.wait("st", "CREATE_COMPLETE")
	if *st.Outputs[0].OutputValue != "arn:a" || *st.Outputs[0].ExportName != "shared" {
		t.Errorf("outputs %+v", st.Outputs)
	}
	if got := *st.Parameters[0].ParameterValue; got != "****" {
		t.Errorf("a NoEcho parameter shows %s", got)
	}
	want := []string{
		"st CREATE_IN_PROGRESS User Initiated",
		"A CREATE_IN_PROGRESS", "A CREATE_IN_PROGRESS Resource creation Initiated", "A CREATE_COMPLETE",
		"B CREATE_IN_PROGRESS", "B CREATE_IN_PROGRESS Resource creation Initiated", "B CREATE_COMPLETE",
		"st CREATE_COMPLETE",
	}
	if diff := cmp.Diff(want, w.events("st")); diff != "" {
		t.Error(diff)
	}
	events := must(w, api.DescribeStackEvents, &api.DescribeStackEventsInput{StackName: &id}).StackEvents
	for _, e := range events {
		if strings.Contains(smithy.Val(e.ResourceProperties), "hush") {
			t.Errorf("an event shows the secret: %s", *e.ResourceProperties)
		}
	}
	wantFault(w, api.CreateStack, &api.CreateStackInput{StackName: new("st"), TemplateBody: new(twoThings)}, "AlreadyExistsException", "Stack [st] already exists")
	wantFault(w, api.DescribeStackResource, &api.DescribeStackResourceInput{StackName: new("st"), LogicalResourceId: new("X")}, "ValidationError", "Resource X does not exist for stack st")
	if got := *must(w, api.DescribeStackResource, &api.DescribeStackResourceInput{StackName: new("st"), LogicalResourceId: new("A")}).StackResourceDetail.PhysicalResourceId; got != "a" {
		t.Errorf("physical id %s", got)
	}
	if got := *must(w, api.GetTemplate, &api.GetTemplateInput{StackName: new("st")}).TemplateBody; got != twoThings {
		t.Error("GetTemplate gives another template")
	}
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")})
	w.wait(id, "DELETE_COMPLETE")
	wantFault(w, api.DescribeStacks, &api.DescribeStacksInput{StackName: new("st")}, "ValidationError", "Stack with id st does not exist")
	if i, j := slices.Index(w.log, "delete B"), slices.Index(w.log, "delete A"); i > j {
		t.Error("A was deleted before B, which refers to it")
	}
	if len(w.things) != 0 {
		t.Errorf("left behind: %v", w.things)
	}
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("never")})
}

func TestCreateRollsBack(t *testing.T) {
	tests := []struct{ name, b, reason string }{
		{"handler fails", "Type: Test::Thing, Properties: {Value: !Ref A}", `B CREATE_FAILED Resource handler returned message: "no" (HandlerErrorCode: InvalidRequest)`},
		{"unknown type", "Type: AWS::NotAReal::Thing", "B CREATE_FAILED Template format error: Unrecognized resource types: [AWS::NotAReal::Thing]"},
		{"unknown property", "Type: Test::Thing, Properties: {Foo: 1}", "B CREATE_FAILED Properties validation failed for resource B with message:\n#: extraneous key [Foo] is not permitted"},
		{"unknown property deep", "Type: Test::Thing, Properties: {Nested: {Bar: 1}}", "B CREATE_FAILED Properties validation failed for resource B with message:\n#/Nested: extraneous key [Bar] is not permitted"},
		{"unknown attribute", "Type: Test::Thing, Properties: {Value: !GetAtt A.Nope}", "B CREATE_FAILED Template error: resource A does not support attribute type Nope in Fn::GetAtt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.fail["create B"] = "no"
			w.create("st", "Resources: {A: {Type: Test::Thing}, B: {"+tt.b+"}}")
			w.wait("st", "ROLLBACK_COMPLETE")
			events := w.events("st")
			for _, want := range []string{
				tt.reason,
				"st ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [B]. Rollback requested by user.",
				"st ROLLBACK_COMPLETE",
			} {
				if !slices.Contains(events, want) {
					t.Errorf("no event %q in\n%s", want, strings.Join(events, "\n"))
				}
			}
			if len(w.things) != 0 {
				t.Errorf("left behind: %v", w.things)
			}
			wantFault(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: new(twoThings)}, "ValidationError", "is in ROLLBACK_COMPLETE state and can not be updated.")
		})
	}
}

func TestCreateFailureModes(t *testing.T) {
	body := "Resources: {A: {Type: Test::Thing, Properties: {Name: a}}, B: {Type: Test::Thing, DependsOn: A}}"
	for mode, status := range map[string]string{"DO_NOTHING": "CREATE_FAILED", "DELETE": "DELETE_COMPLETE"} {
		w := newWorld(t)
		w.fail["create B"] = "no"
		out := must(w, api.CreateStack, &api.CreateStackInput{StackName: new("st"), TemplateBody: &body, OnFailure: &mode})
		w.wait(*out.StackId, status)
		if _, there := w.thing("a"); there != (mode == "DO_NOTHING") {
			t.Errorf("%s: A exists: %v", mode, there)
		}
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	w.create("st", twoThings)
	w.wait("st", "CREATE_COMPLETE")
	update := func(body string) {
		must(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: &body})
	}
	wantFault(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), UsePreviousTemplate: new(true)}, "ValidationError", "No updates are to be performed.")

	// In place: only A is touched, since its Arn stays.
	update(strings.ReplaceAll(twoThings, "Default: one", "Default: two"))
	w.wait("st", "UPDATE_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "two" || w.did("update B") != 0 {
		t.Errorf("A is %+v; B was updated %d times", got, w.did("update B"))
	}

	// Replacement: the new one first, B follows, then the old one goes.
	update(strings.ReplaceAll(twoThings, "Name: a", "Name: a2"))
	w.wait("st", "UPDATE_COMPLETE")
	if _, old := w.thing("a"); old {
		t.Error("the old resource is still there")
	}
	want := []string{
		"st UPDATE_IN_PROGRESS User Initiated",
		"A UPDATE_IN_PROGRESS Requested update requires the creation of a new physical resource; hence creating one.",
		"A UPDATE_IN_PROGRESS Resource creation Initiated", "A UPDATE_COMPLETE", "B UPDATE_IN_PROGRESS", "B UPDATE_COMPLETE",
		"st UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "A DELETE_IN_PROGRESS", "A DELETE_COMPLETE", "st UPDATE_COMPLETE",
	}
	events := w.events("st")
	if diff := cmp.Diff(want, events[len(events)-len(want):]); diff != "" {
		t.Error(diff)
	}

	// Removal, with a policy that keeps.
	update("Resources: {A: {Type: Test::Thing, DeletionPolicy: Retain, Properties: {Name: a2, Value: one}}, C: {Type: Test::Thing}}")
	w.wait("st", "UPDATE_COMPLETE")
	update("Resources: {C: {Type: Test::Thing}}")
	w.wait("st", "UPDATE_COMPLETE")
	if _, kept := w.thing("a2"); !kept || w.did("delete B") != 1 {
		t.Errorf("A kept: %v, B deleted %d times", kept, w.did("delete B"))
	}
}

func TestUpdateRollsBack(t *testing.T) {
	w := newWorld(t)
	base := "Resources:\n  A: {Type: Test::Thing, Properties: {Name: a, Value: one}}\n  R: {Type: Test::Thing, Properties: {Name: r}}\n"
	w.create("st", base)
	w.wait("st", "CREATE_COMPLETE")
	w.fail["create Z"] = "no"
	next := "Resources:\n  A: {Type: Test::Thing, Properties: {Name: a, Value: two}}\n  R: {Type: Test::Thing, Properties: {Name: r2}}\n" +
		"  N: {Type: Test::Thing, Properties: {Name: n}}\n  Z: {Type: Test::Thing, DependsOn: [A, R, N]}\n"
	must(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: &next})
	w.wait("st", "UPDATE_ROLLBACK_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "one" {
		t.Errorf("A is %+v", got)
	}
	for id, want := range map[string]bool{"r": true, "r2": false, "n": false} {
		if _, there := w.thing(id); there != want {
			t.Errorf("%s exists: %v", id, there)
		}
	}
	events := w.events("st")
	for _, want := range []string{
		"st UPDATE_ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [Z].",
		"st UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "st UPDATE_ROLLBACK_COMPLETE",
	} {
		if !slices.Contains(events, want) {
			t.Errorf("no event %q in\n%s", want, strings.Join(events, "\n"))
		}
	}
	wantFault(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: &base}, "ValidationError", "No updates are to be performed.")
}

func TestRollbackFailsAndContinues(t *testing.T) {
	w := newWorld(t)
	w.create("st", "Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: one}}}")
	w.wait("st", "CREATE_COMPLETE")
	w.fail["update A"] = "no"
	must(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: new("Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: two}}}")})
	w.wait("st", "UPDATE_ROLLBACK_FAILED")
	w.mu.Lock()
	delete(w.fail, "update A")
	w.mu.Unlock()
	must(w, api.ContinueUpdateRollback, &api.ContinueUpdateRollbackInput{StackName: new("st")})
	w.wait("st", "UPDATE_ROLLBACK_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "one" {
		t.Errorf("A is %+v", got)
	}
}

func TestDeleteFailsThenRetains(t *testing.T) {
	w := newWorld(t)
	id := w.create("st", "Resources: {A: {Type: Test::Thing}, B: {Type: Test::Thing, Properties: {Value: !Ref A}}}")
	w.wait("st", "CREATE_COMPLETE")
	w.fail["delete B"] = "in use"
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")})
	st := w.wait("st", "DELETE_FAILED")
	if got := *st.StackStatusReason; got != "The following resource(s) failed to delete: [B]. " {
		t.Errorf("reason %q", got)
	}
	if w.did("delete A") != 0 {
		t.Error("A was deleted under B")
	}
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st"), RetainResources: []string{"B"}})
	w.wait(id, "DELETE_COMPLETE")
	if len(w.things) != 1 {
		t.Errorf("left behind: %v", w.things)
	}
}

func TestTerminationProtection(t *testing.T) {
	w := newWorld(t)
	must(w, api.CreateStack, &api.CreateStackInput{StackName: new("st"), TemplateBody: new(twoThings), EnableTerminationProtection: new(true)})
	w.wait("st", "CREATE_COMPLETE")
	wantFault(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")}, "ValidationError", "Stack [st] cannot be deleted while TerminationProtection is enabled")
	must(w, api.UpdateTerminationProtection, &api.UpdateTerminationProtectionInput{StackName: new("st"), EnableTerminationProtection: new(false)})
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")})
}

func TestExports(t *testing.T) {
	w := newWorld(t)
	w.create("one", twoThings)
	w.wait("one", "CREATE_COMPLETE")
	w.create("two", "Resources: {X: {Type: Test::Thing, Properties: {Name: x, Value: !ImportValue shared}}}")
	w.wait("two", "CREATE_COMPLETE")
	if got, _ := w.thing("x"); got.Value != "arn:a" {
		t.Errorf("imported %q", got.Value)
	}
	if got := must(w, api.ListImports, &api.ListImportsInput{ExportName: new("shared")}).Imports; len(got) != 1 || got[0] != "two" {
		t.Errorf("imports %v", got)
	}
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("one")})
	st := w.wait("one", "DELETE_FAILED")
	if got := *st.StackStatusReason; got != "Export shared cannot be deleted as it is in use by two" {
		t.Errorf("reason %q", got)
	}
	w.create("three", strings.ReplaceAll(twoThings, "Name: a,", "Name: other,"))
	w.wait("three", "ROLLBACK_COMPLETE")
	if events := w.events("three"); !slices.Contains(events, "three ROLLBACK_IN_PROGRESS Export with name shared is already exported by stack one.") {
		t.Errorf("events\n%s", strings.Join(events, "\n"))
	}
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("two")})
	w.until("two is gone", func() bool {
		_, err := invoke(w, api.DescribeStacks, &api.DescribeStacksInput{StackName: new("two")})
		return err != nil
	})
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("one")})
	w.until("nothing is exported", func() bool { return len(must(w, api.ListExports, &api.ListExportsInput{}).Exports) == 0 })
}

func TestRole(t *testing.T) {
	w := newWorld(t)
	role := "arn:aws:iam::123456789012:role/deployer"
	w.denied["iam:PassRole "+role] = true
	in := &api.CreateStackInput{StackName: new("st"), TemplateBody: new(twoThings), RoleARN: &role}
	wantFault(w, api.CreateStack, in, "AccessDenied", "iam:PassRole")
	delete(w.denied, "iam:PassRole "+role)
	must(w, api.CreateStack, in)
	w.wait("st", "CREATE_COMPLETE")
	if !slices.Contains(w.assumed, "cloudformation.amazonaws.com "+role) {
		t.Errorf("assumed %v", w.assumed)
	}
}

func TestCapabilities(t *testing.T) {
	w := newWorld(t)
	body := "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {RoleName: x}}}"
	in := &api.CreateStackInput{StackName: new("st"), TemplateBody: &body, Capabilities: []string{"CAPABILITY_IAM"}}
	wantFault(w, api.CreateStack, in, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")
}
