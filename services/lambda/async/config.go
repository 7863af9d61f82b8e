package async

import (
	"context"
	"fmt"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/target"
)

// Limits of an invoke configuration.
//
// Source: PutFunctionEventInvokeConfig.
const (
	retriesMax  = 2
	ageMinS     = 60
	ageMaxS     = 6 * 60 * 60
	ageDefaultS = ageMaxS
)

// Operations are those on invoke configurations.
func (q *Queue) Operations() []service.Operation { return table.Bind(q) }

var table = service.Table[*Queue]{
	service.Full(api.DeleteFunctionEventInvokeConfig, (*Queue).deleteConfig),
	service.Full(api.GetFunctionEventInvokeConfig, (*Queue).getConfig),
	service.Full(api.ListFunctionEventInvokeConfigs, (*Queue).listConfigs),
	service.Full(api.PutFunctionEventInvokeConfig, (*Queue).putConfig),
	service.Full(api.UpdateFunctionEventInvokeConfig, (*Queue).updateConfig),
}

// update is what Put and Update share; nil members leave what is there.
type update struct {
	retries, age         *int32
	onSuccess, onFailure *string
}

func updateOf(retries, age *int32, d *api.DestinationConfig) update {
	u := update{retries: retries, age: age}
	if d != nil && d.OnSuccess != nil {
		u.onSuccess = d.OnSuccess.Destination
	}
	if d != nil && d.OnFailure != nil {
		u.onFailure = d.OnFailure.Destination
	}
	return u
}

// check is what can be said without looking at anything; given says that there
// was a DestinationConfig.
func (u update) check(given bool) error {
	if u.retries == nil && u.age == nil && !given {
		return fn.Invalid("You must specify at least one of error handling or destination setting.")
	}
	if u.retries != nil && (*u.retries < 0 || *u.retries > retriesMax) {
		return fn.OutOfRange("maximumRetryAttempts", *u.retries, 0, retriesMax)
	}
	if u.age != nil && (*u.age < ageMinS || *u.age > ageMaxS) {
		return fn.OutOfRange("maximumEventAgeInSeconds", *u.age, ageMinS, ageMaxS)
	}
	return nil
}

// apply makes a configuration what the update says.
func (u update) apply(e *fn.EventConfig) {
	if u.retries != nil {
		e.Retries = u.retries
	}
	if u.age != nil {
		e.MaxAgeS = u.age
	}
	if u.onSuccess != nil {
		e.OnSuccess = *u.onSuccess
	}
	if u.onFailure != nil {
		e.OnFailure = *u.onFailure
	}
}

func (q *Queue) putConfig(ctx context.Context, c *service.Call, in *api.PutFunctionEventInvokeConfigInput) (*api.FunctionEventInvokeConfig, error) {
	r, err := eventRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return q.set(ctx, c, r, updateOf(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig), in.DestinationConfig != nil, false)
}

func (q *Queue) updateConfig(ctx context.Context, c *service.Call, in *api.UpdateFunctionEventInvokeConfigInput) (*api.FunctionEventInvokeConfig, error) {
	r, err := eventRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return q.set(ctx, c, r, updateOf(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig), in.DestinationConfig != nil, true)
}

// set stores a configuration: a new one, or with merge, the one there is with
// the update's changes.
func (q *Queue) set(ctx context.Context, c *service.Call, r fn.Ref, u update, given, merge bool) (*api.FunctionEventInvokeConfig, error) {
	if err := u.check(given); err != nil {
		return nil, err
	}
	if err := q.checkDestinations(ctx, r, u); err != nil {
		return nil, err
	}
	var stored fn.EventConfig
	err := fn.ChangeAt(ctx, q.store, r, r.EventKey(r.Name, r.Qualifier), func(e fn.EventConfig, ok bool, get fn.Getter) (*fn.EventConfig, error) {
		if there, err := fn.Exists(get, r); err != nil || !there {
			if err == nil {
				err = fn.NotFound(r.ARN())
			}
			return nil, err
		}
		if merge && !ok {
			return nil, noConfig(r)
		}
		if !merge {
			e = fn.EventConfig{}
		}
		u.apply(&e)
		e.Modified = c.Now
		stored = e
		return &e, nil
	})
	if err != nil {
		return nil, err
	}
	return describe(r, &stored), nil
}

