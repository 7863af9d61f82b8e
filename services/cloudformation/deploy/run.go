package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// run is one phase of one operation on one stack.
type run struct {
	e     *Engine
	st    *stack.Stack
	op    *stack.Operation
	place stack.Place
	call  *service.Call
	// broken is why the operation cannot do anything, such as a role that
	// cannot be assumed; "" where it can.
	broken string

	tpl  *template.Template
	eval *template.Evaluator
	// deployed is the template before the operation, once it was needed.
	deployed *template.Template

	mu      sync.Mutex // guards what follows, and eval
	res     map[string]*stack.Resource
	imports []string
}

func (e *Engine) newRun(ctx context.Context, st *stack.Stack) (*run, error) {
	r := &run{e: e, st: st, op: st.Op, place: st.Place(), res: map[string]*stack.Resource{}}
	list, err := e.store.Resources(ctx, r.place, st.ID)
	if err != nil {
		return nil, err
	}
	for i := range list {
		r.res[list[i].LogicalID] = &list[i]
	}
	newest, _, err := e.store.Events(ctx, r.place, st.ID, "", 1)
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 {
		e.after(newest[0].Time)
	}
	if err := r.setCaller(ctx); err != nil {
		return nil, err
	}
	if st.Op.Kind == stack.Delete {
		return r, nil
	}
	return r, r.setTemplate(ctx)
}

// setCaller opens the role's session, or acts as who asked for the operation.
func (r *run) setCaller(ctx context.Context) error {
	r.call = r.e.deps.System(r.place.Account, r.place.Region)
	if r.op.RoleARN == "" {
		r.call = r.call.As(r.op.Caller)
		return nil
	}
	own := r.call.As(identity.Service("cloudformation.amazonaws.com", r.place.Account, r.st.ARN))
	session, err := own.AssumeRole(ctx, service.Assume{RoleARN: r.op.RoleARN, SessionName: "AWSCloudFormation"})
	if f := fault.As(err); f != nil {
		r.broken = fmt.Sprintf("Role %s is invalid or cannot be assumed: %s", r.op.RoleARN, f.Message)
		return nil
	}
	if err != nil {
		return err
	}
	r.call = r.call.As(session.Principal)
	return nil
}

func (r *run) setTemplate(ctx context.Context) error {
	text, err := r.e.store.Template(ctx, r.place, r.st.ID, r.op.Target.TemplateID)
	if err != nil {
		return err
	}
	if r.tpl, err = template.Parse(text); err != nil {
		return err
	}
	env, err := r.e.Env(r.st, &r.op.Target, r.tpl)
	if err != nil {
		return err
	}
	env.Ref = r.ref
	env.GetAtt = r.getAtt
	env.Import = func(name string) (any, error) { return r.importValue(ctx, name) }
	r.eval = template.NewEvaluator(r.tpl, env)
	return nil
}

// Env is the environment of a stack's template, without resources and imports.
func (e *Engine) Env(st *stack.Stack, t *stack.Target, tpl *template.Template) (template.Env, error) {
	params := map[string]any{}
	values := t.Values()
	for name, p := range tpl.Parameters {
		v, err := p.Value(values[name])
		if err != nil {
			return template.Env{}, err
		}
		params[name] = v
	}
	return template.Env{
		Account: st.Account, Region: st.Region, Partition: "aws", URLSuffix: "amazonaws.com",
		StackName: st.Name, StackID: st.ARN, NotificationARNs: t.Notify, Parameters: params, Zones: Zones,
	}, nil
}

// Zones gives a region's availability zones: moln has three of each.
func Zones(region string) []string { return []string{region + "a", region + "b", region + "c"} }

func (r *run) ref(id string) (any, error) {
	res := r.res[id]
	if res == nil || res.Current.ID == "" {
		return nil, template.Error("Template error: resource " + id + " has no physical id")
	}
	return res.Current.RefValue(), nil
}

func (r *run) getAtt(id, attribute string) (any, error) {
	res := r.res[id]
	if res == nil || res.Current.ID == "" {
		return nil, template.Error("Template error: resource " + id + " has no physical id")
	}
	if v, ok := res.Current.Attributes[attribute]; ok {
		return v, nil
	}
	return nil, template.Error(fmt.Sprintf("Template error: resource %s does not support attribute type %s in Fn::GetAtt", id, attribute))
}

