package deploy

import (
	"context"
	"errors"
	"maps"
	"slices"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/cloudformation/stack"
	"moln.dev/moln/services/cloudformation/template"
)

// step brings one resource to what the template asks for. It may be called
// again for the same operation, after a restart, and goes on where it was.
func (r *run) step(ctx context.Context, id string, dependsOn []string) error {
	t := r.tpl.Resources[id]
	r.mu.Lock()
	res := r.res[id]
	if res != nil {
		copied := *res
		res = &copied
	}
	value, err := r.eval.Value(t.Properties)
	r.mu.Unlock()
	if res != nil && res.Op == r.op.ID && res.Done {
		return nil
	}
	if res != nil && !res.Live() && res.Op != r.op.ID && res.Before != nil {
		// A failed replacement that was not rolled back: the old one is there.
		res.Current, res.Before, res.Replaced = *res.Before, nil, false
	}
	creating := res == nil || res.Fresh && res.Op == r.op.ID || !res.Live()
	if creating && (res == nil || res.Op != r.op.ID) {
		res = &stack.Resource{LogicalID: id, Op: r.op.ID, Fresh: true}
	}
	properties, _ := value.(map[string]any)
	want := stack.Physical{Type: t.Type, Properties: properties, Tags: r.op.Target.TagMap(), Policies: [2]string{t.DeletionPolicy, t.UpdateReplacePolicy}}
	if err != nil {
		return r.failResource(ctx, res, want, creating, err)
	}
	res.Metadata, res.DependsOn = t.Metadata, dependsOn
	if creating {
		return r.create(ctx, res, want)
	}
	return r.update(ctx, res, want)
}

// failResource tells of a failure before the resource's type was asked.
func (r *run) failResource(ctx context.Context, res *stack.Resource, want stack.Physical, creating bool, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	kind, status := "update", "UPDATE_FAILED"
	if creating {
		kind, status = "create", "CREATE_FAILED"
		res.Current.Type = want.Type
	} else if res.Op != r.op.ID || res.Before == nil {
		before := res.Current
		res.Op, res.Done, res.Fresh, res.Before, res.Replaced = r.op.ID, false, false, &before, false
	}
	res.Status, res.StatusReason = status, r.reason(err, res.LogicalID)
	if err := r.put(ctx, res, nil); err != nil {
		return err
	}
	return verdict{kind}
}

