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

// forward creates and updates what the template asks for.
func (r *run) forward(ctx context.Context) error {
	if r.broken != "" {
		return r.fail(ctx, r.broken)
	}
	graph, err := r.eval.Graph()
	if err != nil {
		return r.failWith(ctx, err)
	}
	failed, err := r.refuseUnknown(ctx, graph)
	if err != nil {
		return err
	}
	if len(failed) == 0 {
		stop := func() bool { return r.stopped(ctx) || r.timedOut() }
		failed = walk(ctx, graph, false, stop, func(ctx context.Context, id string) error {
			return r.step(ctx, id, graph[id])
		})
	}
	if err := r.interrupted(ctx); err != nil {
		return err
	}
	// An error that is no verdict on a resource (the store's) is tried again.
	for _, err := range failed {
		if !errors.As(err, new(verdict)) {
			return err
		}
	}
	switch {
	case r.op.Cancelled:
		return r.fail(ctx, "User Initiated")
	case len(failed) > 0:
		return r.fail(ctx, r.failureReason(failed))
	case r.timedOut():
		return r.fail(ctx, "Stack creation time exceeded the specified timeout. "+r.rollbackNote())
	}
	outputs, err := r.outputs()
	if err == nil {
		err = r.e.store.SetExports(ctx, r.st, outputs)
	}
	if err != nil {
		return r.failWith(ctx, err)
	}
	if err := r.e.store.KeepImports(ctx, r.st, r.imports); err != nil {
		return err
	}
	return r.succeed(ctx, outputs)
}

// verdict is a failure of a resource that an event already tells of.
type verdict struct{ kind string }

func (v verdict) Error() string { return "resource failed to " + v.kind }

// interrupted re-reads the operation after resources were worked on.
func (r *run) interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.change(ctx, func(*stack.Stack) {})
}

// refuseUnknown fails resources of types that do not exist before anything
// else is begun.
func (r *run) refuseUnknown(ctx context.Context, graph template.Graph) (map[string]error, error) {
	failed := map[string]error{}
	for _, id := range slices.Sorted(maps.Keys(graph)) {
		t := r.tpl.Resources[id]
		if _, ok := r.e.Type(t.Type); ok {
			continue
		}
		res := r.res[id]
		kind, was := "create", stack.Resource{LogicalID: id, Op: r.op.ID, Fresh: true, Current: stack.Physical{Type: t.Type}}
		if res != nil && res.Live() && !(res.Op == r.op.ID && res.Fresh) {
			kind, was = "update", *res
			before := res.Current
			was.Op, was.Done, was.Fresh, was.Before, was.Replaced = r.op.ID, false, false, &before, false
		}
		verb := strings.ToUpper(kind)
		for _, status := range []string{"_IN_PROGRESS", "_FAILED"} {
			was.Status, was.StatusReason = verb+status, ""
			if status == "_FAILED" {
				was.StatusReason = fmt.Sprintf("Template format error: Unrecognized resource types: [%s]", t.Type)
			}
			copied := was
			if err := r.put(ctx, &copied, &stack.Physical{Type: t.Type, ID: was.Current.ID}); err != nil {
				return nil, err
			}
		}
		failed[id] = verdict{kind}
	}
	return failed, nil
}

// failureReason names the resources that failed, as CloudFormation does.
func (r *run) failureReason(failed map[string]error) string {
	byKind := map[string][]string{}
	for id, err := range failed {
		var v verdict
		errors.As(err, &v)
		byKind[v.kind] = append(byKind[v.kind], id)
	}
	text := ""
	for _, kind := range []string{"create", "update", "delete"} {
		if ids := byKind[kind]; len(ids) > 0 {
			slices.Sort(ids)
			text += fmt.Sprintf("The following resource(s) failed to %s: [%s]. ", kind, strings.Join(ids, ", "))
		}
	}
	return text + r.rollbackNote()
}

func (r *run) rollbackNote() string {
	if r.op.Kind == stack.Create && r.op.OnFailure == "ROLLBACK" {
		return "Rollback requested by user."
	}
	return ""
}

func (r *run) failWith(ctx context.Context, err error) error {
	var conflict stack.ExportConflict
	var bad template.Error
	switch {
	case errors.As(err, &conflict):
		return r.fail(ctx, string(conflict))
	case errors.As(err, &bad):
		return r.fail(ctx, string(bad))
	}
	return err
}

// fail ends the forward phase: roll back, give up where asked to, or delete.
func (r *run) fail(ctx context.Context, reason string) error {
	return r.change(ctx, func(st *stack.Stack) {
		st.StatusReason = reason
		creating := st.Op.Kind == stack.Create
		switch {
		case st.Op.OnFailure == "DO_NOTHING":
			st.Status = "UPDATE_FAILED"
			if creating {
				st.Status = "CREATE_FAILED"
			}
			st.Op = nil
		case creating && st.Op.OnFailure == "DELETE":
			st.Status = "DELETE_IN_PROGRESS"
			st.Op.Kind, st.Op.Phase = stack.Delete, stack.Cleanup
		case creating:
			st.Status = "ROLLBACK_IN_PROGRESS"
			st.Op.Phase = stack.Rollback
		default:
			st.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
			st.Op.Phase = stack.Rollback
		}
	})
}

// succeed makes the target what is deployed.
func (r *run) succeed(ctx context.Context, outputs []stack.Output) error {
	old, imports := r.st.Deployed.TemplateID, r.imports
	err := r.change(ctx, func(st *stack.Stack) {
		st.Deployed, st.Outputs, st.Imports, st.StatusReason = st.Op.Target, outputs, imports, ""
		if st.Op.Kind == stack.Create {
			st.Status, st.Op = "CREATE_COMPLETE", nil
			return
		}
		st.Status, st.Op.Phase = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", stack.Cleanup
	})
	if err != nil || old == r.st.Deployed.TemplateID {
		return err
	}
	return r.e.store.DeleteTemplate(ctx, r.place, r.st.ID, old)
}

func (r *run) outputs() ([]stack.Output, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Outputs(r.tpl, r.eval)
}

// Outputs evaluates the Outputs section.
func Outputs(tpl *template.Template, eval *template.Evaluator) ([]stack.Output, error) {
	var out []stack.Output
	for _, name := range slices.Sorted(maps.Keys(tpl.Outputs)) {
		o := tpl.Outputs[name]
		on, err := eval.Active(o.Condition)
		if err != nil {
			return nil, err
		}
		if !on {
			continue
		}
		value, err := eval.Value(o.Value)
		if err != nil {
			return nil, err
		}
		text, ok := template.Text(value)
		if _, unknown := value.(template.Unknown); unknown {
			text, ok = template.KnownAfterApply, true
		}
		if !ok {
			return nil, template.Error("Template format error: The Value field of every Outputs member must evaluate to a String.")
		}
		made := stack.Output{Key: name, Value: text, Description: o.Description}
		if o.Export != nil {
			v, err := eval.Value(o.Export)
			if err != nil {
				return nil, err
			}
			if made.Export, ok = template.Text(v); (!ok || made.Export == "") && !template.HasUnknown(v) {
				return nil, template.Error("Template format error: Output " + name + " is malformed. The Name field of every Export must evaluate to a String.")
			}
		}
		out = append(out, made)
	}
	return out, nil
}