func (r *run) importValue(ctx context.Context, name string) (any, error) {
	v, err := r.e.store.AddImport(ctx, r.st, name)
	if errors.Is(err, stack.ErrNotFound) {
		return nil, template.Error("No export named " + name + " found")
	}
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.imports, name) {
		r.imports = append(r.imports, name)
	}
	return v, nil
}

// change changes the stack's record and tells of its status, unless another
// operation has taken the place of this one.
func (r *run) change(ctx context.Context, fn func(st *stack.Stack)) error {
	var told *stack.Event
	st, err := r.e.store.Change(ctx, r.place, r.st.ID, func(st *stack.Stack) ([]stack.Event, error) {
		if st.Op == nil || st.Op.ID != r.op.ID {
			return nil, errSuperseded
		}
		told = nil
		before, id := st.Status, st.Op.ID
		fn(st)
		if st.Status == before {
			return nil, nil
		}
		ev := r.e.StackEvent(st)
		ev.Operation = id
		told = &ev
		return []stack.Event{ev}, nil
	})
	if err != nil {
		return err
	}
	if told != nil {
		r.notify(ctx, told)
	}
	r.st = st
	if st.Op != nil {
		r.op = st.Op
	}
	return nil
}

// stopped says whether no further resource should be begun.
func (r *run) stopped(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	st, err := r.e.store.Get(ctx, r.place, r.st.ID)
	if err != nil || st.Op == nil || st.Op.ID != r.op.ID {
		return true
	}
	return st.Op.Cancelled && st.Op.Phase == stack.Forward
}

// timedOut says whether a creation has taken longer than it may.
func (r *run) timedOut() bool {
	minutes := r.st.TimeoutMinutes
	return r.op.Kind == stack.Create && minutes > 0 &&
		r.e.deps.Clock.Now().Sub(r.op.Started).Minutes() > float64(minutes)
}

// put stores a resource with an event of its status.
func (r *run) put(ctx context.Context, res *stack.Resource, p *stack.Physical) error {
	if p == nil {
		p = &res.Current
	}
	ev := r.event(res, p, res.Status, res.StatusReason)
	res.Updated = ev.Time
	r.mu.Lock()
	r.res[res.LogicalID] = res
	r.mu.Unlock()
	if err := r.e.store.PutResource(ctx, r.place, r.st.ID, res, &ev); err != nil {
		return err
	}
	r.notify(ctx, &ev)
	return nil
}

func (r *run) event(res *stack.Resource, p *stack.Physical, status, reason string) stack.Event {
	now := r.e.stamp()
	return stack.Event{
		ID:        fmt.Sprintf("%s-%s-%s", res.LogicalID, status, now.Format("2006-01-02T15:04:05.000Z")),
		LogicalID: res.LogicalID, PhysicalID: p.ID, Type: p.Type, Time: now, Status: status, StatusReason: reason,
		Properties: r.display(p.Properties), Token: r.op.Token, Operation: r.op.ID,
	}
}

// display writes properties for an event, without what NoEcho parameters hold.
func (r *run) display(properties map[string]any) string {
	if properties == nil {
		return "{}"
	}
	text := template.JSON(properties)
	values := r.op.Target.Values()
	for _, name := range r.op.Target.Hidden {
		quoted := strings.Trim(template.JSON(values[name]), `"`)
		if quoted != "" {
			text = strings.ReplaceAll(text, quoted, "****")
		}
	}
	return text
}

// reason is what an event says of an error; ours are logged instead.
func (r *run) reason(err error, id string) string {
	var fromTemplate template.Error
	var violations template.Violations
	switch f := fault.As(err); {
	case errors.As(err, &fromTemplate):
		return string(fromTemplate)
	case errors.As(err, &violations):
		return fmt.Sprintf("Properties validation failed for resource %s with message:\n%s", id, violations)
	case f != nil:
		return fmt.Sprintf("Resource handler returned message: %q (HandlerErrorCode: %s)", f.Message, f.Code)
	}
	r.e.log().Error("work on a resource", "stack", r.st.ARN, "resource", id, "err", err)
	return `Resource handler returned message: "Internal Failure" (HandlerErrorCode: InternalFailure)`
}
