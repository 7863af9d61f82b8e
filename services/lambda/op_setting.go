package lambda

import (
	"context"
	"maps"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code"
	"moln.dev/moln/services/lambda/code/archive"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// Limits of an account.
const (
	codeBytesMax     = 75 << 30
	retriesDefault   = 2
	eventAgeDefaultS = 6 * 60 * 60
	eventAgeMinS     = 60
	eventAgeMaxS     = eventAgeDefaultS
)

// taggedRef is the function whose ARN a tag operation names.
func taggedRef(c *service.Call, arn *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, arn, nil)
	if err != nil || !strings.HasPrefix(*arn, "arn:") {
		return r, fn.Invalid("1 validation error detected: Value '%s' at 'resource' failed to satisfy constraint: Member must be the ARN of a function; moln tags nothing else", smithy.Val(arn))
	}
	if r.Qualifier != "" {
		return r, fn.Invalid("Tags on function aliases and versions are not supported. Please specify either a function name or an unqualified function ARN.")
	}
	return r, nil
}

func (s *Service) tagResource(ctx context.Context, c *service.Call, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return nil, s.retag(ctx, c, in.Resource, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, c *service.Call, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return nil, s.retag(ctx, c, in.Resource, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (s *Service) retag(ctx context.Context, c *service.Call, arn *string, change func(map[string]string)) error {
	r, err := taggedRef(c, arn)
	if err != nil {
		return err
	}
	_, _, err = s.store.Change(ctx, r, func(_ *kv.Tx, f *fn.Function) error {
		tags := maps.Clone(f.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		change(tags)
		f.Tags = tags
		return checkTags(tags)
	})
	return err
}

func (s *Service) listTags(ctx context.Context, c *service.Call, in *api.ListTagsInput) (*api.ListTagsOutput, error) {
	r, err := taggedRef(c, in.Resource)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsOutput{Tags: map[string]string{}}
	maps.Copy(out.Tags, f.Tags)
	return out, nil
}

func (s *Service) putFunctionConcurrency(ctx context.Context, c *service.Call, in *api.PutFunctionConcurrencyInput) (*api.Concurrency, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	reserved := *in.ReservedConcurrentExecutions
	others, _, err := s.store.Usage(ctx, r.Place, r.Name)
	if err != nil {
		return nil, err
	}
	_, _, err = s.store.Change(ctx, r, func(_ *kv.Tx, f *fn.Function) error {
		if reserved > 0 && run.ConcurrencyMax-others.Reserved-int64(reserved) < run.UnreservedMin {
			return fn.Invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", run.UnreservedMin)
		}
		f.Reserved = &reserved
		return nil
	})
	return &api.Concurrency{ReservedConcurrentExecutions: &reserved}, err
}

func (s *Service) getFunctionConcurrency(ctx context.Context, c *service.Call, in *api.GetFunctionConcurrencyInput) (*api.GetFunctionConcurrencyOutput, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	return &api.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: f.Reserved}, nil
}

func (s *Service) deleteFunctionConcurrency(ctx context.Context, c *service.Call, in *api.DeleteFunctionConcurrencyInput) (*api.DeleteFunctionConcurrencyOutput, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	_, _, err = s.store.Change(ctx, r, func(_ *kv.Tx, f *fn.Function) error {
		f.Reserved = nil
		return nil
	})
	return nil, err
}

func (s *Service) getAccountSettings(ctx context.Context, c *service.Call, _ *api.GetAccountSettingsInput) (*api.GetAccountSettingsOutput, error) {
	u, _, err := s.store.Usage(ctx, fn.PlaceOf(c), "")
	if err != nil {
		return nil, err
	}
	return &api.GetAccountSettingsOutput{
		AccountLimit: &api.AccountLimit{
			TotalCodeSize: new(int64(codeBytesMax)), CodeSizeUnzipped: new(int64(archive.UnpackedMax)), CodeSizeZipped: new(int64(code.ZippedInlineMax)),
			ConcurrentExecutions: new(int32(run.ConcurrencyMax)), UnreservedConcurrentExecutions: new(int32(run.ConcurrencyMax - u.Reserved)),
		},
		AccountUsage: &api.AccountUsage{TotalCodeSize: new(u.CodeBytes), FunctionCount: new(u.Functions)},
	}, nil
}

// getFunctionCodeSigningConfig answers that the function has none, which is
// what deploy tools ask for.
func (s *Service) getFunctionCodeSigningConfig(ctx context.Context, c *service.Call, in *api.GetFunctionCodeSigningConfigInput) (*api.GetFunctionCodeSigningConfigOutput, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	return &api.GetFunctionCodeSigningConfigOutput{FunctionName: new(r.Name)}, nil
}

// eventUpdate is what Put and Update of invoke configurations share.
type eventUpdate struct {
	name, qualifier *string
	retries, age    *int32
	destination     *api.DestinationConfig
	merge           bool
}

func (s *Service) putFunctionEventInvokeConfig(ctx context.Context, c *service.Call, in *api.PutFunctionEventInvokeConfigInput) (*api.FunctionEventInvokeConfig, error) {
	return s.setEventConfig(ctx, c, eventUpdate{in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, false})
}

func (s *Service) updateFunctionEventInvokeConfig(ctx context.Context, c *service.Call, in *api.UpdateFunctionEventInvokeConfigInput) (*api.FunctionEventInvokeConfig, error) {
	return s.setEventConfig(ctx, c, eventUpdate{in.FunctionName, in.Qualifier, in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig, true})
}

func (s *Service) setEventConfig(ctx context.Context, c *service.Call, u eventUpdate) (*api.FunctionEventInvokeConfig, error) {
	r, err := eventRef(c, u.name, u.qualifier)
	if err != nil {
		return nil, err
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	var stored fn.EventConfig
	err = fn.ChangeAt(ctx, s.store, r, r.EventKey(r.Name, r.Qualifier), func(e fn.EventConfig, ok bool, get fn.Getter) (*fn.EventConfig, error) {
		if there, err := fn.Exists(get, r); err != nil || !there {
			if err == nil {
				err = fn.NotFound(r.ARN())
			}
			return nil, err
		}
		if u.merge && !ok {
			return nil, noEventConfig(r)
		}
		if !u.merge {
			e = fn.EventConfig{}
		}
		if u.retries != nil {
			e.Retries = u.retries
		}
		if u.age != nil {
			e.MaxAgeS = u.age
		}
		e.Modified = c.Now
		stored = e
		return &e, nil
	})
	if err != nil {
		return nil, err
	}
	return describeEvents(r, &stored), nil
}

func (u eventUpdate) check() error {
	d := u.destination
	if d != nil && ((d.OnSuccess != nil && smithy.Val(d.OnSuccess.Destination) != "") || (d.OnFailure != nil && smithy.Val(d.OnFailure.Destination) != "")) {
		return fn.Unsupported("destinations of asynchronous invocations")
	}
	if u.retries == nil && u.age == nil && d == nil {
		return fn.Invalid("You must specify at least one of error handling or destination setting.")
	}
	if u.retries != nil && (*u.retries < 0 || *u.retries > retriesDefault) {
		return outOfRange("maximumRetryAttempts", *u.retries, 0, retriesDefault)
	}
	if u.age != nil && (*u.age < eventAgeMinS || *u.age > eventAgeMaxS) {
		return outOfRange("maximumEventAgeInSeconds", *u.age, eventAgeMinS, eventAgeMaxS)
	}
	return nil
}

// eventRef treats $LATEST as the function itself, as its events do.
func eventRef(c *service.Call, name, qualifier *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, name, qualifier)
	if r.Qualifier == fn.Latest {
		r.Qualifier = ""
	}
	return r, err
}

func noEventConfig(r fn.Ref) error {
	return fn.NoResource("The function %s doesn't have an EventInvokeConfig", eventARN(r))
}

func eventARN(r fn.Ref) string {
	if r.Qualifier == "" {
		r.Qualifier = fn.Latest
	}
	return r.ARN()
}

func describeEvents(r fn.Ref, e *fn.EventConfig) *api.FunctionEventInvokeConfig {
	return &api.FunctionEventInvokeConfig{
		FunctionArn: new(eventARN(r)), LastModified: new(e.Modified), MaximumRetryAttempts: e.Retries, MaximumEventAgeInSeconds: e.MaxAgeS,
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{}, OnFailure: &api.OnFailure{}},
	}
}

func (s *Service) getFunctionEventInvokeConfig(ctx context.Context, c *service.Call, in *api.GetFunctionEventInvokeConfigInput) (*api.FunctionEventInvokeConfig, error) {
	r, err := eventRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	e, ok, err := s.store.EventConfig(ctx, r)
	if err == nil && !ok {
		err = noEventConfig(r)
	}
	return describeEvents(r, &e), err
}

func (s *Service) deleteFunctionEventInvokeConfig(ctx context.Context, c *service.Call, in *api.DeleteFunctionEventInvokeConfigInput) (*api.DeleteFunctionEventInvokeConfigOutput, error) {
	r, err := eventRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, fn.ChangeAt(ctx, s.store, r, r.EventKey(r.Name, r.Qualifier), func(_ fn.EventConfig, ok bool, _ fn.Getter) (*fn.EventConfig, error) {
		if !ok {
			return nil, noEventConfig(r)
		}
		return nil, nil
	})
}

func (s *Service) listFunctionEventInvokeConfigs(ctx context.Context, c *service.Call, in *api.ListFunctionEventInvokeConfigsInput) (*api.ListFunctionEventInvokeConfigsOutput, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	found, more, err := s.store.EventConfigs(ctx, r, in.Marker, pageSize(in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionEventInvokeConfigsOutput{FunctionEventInvokeConfigs: []api.FunctionEventInvokeConfig{}}
	for _, one := range found {
		r.Qualifier = one.Qualifier
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *describeEvents(r, &one.EventConfig))
	}
	if more {
		out.NextMarker = new(r.Qualifier)
	}
	return out, nil
}
