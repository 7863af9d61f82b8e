package lambda

import (
	"context"
	"maps"
	"slices"
	"strconv"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// publication is what a publisher may say about the new version.
type publication struct{ sha256, description, revision *string }

func (s *Service) publishVersion(ctx context.Context, c *service.Call, in *api.PublishVersionInput) (*api.FunctionConfiguration, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := (refusals{publishTo: in.PublishTo}).check(); err != nil {
		return nil, err
	}
	return s.publish(ctx, c, r, publication{in.CodeSha256, in.Description, in.RevisionId})
}

// publish freezes $LATEST, unless the newest version is the same already.
func (s *Service) publish(ctx context.Context, c *service.Call, r fn.Ref, p publication) (*api.FunctionConfiguration, error) {
	var v *fn.Config
	_, dropped, err := s.store.Change(ctx, r, func(tx *kv.Tx, f *fn.Function) error {
		g := f.Latest
		if smithy.Val(p.sha256) != "" && *p.sha256 != g.Code.SHA256 {
			return fn.Invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", *p.sha256, g.Code.SHA256)
		}
		if smithy.Val(p.revision) != "" && *p.revision != g.Revision {
			return fn.StaleRevision()
		}
		last, ok, err := fn.LoadVersion(tx.Get, r, strconv.FormatInt(f.Published, 10))
		if err != nil {
			return err
		}
		if ok {
			same, err := s.same(r, last, &g)
			if err != nil {
				return err
			}
			if same {
				v = last
				return nil
			}
		}
		f.Published++
		g.Version, g.Revision = strconv.FormatInt(f.Published, 10), s.deps.Ident.UUID()
		set(&g.Description, p.description)
		v = &g
		return s.store.PutVersion(tx, r, f.Published, v)
	})
	if err != nil {
		return nil, err
	}
	s.packages.Drop(ctx, c, dropped)
	return s.show(ctx, c, r, v, true)
}

func (s *Service) same(r fn.Ref, a, b *fn.Config) (bool, error) {
	if !fn.SameContent(a, b) {
		return false, nil
	}
	return s.variables.Same(r, a, b)
}

func (s *Service) listVersionsByFunction(ctx context.Context, c *service.Call, in *api.ListVersionsByFunctionInput) (*api.ListVersionsByFunctionOutput, error) {
	r, err := fn.RefOf(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	limit := fn.PageSize(in.MaxItems)
	out := &api.ListVersionsByFunctionOutput{Versions: []api.FunctionConfiguration{}}
	list := []fn.Config{}
	marker, _ := strconv.ParseInt(smithy.Val(in.Marker), 10, 64)
	if in.Marker == nil {
		list = append(list, f.Latest)
	}
	versions, more, err := s.store.Versions(ctx, r, marker, max(limit-len(list), 0))
	if err != nil {
		return nil, err
	}
	list = append(list, versions...)
	for i := range list {
		shown, err := s.show(ctx, c, r, &list[i], true)
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, *shown)
	}
	if more {
		next := "0"
		if n := len(versions); n > 0 {
			next = versions[n-1].Version
		}
		out.NextMarker = new(next)
	}
	return out, nil
}

func (s *Service) createAlias(ctx context.Context, c *service.Call, in *api.CreateAliasInput) (*api.AliasConfiguration, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	a := fn.Alias{Name: *in.Name, Version: *in.FunctionVersion, Description: smithy.Val(in.Description), Revision: s.deps.Ident.UUID()}
	if in.RoutingConfig != nil {
		a.Weights = maps.Clone(in.RoutingConfig.AdditionalVersionWeights)
	}
	err = fn.ChangeAt(ctx, s.store, r, r.AliasKey(r.Name, a.Name), func(_ fn.Alias, ok bool, get fn.Getter) (*fn.Alias, error) {
		if ok {
			return nil, fn.Conflict("Alias already exists: %s:%s", r.ARN(), a.Name)
		}
		return &a, checkAlias(get, r, &a)
	})
	if err != nil {
		return nil, err
	}
	return fn.DescribeAlias(r.Place, r.Name, &a), nil
}

// checkAlias makes sure that an alias names versions there are, and that its
// weights add up.
func checkAlias(get fn.Getter, r fn.Ref, a *fn.Alias) error {
	if fn.NumberPattern.MatchString(a.Name) || a.Name == fn.Latest {
		return fn.Invalid("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)", a.Name)
	}
	if len(a.Weights) > 1 {
		return fn.Invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	versions := append(slices.Collect(maps.Keys(a.Weights)), a.Version)
	for _, v := range versions {
		if v == fn.Latest {
			if len(versions) > 1 {
				return fn.Invalid("$LATEST is not supported for an alias pointing to more than 1 version")
			}
			continue
		}
		if _, ok, err := fn.LoadVersion(get, r, v); err != nil || !ok {
			if err != nil {
				return err
			}
			r.Qualifier = v
			return fn.NotFound(r.ARN())
		}
	}
	for v, w := range a.Weights {
		if w < 0 || w > 1 {
			return fn.Invalid("Invalid weight %v for version %s. Weight must be between 0.0 and 1.0", w, v)
		}
		if v == a.Version {
			return fn.Invalid("Invalid function version %s. Function version %s is already included in routing configuration.", v, v)
		}
	}
	return nil
}

func (s *Service) updateAlias(ctx context.Context, c *service.Call, in *api.UpdateAliasInput) (*api.AliasConfiguration, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	var out fn.Alias
	err = fn.ChangeAt(ctx, s.store, r, r.AliasKey(r.Name, *in.Name), func(a fn.Alias, ok bool, get fn.Getter) (*fn.Alias, error) {
		if !ok {
			return nil, noAlias(r, *in.Name)
		}
		if in.RevisionId != nil && *in.RevisionId != a.Revision {
			return nil, fn.StaleRevision()
		}
		set(&a.Version, in.FunctionVersion)
		set(&a.Description, in.Description)
		if in.RoutingConfig != nil {
			a.Weights = maps.Clone(in.RoutingConfig.AdditionalVersionWeights)
		}
		a.Revision = s.deps.Ident.UUID()
		out = a
		return &a, checkAlias(get, r, &a)
	})
	if err != nil {
		return nil, err
	}
	return fn.DescribeAlias(r.Place, r.Name, &out), nil
}

func noAlias(r fn.Ref, name string) error {
	return fn.NoResource("Cannot find alias arn: %s:%s", r.Unqualified().ARN(), name)
}

func (s *Service) getAlias(ctx context.Context, c *service.Call, in *api.GetAliasInput) (*api.AliasConfiguration, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	a, ok, err := s.store.Alias(ctx, r, *in.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noAlias(r, *in.Name)
	}
	return fn.DescribeAlias(r.Place, r.Name, a), nil
}

func (s *Service) deleteAlias(ctx context.Context, c *service.Call, in *api.DeleteAliasInput) (*api.DeleteAliasOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	return nil, s.store.DeleteAlias(ctx, r, *in.Name)
}

func (s *Service) listAliases(ctx context.Context, c *service.Call, in *api.ListAliasesInput) (*api.ListAliasesOutput, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	list, more, err := s.store.Aliases(ctx, r, smithy.Val(in.Marker), fn.PageSize(in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &api.ListAliasesOutput{Aliases: []api.AliasConfiguration{}}
	for i := range list {
		a := &list[i]
		if _, weighted := a.Weights[smithy.Val(in.FunctionVersion)]; in.FunctionVersion == nil || a.Version == *in.FunctionVersion || weighted {
			out.Aliases = append(out.Aliases, *fn.DescribeAlias(r.Place, r.Name, a))
		}
	}
	if more {
		out.NextMarker = new(list[len(list)-1].Name)
	}
	return out, nil
}
