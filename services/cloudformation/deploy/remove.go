package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// grave is a physical resource to delete.
type grave struct {
	physical stack.Physical
	// retained resources are left alone.
	retained bool
	// current says that it is what the resource's record stands for.
	current bool
}

// removeAll deletes physical resources, those that depend on others first, and
// returns the logical ids whose deletion failed.
func (r *run) removeAll(ctx context.Context, graves map[string][]grave) ([]string, error) {
	depends := template.Graph{}
	for id := range graves {
		depends[id] = r.res[id].DependsOn
	}
	failed := walk(ctx, depends.Reverse(), true, func() bool { return ctx.Err() != nil }, func(ctx context.Context, id string) error {
		for _, g := range graves[id] {
			if err := r.remove(ctx, id, g); err != nil {
				return err
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, err := range failed {
		if !errors.As(err, new(verdict)) {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(failed)), nil
}

// remove deletes one physical resource and tells of it.
func (r *run) remove(ctx context.Context, id string, g grave) error {
	r.mu.Lock()
	res := *r.res[id]
	r.mu.Unlock()
	if g.current && res.Status == "DELETE_COMPLETE" {
		return nil
	}
	if g.retained {
		return r.tell(ctx, &res, g, "DELETE_SKIPPED", "")
	}
	if g.physical.ID == "" {
		return r.tell(ctx, &res, g, "DELETE_COMPLETE", "")
	}
	if err := r.tell(ctx, &res, g, "DELETE_IN_PROGRESS", ""); err != nil {
		return err
	}
	t, properties, err := r.properties(ctx, &g.physical)
	if errors.As(err, new(template.Violations)) {
		err = nil // the properties do not matter for what is to go
	}
	if err == nil {
		h := r.handle(id, &g.physical)
		h.Properties = properties
		err = t.Delete(ctx, r.call, h)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.tell(ctx, &res, g, "DELETE_FAILED", r.reason(err, id)); err != nil {
			return err
		}
		return verdict{"delete"}
	}
	return r.tell(context.WithoutCancel(ctx), &res, g, "DELETE_COMPLETE", "")
}

// tell writes an event of a deletion; the record follows where it stands for
// what is deleted.
func (r *run) tell(ctx context.Context, res *stack.Resource, g grave, status, reason string) error {
	if g.current {
		res.Status, res.StatusReason = status, reason
		return r.put(ctx, res, &g.physical)
	}
	ev := r.event(res, &g.physical, status, reason)
	if err := r.e.store.AddEvent(ctx, r.place, r.st.ID, ev); err != nil {
		return err
	}
	r.notify(ctx, &ev)
	return nil
}

func retains(policy string) bool { return policy == "Retain" || policy == "RetainExceptOnCreate" }

// everything is all physical resources of the stack.
func (r *run) everything(retained func(id string, res *stack.Resource) bool) map[string][]grave {
	graves := map[string][]grave{}
	for id, res := range r.res {
		for _, d := range res.Doomed {
			graves[id] = append(graves[id], grave{physical: d})
		}
		if res.Replaced && res.Before != nil {
			graves[id] = append(graves[id], grave{physical: *res.Before, retained: retains(res.Before.Policies[0])})
		}
		graves[id] = append(graves[id], grave{physical: res.Current, retained: retained(id, res), current: true})
	}
	return graves
}

func failedToDelete(ids []string) string {
	return fmt.Sprintf("The following resource(s) failed to delete: [%s]. ", strings.Join(ids, ", "))
}

// deleteStack deletes all resources and with them the stack.
func (r *run) deleteStack(ctx context.Context) error {
	if r.broken != "" {
		return r.deleteFailed(ctx, r.broken)
	}
	if err := r.e.store.SetExports(ctx, r.st, nil); err != nil {
		var conflict stack.ExportConflict
		if errors.As(err, &conflict) {
			return r.deleteFailed(ctx, string(conflict))
		}
		return err
	}
	failed, err := r.removeAll(ctx, r.everything(func(id string, res *stack.Resource) bool {
		return retains(res.Current.Policies[0]) || slices.Contains(r.op.Retain, id)
	}))
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		return r.deleteFailed(ctx, failedToDelete(failed))
	}
	if err := r.e.store.KeepImports(ctx, r.st, nil); err != nil {
		return err
	}
	return r.change(ctx, func(st *stack.Stack) {
		now := r.e.deps.Clock.Now()
		st.Status, st.StatusReason, st.Op, st.Deleted = "DELETE_COMPLETE", "", nil, &now
	})
}

func (r *run) deleteFailed(ctx context.Context, reason string) error {
	return r.change(ctx, func(st *stack.Stack) {
		st.Status, st.StatusReason, st.Op = "DELETE_FAILED", reason, nil
	})
}

// cleanup deletes what an update or its rollback left behind.
func (r *run) cleanup(ctx context.Context) error {
	graph, err := r.eval.Graph()
	if err != nil {
		return err
	}
	graves := map[string][]grave{}
	gone := map[string]bool{}
	for id, res := range r.res {
		for _, d := range res.Doomed {
			graves[id] = append(graves[id], grave{physical: d})
		}
		_, stays := graph[id]
		if r.op.RolledBack {
			stays = !(res.Fresh && res.Op == r.op.ID)
		}
		if !stays {
			gone[id] = true
			graves[id] = append(graves[id], grave{physical: res.Current, current: true, retained: r.retainedInCleanup(res)})
			continue
		}
		if res.Replaced && res.Before != nil && res.Op == r.op.ID {
			graves[id] = append(graves[id], grave{physical: *res.Before, retained: retains(res.Before.Policies[1])})
		}
	}
	// What cannot be deleted leaves the stack all the same; its event says so.
	if _, err := r.removeAll(ctx, graves); err != nil {
		return err
	}
	if err := r.settle(ctx, gone); err != nil {
		return err
	}
	return r.change(ctx, func(st *stack.Stack) {
		st.Status = "UPDATE_COMPLETE"
		if st.Op.RolledBack {
			st.Status = "UPDATE_ROLLBACK_COMPLETE"
		}
		st.StatusReason, st.Op = "", nil
	})
}

// retainedInCleanup: RetainExceptOnCreate does not keep what a failed update
// made.
func (r *run) retainedInCleanup(res *stack.Resource) bool {
	if r.op.RolledBack {
		return res.Current.Policies[0] == "Retain"
	}
	return retains(res.Current.Policies[0])
}

// settle forgets removed resources and what the operation remembered of the
// others.
func (r *run) settle(ctx context.Context, gone map[string]bool) error {
	for id, res := range r.res {
		if gone[id] {
			if err := r.e.store.DeleteResource(ctx, r.place, r.st.ID, id); err != nil {
				return err
			}
			continue
		}
		if r.op.RolledBack {
			r.restore(ctx, res)
		}
		res.Before, res.Replaced, res.Doomed, res.Fresh = nil, false, nil, false
		if err := r.e.store.PutResource(ctx, r.place, r.st.ID, res, nil); err != nil {
			return err
		}
	}
	return nil
}
