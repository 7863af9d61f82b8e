package lambda

import (
	"context"
	"strconv"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
)

func (s *Service) getFunctionRecursionConfig(ctx context.Context, c *service.Call, in *api.GetFunctionRecursionConfigInput) (*api.GetFunctionRecursionConfigOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	return &api.GetFunctionRecursionConfigOutput{RecursiveLoop: new(f.RecursiveLoop())}, nil
}

func (s *Service) putFunctionRecursionConfig(ctx context.Context, c *service.Call, in *api.PutFunctionRecursionConfigInput) (*api.PutFunctionRecursionConfigOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	_, _, err = s.store.Change(ctx, r, func(_ *kv.Tx, f *fn.Function) error {
		f.Recursion = *in.RecursiveLoop
		return nil
	})
	return &api.PutFunctionRecursionConfigOutput{RecursiveLoop: in.RecursiveLoop}, err
}

// managedRef is the version whose runtime is managed: $LATEST or a number.
func managedRef(c *service.Call, name, qualifier *string) (fn.Ref, error) {
	r, err := fn.RefOf(c, name, qualifier)
	if err == nil && r.Qualifier != "" && r.Qualifier != fn.Latest && !fn.NumberPattern.MatchString(r.Qualifier) {
		err = fn.Invalid("You can't manage the runtime of an alias. Specify $LATEST or a version number.")
	}
	return r, err
}

func (s *Service) getRuntimeManagementConfig(ctx context.Context, c *service.Call, in *api.GetRuntimeManagementConfigInput) (*api.GetRuntimeManagementConfigOutput, error) {
	r, err := managedRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	g, err := s.store.Version(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.GetRuntimeManagementConfigOutput{UpdateRuntimeOn: new(g.RuntimeUpdates), FunctionArn: new(r.ARN())}
	if g.RuntimeUpdates == "" {
		out.UpdateRuntimeOn = new(api.UpdateRuntimeOnAuto)
	}
	if g.RuntimeARN != "" {
		out.RuntimeVersionArn = &g.RuntimeARN
	}
	return out, nil
}

func (s *Service) putRuntimeManagementConfig(ctx context.Context, c *service.Call, in *api.PutRuntimeManagementConfigInput) (*api.PutRuntimeManagementConfigOutput, error) {
	r, err := managedRef(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	mode, version := *in.UpdateRuntimeOn, smithy.Val(in.RuntimeVersionArn)
	if manual := mode == api.UpdateRuntimeOnManual; manual != (version != "") {
		return nil, fn.Invalid("You must specify a RuntimeVersionArn if UpdateRuntimeOn is Manual, and only then.")
	}
	change := func(g *fn.Config) error {
		if mode == api.UpdateRuntimeOnManual {
			choice, err := s.engine.Resolve(g.Runtime)
			if err != nil {
				return err
			}
			if now := run.VersionARN(r.Region, g.Runtime, choice); now != version {
				return fn.Invalid("moln has no runtime version %s: on this host %s is %s.", version, g.Runtime, now)
			}
		}
		g.RuntimeUpdates, g.RuntimeARN, g.Revision = mode, version, s.deps.Ident.UUID()
		return nil
	}
	_, _, err = s.store.Change(ctx, r, func(tx *kv.Tx, f *fn.Function) error {
		if !fn.NumberPattern.MatchString(r.Qualifier) {
			return change(&f.Latest)
		}
		g, ok, err := fn.LoadVersion(tx.Get, r, r.Qualifier)
		if err != nil || !ok {
			if err == nil {
				err = fn.NotFound(r.ARN())
			}
			return err
		}
		if err := change(g); err != nil {
			return err
		}
		n, err := strconv.ParseInt(r.Qualifier, 10, 64)
		if err != nil {
			return err
		}
		return s.store.PutVersion(tx, r, n, g)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutRuntimeManagementConfigOutput{UpdateRuntimeOn: &mode, FunctionArn: new(r.ARN()), RuntimeVersionArn: in.RuntimeVersionArn}, nil
}
