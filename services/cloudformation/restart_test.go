package cloudformation

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/cloudformation"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/services/cloudformation/stack"
)

func TestRestartFinishesCreation(t *testing.T) {
	w := newWorld(t)
	w.block["create B"] = true
	w.create("st", twoThings)
	w.until("B is being created", func() bool { return w.did("create B") == 1 })
	w.kill()
	delete(w.block, "create B")
	w.boot()
	w.wait("st", "CREATE_COMPLETE")
	if n := w.did("create A"); n != 1 {
		t.Errorf("A was created %d times", n)
	}
	want := []string{"B CREATE_IN_PROGRESS", "B CREATE_IN_PROGRESS Resource creation Initiated", "B CREATE_COMPLETE", "st CREATE_COMPLETE"}
	events := w.events("st")
	if diff := cmp.Diff(want, events[len(events)-len(want):]); diff != "" {
		t.Error(diff)
	}
}

// What the process made and did not live to write down is made again under its
// generated name, and left alone under a name that the template gives.
func TestRestartAfterHalfACreation(t *testing.T) {
	for _, c := range []struct {
		template, status string
		deleted          int
	}{
		{"Resources: {A: {Type: Test::Thing}}", "CREATE_COMPLETE", 1},
		{"Resources: {A: {Type: Test::Thing, Properties: {Name: a}}}", "ROLLBACK_COMPLETE", 0},
	} {
		w := newWorld(t)
		w.half["create A"], w.block["create A"] = true, true
		w.create("st", c.template)
		w.until("A is being created", func() bool { return w.did("create A") == 1 })
		w.kill()
		delete(w.half, "create A")
		delete(w.block, "create A")
		w.boot()
		w.wait("st", c.status)
		if n := w.did("delete A"); n != c.deleted {
			t.Errorf("%s: A was deleted %d times, want %d", c.template, n, c.deleted)
		}
		w.mu.Lock()
		_, kept := w.things["a"]
		w.mu.Unlock()
		if c.deleted == 0 && !kept {
			t.Errorf("%s: what has the name was deleted", c.template)
		}
	}
}

func TestRestartRollsBackUpdate(t *testing.T) {
	w := newWorld(t)
	w.create("st", "Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: one}}}")
	w.wait("st", "CREATE_COMPLETE")
	w.block["create Z"] = true
	next := "Resources: {A: {Type: Test::Thing, Properties: {Name: a2, Value: two}}, Z: {Type: Test::Thing, DependsOn: A}}"
	must(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: &next})
	w.until("Z is being created", func() bool { return w.did("create Z") == 1 })
	w.kill()
	delete(w.block, "create Z")
	w.fail["create Z"] = "no"
	w.boot()
	w.wait("st", "UPDATE_ROLLBACK_COMPLETE")
	if _, there := w.thing("a2"); there {
		t.Error("the replacement is still there")
	}
	if got, _ := w.thing("a"); got.Value != "one" {
		t.Errorf("A is %+v", got)
	}
}

func TestRestartInRollbackAndDelete(t *testing.T) {
	w := newWorld(t)
	w.fail["create B"], w.block["delete A"] = "no", true
	id := w.create("st", "Resources: {A: {Type: Test::Thing}, B: {Type: Test::Thing, DependsOn: A}}")
	w.until("A is being deleted", func() bool { return w.did("delete A") == 1 })
	w.kill()
	delete(w.block, "delete A")
	w.boot()
	w.wait("st", "ROLLBACK_COMPLETE")
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")})
	w.wait(id, "DELETE_COMPLETE")
}

// A process that was killed leaves a lease; the next one waits for its end.
func TestLeaseOfDeadProcess(t *testing.T) {
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t)
	w.kill()
	w.clk = fake
	w.svc.deps.Clock = fake
	id := w.create("st", "Resources: {A: {Type: Test::Thing}}")
	uuid := id[strings.LastIndexByte(id, '/')+1:]
	lease := stack.Lease{Place: stack.Place{Account: "123456789012", Region: "us-east-1"}, ID: uuid}
	if ok, err := w.svc.store.Take(context.Background(), lease, "dead", fake.Now(), fake.Now().Add(15*time.Second)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	w.boot()
	if ok, _ := w.svc.store.Take(context.Background(), lease, "other", fake.Now(), fake.Now()); ok {
		t.Error("the lease of a process that may live was taken")
	}
	if w.did("create A") != 0 {
		t.Error("two processes work on one stack")
	}
	w.until("the stack is created", func() bool {
		fake.Advance(5 * time.Second)
		return *must(w, api.DescribeStacks, &api.DescribeStacksInput{StackName: new("st")}).Stacks[0].StackStatus == "CREATE_COMPLETE"
	})
}

func TestDeleteDuringCreation(t *testing.T) {
	w := newWorld(t)
	w.block["create B"] = true
	id := w.create("st", twoThings)
	w.until("B is being created", func() bool { return w.did("create B") == 1 })
	must(w, api.DeleteStack, &api.DeleteStackInput{StackName: new("st")})
	w.kill() // B's creation never ends by itself
	delete(w.block, "create B")
	w.boot()
	w.wait(id, "DELETE_COMPLETE")
	if len(w.things) != 0 {
		t.Errorf("left behind: %v", w.things)
	}
}

func TestCancelUpdate(t *testing.T) {
	w := newWorld(t)
	w.create("st", "Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: one}}}")
	w.wait("st", "CREATE_COMPLETE")
	wantFault(w, api.CancelUpdateStack, &api.CancelUpdateStackInput{StackName: new("st")}, "ValidationError", "CancelUpdateStack cannot be called from current stack status")
	w.block["update A"] = true
	next := "Resources: {A: {Type: Test::Thing, Properties: {Name: a, Value: two}}, B: {Type: Test::Thing, DependsOn: A}}"
	must(w, api.UpdateStack, &api.UpdateStackInput{StackName: new("st"), TemplateBody: &next})
	w.until("A is being updated", func() bool { return w.did("update A") == 1 })
	must(w, api.CancelUpdateStack, &api.CancelUpdateStackInput{StackName: new("st")})
	w.kill()
	delete(w.block, "update A")
	w.boot()
	w.wait("st", "UPDATE_ROLLBACK_COMPLETE")
	if got, _ := w.thing("a"); got.Value != "one" || w.did("create B") != 0 {
		t.Errorf("A is %+v, B was created %d times", got, w.did("create B"))
	}
}
