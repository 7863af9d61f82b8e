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
	"moln.dev/moln/services/lambda/esm"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

// Limits of an account.
const (
	codeBytesMax = 75 << 30
)

// taggedRef is the function whose ARN a tag operation names.
func taggedRef(c *service.Call, arn *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, arn, nil)
	if err != nil || !strings.HasPrefix(*arn, "arn:") {
		return r, fn.Invalid("1 validation error detected: Value '%s' at 'resource' failed to satisfy constraint: Member must be the ARN of a function or of an event source mapping; moln tags nothing else", smithy.Val(arn))
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
	if at, uuid, ok := esm.ParseARN(smithy.Val(arn)); ok {
		if at != fn.PlaceOf(c) {
			return esm.NoMapping()
		}
		return s.mappings.ChangeTags(ctx, fn.PlaceOf(c), uuid, change)
	}
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
		return fn.CheckTags(tags)
	})
	return err
}

func (s *Service) listTags(ctx context.Context, c *service.Call, in *api.ListTagsInput) (*api.ListTagsOutput, error) {
	if at, uuid, ok := esm.ParseARN(smithy.Val(in.Resource)); ok {
		if at != fn.PlaceOf(c) {
			return nil, esm.NoMapping()
		}
		tags, err := s.mappings.Tags(ctx, fn.PlaceOf(c), uuid)
		return &api.ListTagsOutput{Tags: tags}, err
	}
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
	r, err := fn.LatestRef(c, in.FunctionName)
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
		if total := f.ProvisionedTotal(""); int64(reserved) < total {
			return fn.Invalid("ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", reserved, total)
		}
		f.Reserved = &reserved
		return nil
	})
	return &api.Concurrency{ReservedConcurrentExecutions: &reserved}, err
}

func (s *Service) getFunctionConcurrency(ctx context.Context, c *service.Call, in *api.GetFunctionConcurrencyInput) (*api.GetFunctionConcurrencyOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
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
	r, err := fn.LatestRef(c, in.FunctionName)
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
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	return &api.GetFunctionCodeSigningConfigOutput{FunctionName: new(r.Name)}, nil
}
