package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"moln.dev/moln/runtimes"
)

// servicePrincipal is who assumes functions' roles.
const servicePrincipal = "lambda.amazonaws.com"

func (s *Service) createFunction(ctx context.Context, c *service.Call, in *api.CreateFunctionInput) (*api.FunctionConfiguration, error) {
	r, err := refOf(c, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	r.qualifier = ""
	f, env, err := s.newFunction(ctx, c, r, in)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.function(ctx, r); err == nil {
		return nil, conflict("Function already exist: %s", r.name)
	}
	p, err := s.fetch(ctx, c, sourceOf(in.Code), "CreateFunction")
	if err != nil {
		return nil, err
	}
	defer p.close()
	if f.Latest.Code, err = s.packages.admit(ctx, p, true); err != nil {
		return nil, err
	}
	if err := s.store.create(ctx, r, f); err != nil {
		return nil, err
	}
	out := describe(r.place, &f.Latest, env, false)
	if f.Published > 0 {
		v := f.Latest
		v.Version = strconv.FormatInt(f.Published, 10)
		out = describe(r.place, &v, env, true)
	}
	return &out, nil
}

func sourceOf(in *api.FunctionCode) source {
	return source{zip: in.ZipFile, bucket: in.S3Bucket, key: in.S3Key, version: in.S3ObjectVersion, mode: in.S3ObjectStorageMode, image: in.ImageUri, kms: in.SourceKMSKeyArn}
}

// newFunction checks everything but the code.
func (s *Service) newFunction(ctx context.Context, c *service.Call, r ref, in *api.CreateFunctionInput) (*function, map[string]string, error) {
	if smithy.Val(in.PackageType) == api.PackageTypeImage || in.Code.ImageUri != nil {
		return nil, nil, unsupported("container images: package the function as a zip file")
	}
	if in.Handler == nil || in.Runtime == nil {
		return nil, nil, invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if smithy.Val(in.CodeSigningConfigArn) != "" {
		return nil, nil, unsupported("CodeSigningConfigArn")
	}
	if in.TenancyConfig != nil {
		return nil, nil, unsupported("TenancyConfig")
	}
	refused := refusals{
		vpc: in.VpcConfig, files: in.FileSystemConfigs, deadLetter: in.DeadLetterConfig, kmsKey: in.KMSKeyArn, tracing: in.TracingConfig,
		snapStart: in.SnapStart, image: in.ImageConfig, layers: in.Layers, capacity: in.CapacityProviderConfig, durable: in.DurableConfig,
		runtime: in.RuntimeConfig, accelerator: in.AcceleratorConfig, publishTo: in.PublishTo, architecture: in.Architectures,
	}
	if err := refused.check(); err != nil {
		return nil, nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, nil, err
	}
	g := config{
		Name: r.name, Version: latest, TimeoutS: timeoutDefault, MemoryMB: memoryDefaultMB, EphemeralMB: ephemeralDefault,
		Architectures: []string{api.ArchitectureX8664}, LogFormat: api.LogFormatText,
		Modified: c.Now, Revision: s.deps.Ident.UUID(),
	}
	if len(in.Architectures) == 1 {
		g.Architectures = in.Architectures
	}
	set := settings{
		role: in.Role, handler: in.Handler, runtime: in.Runtime, description: in.Description, timeout: in.Timeout, memory: in.MemorySize,
		ephemeral: in.EphemeralStorage, logging: in.LoggingConfig, environment: in.Environment,
	}
	if err := s.configure(ctx, c, r, &g, set); err != nil {
		return nil, nil, err
	}
	f := &function{Latest: g, Tags: in.Tags}
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
func (s *Service) configure(ctx context.Context, c *service.Call, r ref, g *config, set settings) error {
	if err := set.apply(g); err != nil {
		return err
	}
	if set.runtime != nil {
		choice, err := s.resolve(g.Runtime)
		if err != nil {
			return err
		}
		if choice.Warning != "" {
			c.Note(choice.Warning)
		}
	}
	if set.environment != nil {
		sealed, err := s.sealEnv(r, set.environment.Variables)
		if err != nil {
			return err
		}
		g.Env = sealed
	}
	if set.role != nil {
		return s.checkRole(ctx, c, r, g.Role)
	}
	return nil
}

// checkRole asks whether the caller may pass the role, and whether Lambda may
// assume it (L5).
func (s *Service) checkRole(ctx context.Context, c *service.Call, r ref, role string) error {
	err := c.Judge(ctx, service.Check{
		Action: "iam:PassRole", Resource: role,
		Context: policy.Keys{"iam:passedtoservice": {servicePrincipal}, "iam:associatedresourcearn": {r.unqualified().arn()}},
	})
	if err != nil {
		return err
	}
	_, err = s.assume(ctx, c, r, role)
	return err
}

func (s *Service) assume(ctx context.Context, c *service.Call, r ref, role string) (service.Session, error) {
	as := c.As(identity.Service(servicePrincipal, r.account, r.unqualified().arn()))
	ses, err := as.AssumeRole(ctx, service.Assume{RoleARN: role, SessionName: r.name, Duration: sessionDuration})
	if err != nil {
		if isFault(err) {
			return ses, invalid("The role defined for the function cannot be assumed by Lambda.")
		}
		return ses, err
	}
	return ses, nil
}

// resolve finds what runs a runtime identifier, or the fault that says why
// nothing does.
func (s *Service) resolve(identifier string) (runtimes.Choice, error) {
	c, err := s.host.Resolve(identifier)
	var unknown *runtimes.UnknownError
	var missing *runtimes.MissingError
	switch {
	case errors.As(err, &unknown):
		return c, unknownRuntime(identifier)
	case errors.As(err, &missing):
		return c, invalid("moln cannot run %s here: %s.", identifier, missing.Need)
	}
	return c, err
}

// unknownRuntime is the fault for an identifier that AWS never had.
func unknownRuntime(id string) error {
	return invalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", id, strings.Join(runtimes.Known(), ", "))
}

// invalidInput words the one constraint of the model that Lambda's own code
// checks, not what all services share: the set of runtimes.
func invalidInput(_ *smithy.Operation, in any, v []smithy.Violation) error {
	if len(v) != 1 || v[0].Path != "runtime" {
		return nil
	}
	switch in.(type) {
	case *api.CreateFunctionInput, *api.UpdateFunctionConfigurationInput:
		return unknownRuntime(v[0].Value)
	}
	return nil
}

func (s *Service) sealPurpose(r ref) string {
	return fmt.Sprintf("lambda/environment/%s/%s/%s", r.account, r.region, r.name)
}

// sealEnv makes variables unreadable at rest (L2); none are nil.
func (s *Service) sealEnv(r ref, vars map[string]string) ([]byte, error) {
	if len(vars) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(vars)
	if err != nil {
		return nil, err
	}
	return s.deps.Seal.Seal(s.sealPurpose(r), raw), nil
}

func (s *Service) openEnv(r ref, g *config) (map[string]string, error) {
	if g.Env == nil {
		return nil, nil
	}
	raw, err := s.deps.Seal.Open(s.sealPurpose(r), g.Env)
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", r.name, err)
	}
	vars := map[string]string{}
	return vars, json.Unmarshal(raw, &vars)
}

// show describes a version with its opened variables.
func (s *Service) show(r ref, g *config, qualified bool) (*api.FunctionConfiguration, error) {
	env, err := s.openEnv(r, g)
	if err != nil {
		return nil, err
	}
	out := describe(r.place, g, env, qualified)
	return &out, nil
}

func (s *Service) getFunctionConfiguration(ctx context.Context, c *service.Call, in *api.GetFunctionConfigurationInput) (*api.FunctionConfiguration, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	g, err := s.store.version(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.showAs(r, g)
}

// showAs describes a version under the name it was asked for by.
func (s *Service) showAs(r ref, g *config) (*api.FunctionConfiguration, error) {
	out, err := s.show(r, g, r.qualifier != "")
	if err == nil {
		out.FunctionArn = new(r.arn())
	}
	return out, err
}

func (s *Service) getFunction(ctx context.Context, c *service.Call, in *api.GetFunctionInput) (*api.GetFunctionOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := s.store.function(ctx, r)
	if err != nil {
		return nil, err
	}
	g, err := s.store.version(ctx, r)
	if err != nil {
		return nil, err
	}
	shown, err := s.showAs(r, g)
	if err != nil {
		return nil, err
	}
	out := &api.GetFunctionOutput{
		Configuration: shown, Tags: maps.Clone(f.Tags),
		Code: &api.FunctionCodeLocation{RepositoryType: new("S3"), Location: new(s.codeLocation(c, g))},
	}
	if f.Reserved != nil {
		out.Concurrency = &api.Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

const (
	listPageMax  = 50
	markerSplit  = "/"
	everyVersion = api.FunctionVersionAll
)

func (s *Service) listFunctions(ctx context.Context, c *service.Call, in *api.ListFunctionsInput) (*api.ListFunctionsOutput, error) {
	limit := pageSize(in.MaxItems)
	if smithy.Val(in.FunctionVersion) == everyVersion {
		return s.listEveryVersion(ctx, c, smithy.Val(in.Marker), limit)
	}
	list, more, err := s.store.functions(ctx, placeOf(c), smithy.Val(in.Marker), limit)
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionsOutput{Functions: []api.FunctionConfiguration{}}
	for i := range list {
		shown, err := s.show(ref{place: placeOf(c), name: list[i].Latest.Name}, &list[i].Latest, false)
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
	r := ref{place: placeOf(c), name: name}
	done, _ := strconv.ParseInt(number, 10, 64)
	for {
		if r.name != "" {
			versions, more, err := s.store.versions(ctx, r, done, limit-len(out.Functions))
			if err != nil {
				return nil, err
			}
			for i := range versions {
				shown, err := s.show(r, &versions[i], true)
				if err != nil {
					return nil, err
				}
				out.Functions = append(out.Functions, *shown)
				done, _ = strconv.ParseInt(versions[i].Version, 10, 64)
			}
			if more || len(out.Functions) == limit {
				out.NextMarker = new(r.name + markerSplit + strconv.FormatInt(done, 10))
				return out, nil
			}
		}
		next, _, err := s.store.functions(ctx, r.place, r.name, 1)
		if err != nil || len(next) == 0 {
			return out, err
		}
		r.name, done = next[0].Latest.Name, 0
		shown, err := s.show(r, &next[0].Latest, true)
		if err != nil {
			return nil, err
		}
		out.Functions = append(out.Functions, *shown)
		if len(out.Functions) == limit {
			out.NextMarker = new(r.name + markerSplit + "0")
			return out, nil
		}
	}
}

func pageSize(n *int32) int {
	if n == nil || *n > listPageMax || *n < 1 {
		return listPageMax
	}
	return int(*n)
}

func (s *Service) deleteFunction(ctx context.Context, c *service.Call, in *api.DeleteFunctionInput) (*api.DeleteFunctionOutput, error) {
	r, err := refOf(c, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteFunctionOutput{StatusCode: new(int32(204))}
	switch {
	case r.qualifier == "":
		dropped, err := s.store.deleteFunction(ctx, r)
		if err != nil {
			return nil, err
		}
		s.drop(ctx, c, dropped)
		s.engine.forget(r)
		return out, nil
	case r.qualifier == latest:
		return nil, invalid("$LATEST version cannot be deleted without deleting the function.")
	case !numberPattern.MatchString(r.qualifier):
		return nil, invalid("Deletion of aliases is not currently supported.")
	}
	if _, err := s.store.function(ctx, r); err != nil {
		return nil, err
	}
	number, err := strconv.ParseInt(r.qualifier, 10, 64)
	if err != nil {
		return nil, notFound(r.arn())
	}
	dropped, err := s.store.deleteVersion(ctx, r, number)
	if err != nil {
		return nil, err
	}
	s.drop(ctx, c, dropped)
	return out, nil
}

func (s *Service) updateFunctionCode(ctx context.Context, c *service.Call, in *api.UpdateFunctionCodeInput) (*api.FunctionConfiguration, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if err := (refusals{publishTo: in.PublishTo, architecture: in.Architectures}).check(); err != nil {
		return nil, err
	}
	f, err := s.store.function(ctx, r)
	if err != nil {
		return nil, err
	}
	if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
		return nil, staleRevision()
	}
	p, err := s.fetch(ctx, c, source{zip: in.ZipFile, bucket: in.S3Bucket, key: in.S3Key, version: in.S3ObjectVersion, mode: in.S3ObjectStorageMode, image: in.ImageUri, kms: in.SourceKMSKeyArn}, "UpdateFunctionCode")
	if err != nil {
		return nil, err
	}
	defer p.close()
	dry := smithy.Val(in.DryRun)
	fresh, err := s.packages.admit(ctx, p, !dry)
	if err != nil {
		return nil, err
	}
	change := func(_ *kv.Tx, f *function) error {
		if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
			return staleRevision()
		}
		f.Latest.Code = fresh
		if len(in.Architectures) == 1 {
			f.Latest.Architectures = slices.Clone(in.Architectures)
		}
		f.Latest.Modified, f.Latest.Revision = c.Now, s.deps.Ident.UUID()
		return nil
	}
	if dry {
		if err := change(nil, f); err != nil {
			return nil, err
		}
		return s.show(r, &f.Latest, false)
	}
	f, dropped, err := s.store.change(ctx, r, change)
	if err != nil {
		return nil, err
	}
	s.drop(ctx, c, dropped)
	s.engine.forget(r)
	if smithy.Val(in.Publish) {
		return s.publish(ctx, c, r, publication{})
	}
	return s.show(r, &f.Latest, false)
}

// latestRef is for operations that change $LATEST and nothing else.
func latestRef(c *service.Call, name *string) (ref, error) {
	r, err := refOf(c, name, nil)
	if err != nil {
		return r, err
	}
	if r.qualifier != "" && r.qualifier != latest {
		return r, invalid("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	return r.unqualified(), nil
}

func (s *Service) updateFunctionConfiguration(ctx context.Context, c *service.Call, in *api.UpdateFunctionConfigurationInput) (*api.FunctionConfiguration, error) {
	r, err := latestRef(c, in.FunctionName)
	if err != nil {
		return nil, err
	}
	refused := refusals{
		vpc: in.VpcConfig, files: in.FileSystemConfigs, deadLetter: in.DeadLetterConfig, kmsKey: in.KMSKeyArn, tracing: in.TracingConfig,
		snapStart: in.SnapStart, image: in.ImageConfig, layers: in.Layers, capacity: in.CapacityProviderConfig, durable: in.DurableConfig,
		runtime: in.RuntimeConfig, accelerator: in.AcceleratorConfig,
	}
	if err := refused.check(); err != nil {
		return nil, err
	}
	f, err := s.store.function(ctx, r)
	if err != nil {
		return nil, err
	}
	set := settings{
		role: in.Role, handler: in.Handler, runtime: in.Runtime, description: in.Description, timeout: in.Timeout, memory: in.MemorySize,
		ephemeral: in.EphemeralStorage, logging: in.LoggingConfig, environment: in.Environment,
	}
	// What needs the host and IAM is checked before the transaction.
	trial := f.Latest
	if err := s.configure(ctx, c, r, &trial, set); err != nil {
		return nil, err
	}
	f, _, err = s.store.change(ctx, r, func(_ *kv.Tx, f *function) error {
		if in.RevisionId != nil && *in.RevisionId != f.Latest.Revision {
			return staleRevision()
		}
		if err := set.apply(&f.Latest); err != nil {
			return err
		}
		if in.Environment != nil {
			f.Latest.Env = trial.Env
		}
		f.Latest.Modified, f.Latest.Revision = c.Now, s.deps.Ident.UUID()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.engine.forget(r)
	return s.show(r, &f.Latest, false)
}