// checkDestinations refuses what records could not be sent to.
func (q *Queue) checkDestinations(ctx context.Context, r fn.Ref, u update) error {
	failed, success := smithy.Val(u.onFailure), smithy.Val(u.onSuccess)
	for i, text := range []string{failed, success} {
		if text == "" {
			continue
		}
		t, ok := target.Parse(text)
		if !ok || i == 1 && t.Kind == target.Bucket || t.FIFO() {
			return fn.Invalid("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", part("OnSuccess", success), part("OnFailure", failed))
		}
		if err := q.checkDestination(ctx, r, t); err != nil {
			return err
		}
	}
	return nil
}

// part is one half of a destination config as AWS's message shows it.
func part(name, destination string) string {
	if destination == "" {
		return "null"
	}
	return fmt.Sprintf("%s(destination=%s)", name, destination)
}

// checkDestination makes sure that a destination is there, and that the
// function's role may send to it.
func (q *Queue) checkDestination(ctx context.Context, r fn.Ref, t target.Target) error {
	if t.Kind == target.Function {
		own, err := fn.ParseRef(r.Place, t.ARN, "")
		if err == nil && own.Unqualified() == r.Unqualified() {
			return fn.Invalid("You can't specify the function as a destination for itself.")
		}
	}
	system := q.deps.System(r.Account, r.Region)
	return t.Check(ctx, system.As(identity.Root(r.Account)), func() (*service.Call, error) { return q.asRole(ctx, system, r) })
}

// eventRef treats $LATEST as the function itself, as its events do.
func eventRef(c *service.Call, name, qualifier *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, name, qualifier)
	if r.Qualifier == fn.Latest {
		r.Qualifier = ""
	}
	return r, err
}

func noConfig(r fn.Ref) error {
	return fn.NoResource("The function %s doesn't have an EventInvokeConfig", eventARN(r))
}

func eventARN(r fn.Ref) string {
	if r.Qualifier == "" {
		r.Qualifier = fn.Latest
	}
	return r.ARN()
}

func describe(r fn.Ref, e *fn.EventConfig) *api.FunctionEventInvokeConfig {
	out := &api.FunctionEventInvokeConfig{
		FunctionArn: new(eventARN(r)), LastModified: new(e.Modified), MaximumRetryAttempts: e.Retries, MaximumEventAgeInSeconds: e.MaxAgeS,
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{}, OnFailure: &api.OnFailure{}},
	}
	if e.OnSuccess != "" {
		out.DestinationConfig.OnSuccess.Destination = new(e.OnSuccess)
	}
	if e.OnFailure != "" {
		out.DestinationConfig.OnFailure.Destination = new(e.OnFailure)
	}
	return out
}

func (q *Queue) getConfig(ctx context.Context, c *service.Call, in *api.GetFunctionEventInvokeConfigInput) (*api.FunctionEventInvokeConfig, error) {
	r, err := eventRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := q.store.Function(ctx, r); err != nil {
		return nil, err
	}
	e, ok, err := q.store.EventConfig(ctx, r)
	if err == nil && !ok {
		err = noConfig(r)
	}
	return describe(r, &e), err
}

func (q *Queue) deleteConfig(ctx context.Context, c *service.Call, in *api.DeleteFunctionEventInvokeConfigInput) (*api.DeleteFunctionEventInvokeConfigOutput, error) {
	r, err := eventRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, fn.ChangeAt(ctx, q.store, r, r.EventKey(r.Name, r.Qualifier), func(_ fn.EventConfig, ok bool, _ fn.Getter) (*fn.EventConfig, error) {
		if !ok {
			return nil, noConfig(r)
		}
		return nil, nil
	})
}

func (q *Queue) listConfigs(ctx context.Context, c *service.Call, in *api.ListFunctionEventInvokeConfigsInput) (*api.ListFunctionEventInvokeConfigsOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := q.store.Function(ctx, r); err != nil {
		return nil, err
	}
	found, more, err := q.store.EventConfigs(ctx, r, in.Marker, fn.PageSize(in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionEventInvokeConfigsOutput{FunctionEventInvokeConfigs: []api.FunctionEventInvokeConfig{}}
	for _, one := range found {
		r.Qualifier = one.Qualifier
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *describe(r, &one.Value))
	}
	if more {
		out.NextMarker = new(r.Qualifier)
	}
	return out, nil
}
