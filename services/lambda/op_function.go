package lambda

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/code"
	"moln.dev/moln/services/lambda/fn"
	"moln.dev/moln/services/lambda/run"
	"moln.dev/moln/services/lambda/target"
)

func (s *Service) createFunction(ctx context.Context, c *service.Call, in *api.CreateFunctionInput) (*api.FunctionConfiguration, error) {
	r, err := fn.RefOf(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	r.Qualifier = ""
	f, env, err := s.newFunction(ctx, c, r, in)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Function(ctx, r); err == nil {
		return nil, fn.Conflict("Function already exist: %s", r.Name)
	}
	if err := s.takeCode(ctx, c, r, &f.Latest, in); err != nil {
		return nil, err
	}
	if err := s.store.Create(ctx, r, f); err != nil {
		return nil, err
	}
	out := s.describe(r, &f.Latest, env, false)
	if f.Published > 0 {
		v := f.Latest
		v.Version = strconv.FormatInt(f.Published, 10)
		out = s.describe(r, &v, env, true)
	}
	return &out, nil
}

func sourceOf(in *api.FunctionCode) code.Source {
	return code.Source{Zip: in.ZipFile, Bucket: in.S3Bucket, Key: in.S3Key, Version: in.S3ObjectVersion, Mode: in.S3ObjectStorageMode, KMSKey: in.SourceKMSKeyArn}
}

// newFunction checks everything but the code.
func (s *Service) newFunction(ctx context.Context, c *service.Call, r fn.Ref, in *api.CreateFunctionInput) (*fn.Function, map[string]string, error) {
	if err := checkPackage(in); err != nil {
		return nil, nil, err
	}
	if smithy.Val(in.CodeSigningConfigArn) != "" {
		return nil, nil, fn.Unsupported("CodeSigningConfigArn")
	}
	refused := refusals{
		vpc: in.VpcConfig, files: in.FileSystemConfigs,
		snapStart: in.SnapStart, capacity: in.CapacityProviderConfig, durable: in.DurableConfig,
		runtime: in.RuntimeConfig, accelerator: in.AcceleratorConfig, publishTo: in.PublishTo, architecture: in.Architectures,
	}
	if err := refused.check(); err != nil {
		return nil, nil, err
	}
	if err := fn.CheckTags(in.Tags); err != nil {
		return nil, nil, err
	}
	g := fn.Config{
		Name: r.Name, Version: fn.Latest, TimeoutS: fn.TimeoutDefault, MemoryMB: fn.MemoryDefaultMB, EphemeralMB: fn.EphemeralDefault,
		Architectures: []string{api.ArchitectureX8664}, LogFormat: api.LogFormatText,
		Modified: c.Now, Revision: s.deps.Ident.UUID(),
	}
	if in.TenancyConfig != nil {
		g.Tenancy = *in.TenancyConfig.TenantIsolationMode
	}
	if len(in.Architectures) == 1 {
		g.Architectures = in.Architectures
	}
	set := settings{
		role: in.Role, handler: in.Handler, runtime: in.Runtime, description: in.Description, timeout: in.Timeout, memory: in.MemorySize,
		ephemeral: in.EphemeralStorage, logging: in.LoggingConfig, environment: in.Environment, kmsKey: in.KMSKeyArn, tracing: in.TracingConfig,
		deadLetter: in.DeadLetterConfig,
	}
	if err := s.configure(ctx, c, r, &g, set); err != nil {
		return nil, nil, err
	}
	if err := s.useLayers(ctx, c, &g, in.Layers); err != nil {
		return nil, nil, err
	}
	f := &fn.Function{Latest: g, Tags: in.Tags}
	if smithy.Val(in.Publish) {
		f.Published = 1
	}
	var env map[string]string
	if in.Environment != nil {
		env = in.Environment.Variables
	}
	return f, env, nil
}

// configure applies settings and makes sure that what they name can be used.
func (s *Service) configure(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config, set settings) error {
	if err := set.apply(g); err != nil {
		return err
	}
	if set.tracing != nil && g.Tracing == api.TracingModeActive {
		c.Note("there is no X-Ray here: TracingConfig Active is kept, and nothing is traced")
	}
	if set.runtime != nil {
		choice, err := s.engine.Resolve(g.Runtime)
		if err != nil {
			return err
		}
		if choice.Warning != "" {
			c.Note(choice.Warning)
		}
	}
	if set.role != nil {
		if err := s.checkRole(ctx, c, r, g.Role); err != nil {
			return err
		}
	}
	if set.deadLetter != nil && g.DeadLetters != "" {
		if err := s.checkDeadLetters(ctx, r, g); err != nil {
			return err
		}
	}
	return s.setVariables(ctx, c, r, g, set)
}

// checkDeadLetters makes sure that the queue or topic for dead letters is there,
// and that the function's role may send to it.
func (s *Service) checkDeadLetters(ctx context.Context, r fn.Ref, g *fn.Config) error {
	t, ok := target.Parse(g.DeadLetters)
	if !ok || !t.TakesDeadLetters() {
		return fn.Invalid("The dead letter target %s is invalid: it must be the ARN of a standard SQS queue or of a standard SNS topic.", g.DeadLetters)
	}
	system := s.deps.System(r.Account, r.Region)
	return t.CheckDeadLetters(ctx, system.As(identity.Root(r.Account)), func() (*service.Call, error) {
		ses, err := s.engine.Assume(ctx, system, r, g.Role)
		return system.As(ses.Principal), err
	})
}

// checkRole asks whether the caller may pass the role, and whether Lambda may
// assume it (L5).
func (s *Service) checkRole(ctx context.Context, c *service.Call, r fn.Ref, role string) error {
	err := c.Judge(ctx, service.Check{
		Action: "iam:PassRole", Resource: role,
		Context: policy.Keys{"iam:passedtoservice": {run.ServicePrincipal}, "iam:associatedresourcearn": {r.Unqualified().ARN()}},
	})
	if err != nil {
		return err
	}
	_, err = s.engine.Assume(ctx, c, r, role)
	return err
}

// invalidInput words the one constraint of the model that Lambda's own code
// checks, not what all services share: the set of runtimes.
func invalidInput(_ *smithy.Operation, in any, v []smithy.Violation) error {
	if len(v) != 1 || v[0].Path != "runtime" {
		return nil
	}
	switch in.(type) {
	case *api.CreateFunctionInput, *api.UpdateFunctionConfigurationInput:
		return run.UnknownRuntime(v[0].Value)
	}
	return nil
}

// describe is fn.Describe with what the host knows.
func (s *Service) describe(r fn.Ref, g *fn.Config, env map[string]string, qualified bool) api.FunctionConfiguration {
	out := fn.Describe(r.Place, g, env, qualified)
	if choice, err := s.engine.Resolve(g.Runtime); err == nil {
		out.RuntimeVersionConfig = &api.RuntimeVersionConfig{RuntimeVersionArn: new(run.VersionARN(r.Region, g.Runtime, choice))}
	}
	return out
}

// show describes a version with its variables, as far as the caller may see them.
func (s *Service) show(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config, qualified bool) (*api.FunctionConfiguration, error) {
	env, refused, err := s.variables.Shown(ctx, c, r, g)
	if err != nil {
		return nil, err
	}
	out := s.describe(r, g, env, qualified)
	if refused != nil {
		out.Environment = &api.EnvironmentResponse{Error: refused}
	}
	return &out, nil
}

func (s *Service) getFunctionConfiguration(ctx context.Context, c *service.Call, in *api.GetFunctionConfigurationInput) (*api.FunctionConfiguration, error) {
	r, err := fn.RefOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	g, err := s.store.Version(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.showAs(ctx, c, r, g)
}

// showAs describes a version under the name it was asked for by.
func (s *Service) showAs(ctx context.Context, c *service.Call, r fn.Ref, g *fn.Config) (*api.FunctionConfiguration, error) {
	out, err := s.show(ctx, c, r, g, r.Qualifier != "")
	if err != nil {
		return nil, err
	}
	out.FunctionArn = new(r.ARN())
	return out, nil
}

func (s *Service) getFunction(ctx context.Context, c *service.Call, in *api.GetFunctionInput) (*api.GetFunctionOutput, error) {
	r, err := fn.RefOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	g, err := s.store.Version(ctx, r)
	if err != nil {
		return nil, err
	}
	shown, err := s.showAs(ctx, c, r, g)
	if err != nil {
		return nil, err
	}
	out := &api.GetFunctionOutput{
		Configuration: shown, Tags: maps.Clone(f.Tags),
		Code: &api.FunctionCodeLocation{RepositoryType: new("S3"), Location: new(s.codeLocation(c, g))},
	}
	if i := g.Image; i != nil {
		out.Code = &api.FunctionCodeLocation{RepositoryType: new("ECR"), ImageUri: new(i.URI), ResolvedImageUri: new(i.Resolved)}
	}
	if f.Reserved != nil {
		out.Concurrency = &api.Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

const (
	markerSplit  = "/"
	everyVersion = api.FunctionVersionAll
)

func (s *Service) listFunctions(ctx context.Context, c *service.Call, in *api.ListFunctionsInput) (*api.ListFunctionsOutput, error) {
	limit := fn.PageSize(in.MaxItems)
	if smithy.Val(in.FunctionVersion) == everyVersion {
		return s.listEveryVersion(ctx, c, smithy.Val(in.Marker), limit)
	}
	list, more, err := s.store.Functions(ctx, fn.PlaceOf(c), smithy.Val(in.Marker), limit)
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionsOutput{Functions: []api.FunctionConfiguration{}}
	for i := range list {
		shown, err := s.show(ctx, c, fn.Ref{Place: fn.PlaceOf(c), Name: list[i].Latest.Name}, &list[i].Latest, false)
		if err != nil {
			return nil, err
		}
		out.Functions = append(out.Functions, *shown)
	}
	if more {
		out.NextMarker = new(list[len(list)-1].Latest.Name)
	}
	return out, nil
}

// listEveryVersion lists $LATEST and the published versions of every function.
// Its marker is the last function and version shown.
func (s *Service) listEveryVersion(ctx context.Context, c *service.Call, marker string, limit int) (*api.ListFunctionsOutput, error) {
	out := &api.ListFunctionsOutput{Functions: []api.FunctionConfiguration{}}
	name, number, _ := strings.Cut(marker, markerSplit)
	r := fn.Ref{Place: fn.PlaceOf(c), Name: name}
	done, _ := strconv.ParseInt(number, 10, 64)
	for {
		if r.Name != "" {
			versions, more, err := s.store.Versions(ctx, r, done, limit-len(out.Functions))
			if err != nil {
				return nil, err
			}
			for i := range versions {
				shown, err := s.show(ctx, c, r, &versions[i], true)
				if err != nil {
					return nil, err
				}
				out.Functions = append(out.Functions, *shown)
				done, _ = strconv.ParseInt(versions[i].Version, 10, 64)
			}
			if more || len(out.Functions) == limit {
				out.NextMarker = new(r.Name + markerSplit + strconv.FormatInt(done, 10))
				return out, nil
			}
		}
		next, _, err := s.store.Functions(ctx, r.Place, r.Name, 1)
		if err != nil || len(next) == 0 {
			return out, err
		}
		r.Name, done = next[0].Latest.Name, 0
		shown, err := s.show(ctx, c, r, &next[0].Latest, true)
		if err != nil {
			return nil, err
		}
		out.Functions = append(out.Functions, *shown)
		if len(out.Functions) == limit {
			out.NextMarker = new(r.Name + markerSplit + "0")
			return out, nil
		}
	}
}

func (s *Service) deleteFunction(ctx context.Context, c *service.Call, in *api.DeleteFunctionInput) (*api.DeleteFunctionOutput, error) {
	r, err := fn.RefOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteFunctionOutput{StatusCode: new(int32(204))}
	switch {
	case r.Qualifier == "":
		dropped, err := s.store.DeleteFunction(ctx, r)
		if err != nil {
			return nil, err
		}
		s.packages.Drop(ctx, c, dropped)
		s.engine.Forget(r)
		return out, nil
	case r.Qualifier == fn.Latest:
		return nil, fn.Invalid("$LATEST version cannot be deleted without deleting the function.")
	case !fn.NumberPattern.MatchString(r.Qualifier):
		return nil, fn.Invalid("Deletion of aliases is not currently supported.")
	}
	if _, err := s.store.Function(ctx, r); err != nil {
		return nil, err
	}
	number, err := strconv.ParseInt(r.Qualifier, 10, 64)
	if err != nil {
		return nil, fn.NotFound(r.ARN())
	}
	dropped, err := s.store.DeleteVersion(ctx, r, number)
	if err != nil {
		return nil, err
	}
	s.packages.Drop(ctx, c, dropped)
	return out, nil
}

// newCode gets the code that an update names, and gives what puts it in place.
func (s *Service) newCode(ctx context.Context, c *service.Call, r fn.Ref, f *fn.Function, in *api.UpdateFunctionCodeInput, dry bool) (func(*fn.Config), error) {
	if f.Latest.Image != nil {
		return s.updateImage(ctx, c, r, f, in)
	}
	if in.ImageUri != nil {
		return nil, fn.Invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	p, err := s.packages.Fetch(ctx, c, code.Source{Zip: in.ZipFile, Bucket: in.S3Bucket, Key: in.S3Key, Version: in.S3ObjectVersion, Mode: in.S3ObjectStorageMode, KMSKey: in.SourceKMSKeyArn}, "UpdateFunctionCode")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	fresh, err := s.packages.Admit(ctx, p, !dry)
	return func(g *fn.Config) { g.Code = fresh }, err
}

func (s *Service) updateFunctionCode(ctx context.Context, c *service.Call, in *api.UpdateFunctionCodeInput) (*api.FunctionConfiguration, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := (refusals{publishTo: in.PublishTo, architecture: in.Architectures}).check(); err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
		return nil, fn.StaleRevision()
	}
	dry := smithy.Val(in.DryRun)
	replace, err := s.newCode(ctx, c, r, f, in, dry)
	if err != nil {
		return nil, err
	}
	change := func(_ *kv.Tx, f *fn.Function) error {
		if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
			return fn.StaleRevision()
		}
		replace(&f.Latest)
		if len(in.Architectures) == 1 {
			f.Latest.Architectures = slices.Clone(in.Architectures)
		}
		if err := checkFit(&f.Latest); err != nil {
			return err
		}
		f.Latest.Modified, f.Latest.Revision = c.Now, s.deps.Ident.UUID()
		return nil
	}
	if dry {
		if err := change(nil, f); err != nil {
			return nil, err
		}
		return s.show(ctx, c, r, &f.Latest, false)
	}
	f, dropped, err := s.store.Change(ctx, r, change)
	if err != nil {
		return nil, err
	}
	s.packages.Drop(ctx, c, dropped)
	s.engine.Forget(fn.At(r.Place, r.Name, fn.Latest))
	if smithy.Val(in.Publish) {
		return s.publish(ctx, c, r, publication{})
	}
	return s.show(ctx, c, r, &f.Latest, false)
}

func (s *Service) updateFunctionConfiguration(ctx context.Context, c *service.Call, in *api.UpdateFunctionConfigurationInput) (*api.FunctionConfiguration, error) {
	r, err := fn.LatestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	refused := refusals{
		vpc: in.VpcConfig, files: in.FileSystemConfigs,
		snapStart: in.SnapStart, capacity: in.CapacityProviderConfig, durable: in.DurableConfig,
		runtime: in.RuntimeConfig, accelerator: in.AcceleratorConfig,
	}
	if err := refused.check(); err != nil {
		return nil, err
	}
	f, err := s.store.Function(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := checkConfiguration(f, in); err != nil {
		return nil, err
	}
	set := settings{
		role: in.Role, handler: in.Handler, runtime: in.Runtime, description: in.Description, timeout: in.Timeout, memory: in.MemorySize,
		ephemeral: in.EphemeralStorage, logging: in.LoggingConfig, environment: in.Environment, kmsKey: in.KMSKeyArn, tracing: in.TracingConfig,
		deadLetter: in.DeadLetterConfig,
	}
	// What needs the host and IAM is checked before the transaction.
	trial := f.Latest
	if err := s.configure(ctx, c, r, &trial, set); err != nil {
		return nil, err
	}
	if err := s.useLayers(ctx, c, &trial, in.Layers); err != nil {
		return nil, err
	}
	f, dropped, err := s.store.Change(ctx, r, func(_ *kv.Tx, f *fn.Function) error {
		if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
			return fn.StaleRevision()
		}
		if err := set.apply(&f.Latest); err != nil {
			return err
		}
		if f.Latest.Image != nil {
			f.Latest.Image.Override(in.ImageConfig)
		}
		if in.Environment != nil || in.KMSKeyArn != nil {
			f.Latest.Env, f.Latest.DataKey, f.Latest.KMSKey = trial.Env, trial.DataKey, trial.KMSKey
		}
		if in.Layers != nil {
			f.Latest.Layers = trial.Layers
			if err := checkFit(&f.Latest); err != nil {
				return err
			}
		}
		f.Latest.Modified, f.Latest.Revision = c.Now, s.deps.Ident.UUID()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.packages.Drop(ctx, c, dropped)
	s.engine.Forget(fn.At(r.Place, r.Name, fn.Latest))
	return s.show(ctx, c, r, &f.Latest, false)
}
