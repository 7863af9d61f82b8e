package deploy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// rollback undoes a failed creation or update.
func (r *run) rollback(ctx context.Context) error {
	if r.op.Kind == stack.Create {
		return r.rollbackCreate(ctx)
	}
	return r.rollbackUpdate(ctx)
}

func (r *run) rollbackCreate(ctx context.Context) error {
	failed, err := r.removeAll(ctx, r.everything(func(_ string, res *stack.Resource) bool {
		return res.Current.Policies[0] == "Retain" && res.Done
	}))
	if err != nil {
		return err
	}
	if err := r.e.store.KeepImports(ctx, r.st, nil); err != nil {
		return err
	}
	return r.change(ctx, func(st *stack.Stack) {
		st.Status, st.StatusReason = "ROLLBACK_COMPLETE", ""
		if len(failed) > 0 {
			st.Status, st.StatusReason = "ROLLBACK_FAILED", failedToDelete(failed)
		}
		st.Op = nil
	})
}

func (r *run) rollbackUpdate(ctx context.Context) error {
	touched := template.Graph{}
	for id, res := range r.res {
		if res.Op == r.op.ID && !res.Fresh && res.Before != nil {
			touched[id] = res.DependsOn
		}
	}
	failed := walk(ctx, touched, true, func() bool { return ctx.Err() != nil }, r.revert)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, err := range failed {
		if !errors.As(err, new(verdict)) {
			return err
		}
	}
	if len(failed) > 0 {
		return r.change(ctx, func(st *stack.Stack) {
			st.Status = "UPDATE_ROLLBACK_FAILED"
			ids := slices.Sorted(maps.Keys(failed))
			st.StatusReason = "The following resource(s) failed to update: [" + strings.Join(ids, ", ") + "]. "
			st.Stuck, st.Op = st.Op, nil
		})
	}
	if err := r.e.store.KeepImports(ctx, r.st, r.st.Imports); err != nil {
		return err
	}
	return r.change(ctx, func(st *stack.Stack) {
		st.Status, st.StatusReason = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""
		st.Op.Phase, st.Op.RolledBack = stack.Cleanup, true
	})
}

// revert brings one resource back to what it was before the update. What was
// replaced is still there; its replacement is deleted in clean-up.
func (r *run) revert(ctx context.Context, id string) error {
	r.mu.Lock()
	res := *r.res[id]
	r.mu.Unlock()
	before := *res.Before
	same := res.Current.ID == before.ID && maps.Equal(res.Current.Tags, before.Tags) &&
		len(template.ChangedProperties(res.Current.Properties, before.Properties)) == 0
	if same || slices.Contains(r.op.Retain, id) {
		res.Current = before
		return r.reverted(ctx, &res)
	}
	if res.Replaced && res.Current.ID != before.ID {
		if res.Current.ID != "" {
			res.Doomed = append(res.Doomed, res.Current)
		}
		res.Current = before
		return r.reverted(ctx, &res)
	}
	res.Status, res.StatusReason = "UPDATE_IN_PROGRESS", ""
	if err := r.put(ctx, &res, nil); err != nil {
		return err
	}
	want := before
	if err := r.apply(ctx, id, &want, &res.Current); err != nil {
		return r.madeNot(ctx, &res, "update", "UPDATE_FAILED", err)
	}
	res.Current = want
	return r.reverted(ctx, &res)
}

func (r *run) reverted(ctx context.Context, res *stack.Resource) error {
	res.Before, res.Replaced = nil, false
	return r.complete(ctx, res, "UPDATE")
}

// restore gives a resource the attributes that the deployed template has for
// it, after the failed one had changed them.
func (r *run) restore(ctx context.Context, res *stack.Resource) {
	tpl, err := r.deployedTemplate(ctx)
	if err != nil || tpl.Resources[res.LogicalID] == nil {
		return
	}
	t := tpl.Resources[res.LogicalID]
	res.Metadata = t.Metadata
	res.Current.Policies = [2]string{t.DeletionPolicy, t.UpdateReplacePolicy}
}

func (r *run) deployedTemplate(ctx context.Context) (*template.Template, error) {
	if r.deployed != nil {
		return r.deployed, nil
	}
	text, err := r.e.store.Template(ctx, r.place, r.st.ID, r.st.Deployed.TemplateID)
	if err != nil {
		return nil, err
	}
	r.deployed, err = template.Parse(text)
	return r.deployed, err
}