// handle is a resource as its type sees it.
func (r *run) handle(id string, p *stack.Physical) *service.Resource {
	attributes := maps.Clone(p.Attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	return &service.Resource{
		Type: p.Type, LogicalID: id, StackID: r.st.ARN, StackName: r.st.Name,
		PhysicalID: p.ID, RefValue: p.Ref, Attributes: attributes, Tags: maps.Clone(p.Tags), Token: p.Token,
	}
}

// take notes what the type made of the resource.
func take(p *stack.Physical, h *service.Resource) {
	p.ID, p.Ref = h.PhysicalID, h.RefValue
	p.Attributes, _ = template.Normalize(h.Attributes).(map[string]any)
}

// properties decodes a physical resource's properties into its type's struct.
// Dynamic references are looked up now and kept nowhere.
func (r *run) properties(ctx context.Context, p *stack.Physical) (service.ResourceType, any, error) {
	t, ok := r.e.Type(p.Type)
	if !ok {
		return t, nil, template.Error("Template format error: Unrecognized resource types: [" + p.Type + "]")
	}
	resolved, err := r.resolveDynamic(ctx, p.Properties)
	if err != nil {
		return t, nil, err
	}
	into := t.New()
	return t, into, template.Decode(resolved, into)
}

func (r *run) create(ctx context.Context, res *stack.Resource, want stack.Physical) error {
	resumed := res.Current.Token != ""
	if !resumed {
		want.Token = r.e.deps.Ident.Of(tokenAlphabet, tokenLength)
		res.Current = want
		res.Status, res.StatusReason = "CREATE_IN_PROGRESS", ""
		if err := r.put(ctx, res, nil); err != nil {
			return err
		}
	}
	if resumed && res.Status == "CREATE_IN_PROGRESS" && res.Current.ID != "" {
		return r.complete(ctx, res, "CREATE") // it was made; only that was not said
	}
	if err := r.make(ctx, res, resumed); err != nil {
		return r.madeNot(ctx, res, "create", "CREATE_FAILED", err)
	}
	return r.made(ctx, res, "CREATE")
}

// make creates the current physical resource; resumed says that it may have been
// begun before.
func (r *run) make(ctx context.Context, res *stack.Resource, resumed bool) error {
	t, properties, err := r.properties(ctx, &res.Current)
	if err != nil {
		return err
	}
	h := r.handle(res.LogicalID, &res.Current)
	h.Properties = properties
	err = t.Create(ctx, r.call, h)
	if err != nil && resumed && h.Generated() != "" && h.PhysicalID == "" && fault.As(err) != nil {
		err = r.remake(ctx, t, h, err)
	}
	take(&res.Current, h)
	if err == nil && res.Current.ID == "" {
		res.Current.ID = h.GeneratedName(255)
	}
	return err
}

// remake removes what a try that was cut short has made under a generated name,
// which no one else can have, and creates the resource again. Under a name from
// the template it cannot be told from what was there before.
func (r *run) remake(ctx context.Context, t service.ResourceType, h *service.Resource, refused error) error {
	h.PhysicalID = h.Generated()
	err := t.Delete(ctx, r.call, h)
	h.PhysicalID = ""
	if err != nil {
		return refused
	}
	return t.Create(ctx, r.call, h)
}

func (r *run) madeNot(ctx context.Context, res *stack.Resource, kind, status string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	res.Status, res.StatusReason = status, r.reason(err, res.LogicalID)
	if err := r.put(ctx, res, nil); err != nil {
		return err
	}
	return verdict{kind}
}

func (r *run) made(ctx context.Context, res *stack.Resource, verb string) error {
	// What exists is noted even when the process is being stopped.
	ctx = context.WithoutCancel(ctx)
	res.Status, res.StatusReason = verb+"_IN_PROGRESS", "Resource creation Initiated"
	if err := r.put(ctx, res, nil); err != nil {
		return err
	}
	return r.complete(ctx, res, verb)
}

func (r *run) complete(ctx context.Context, res *stack.Resource, verb string) error {
	res.Status, res.StatusReason, res.Done = verb+"_COMPLETE", "", true
	return r.put(context.WithoutCancel(ctx), res, nil)
}

// update changes a resource in place, replaces it, or finds nothing to do.
func (r *run) update(ctx context.Context, res *stack.Resource, want stack.Physical) error {
	base := res.Current
	if res.Op == r.op.ID && res.Before != nil {
		base = *res.Before
	}
	changed := template.ChangedProperties(base.Properties, want.Properties)
	retag := !maps.Equal(base.Tags, want.Tags) && r.e.Taggable(want.Type)
	replace := base.Type != want.Type || slices.ContainsFunc(changed, func(p string) bool { return r.e.Replaces(want.Type, p) })
	if len(changed) == 0 && !retag && !replace {
		res.Op, res.Done, res.Fresh, res.Before, res.Replaced = r.op.ID, true, false, nil, false
		res.Current.Policies, res.Current.Tags = want.Policies, want.Tags
		r.mu.Lock()
		r.res[res.LogicalID] = res
		r.mu.Unlock()
		return r.e.store.PutResource(ctx, r.place, r.st.ID, res, nil)
	}
	resumed := res.Op == r.op.ID && res.Before != nil
	res.Op, res.Done, res.Fresh, res.Before = r.op.ID, false, false, &base
	if replace {
		return r.replace(ctx, res, want, resumed)
	}
	want.ID, want.Ref, want.Attributes, want.Token = base.ID, base.Ref, base.Attributes, base.Token
	if !resumed {
		res.Replaced, res.Current = false, want
		res.Status, res.StatusReason = "UPDATE_IN_PROGRESS", ""
		if err := r.put(ctx, res, nil); err != nil {
			return err
		}
	}
	return r.updateInPlace(ctx, res, want, base)
}

func (r *run) updateInPlace(ctx context.Context, res *stack.Resource, want, from stack.Physical) error {
	err := r.apply(ctx, res.LogicalID, &want, &from)
	res.Current = want
	if err != nil {
		return r.madeNot(ctx, res, "update", "UPDATE_FAILED", err)
	}
	// A custom resource may answer with another physical id, which makes it
	// another resource.
	res.Replaced = want.ID != from.ID
	return r.complete(ctx, res, "UPDATE")
}

// apply asks the type to turn from into want, in place.
func (r *run) apply(ctx context.Context, id string, want, from *stack.Physical) error {
	t, properties, err := r.properties(ctx, want)
	if err != nil {
		return err
	}
	_, old, err := r.properties(ctx, from)
	if err != nil && !errors.As(err, new(template.Violations)) {
		return err
	}
	h := r.handle(id, want)
	h.Properties, h.Old = properties, old
	if t.Update == nil {
		return nil // only tags changed, of a type that cannot be updated
	}
	err = t.Update(ctx, r.call, h)
	take(want, h)
	return err
}

func (r *run) replace(ctx context.Context, res *stack.Resource, want stack.Physical, resumed bool) error {
	resumed = resumed && res.Replaced
	if !resumed {
		want.Token = r.e.deps.Ident.Of(tokenAlphabet, tokenLength)
		res.Replaced, res.Current = true, want
		res.Status = "UPDATE_IN_PROGRESS"
		res.StatusReason = "Requested update requires the creation of a new physical resource; hence creating one."
		if err := r.put(ctx, res, res.Before); err != nil {
			return err
		}
	}
	if resumed && res.Status == "UPDATE_IN_PROGRESS" && res.Current.ID != "" {
		return r.complete(ctx, res, "UPDATE")
	}
	if err := r.make(ctx, res, resumed); err != nil {
		return r.madeNot(ctx, res, "update", "UPDATE_FAILED", err)
	}
	return r.made(ctx, res, "UPDATE")
}
