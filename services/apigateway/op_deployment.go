package apigateway

import (
	"context"
	"regexp"
	"slices"

	api "moln.dev/moln/api/apigateway"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/apigateway/pipeline"
)

// Bounds of stages and their variables.
const (
	stagesMax        = 10
	variablesMax     = 100
	variableValueMax = 512
)

var (
	stageName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	variableName  = regexp.MustCompile(`^[a-zA-Z0-9_]{1,64}$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]*$`)
)

func (s *Service) createDeployment(ctx context.Context, c *service.Call, in *api.CreateDeploymentInput) (*api.Deployment, error) {
	err := refuse(
		refusal{val(in.CacheClusterEnabled), "CacheClusterEnabled"},
		refusal{in.CanarySettings != nil, "CanarySettings"},
		refusal{val(in.TracingEnabled), "TracingEnabled"},
	)
	if err != nil {
		return nil, err
	}
	now := c.Now
	out := api.Deployment{Id: new(s.deps.Ident.Lower(subIDLen)), Description: in.Description, CreatedDate: &now}
	err = s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		snap, err := t.snapshot()
		if err != nil {
			return err
		}
		if err := checkDeployable(snap); err != nil {
			return err
		}
		if err := t.saveSnapshot(*out.Id, snap); err != nil {
			return err
		}
		if err := t.save(kindDeployment, *out.Id, out); err != nil {
			return err
		}
		if val(in.StageName) == "" {
			return nil
		}
		return deployTo(t, c, in, *out.Id)
	})
	return &out, err
}

// checkDeployable refuses what could not be served (A4).
func checkDeployable(snap *pipeline.Snapshot) error {
	methods := 0
	for _, r := range snap.Resources {
		for _, m := range r.ResourceMethods {
			methods++
			if m.MethodIntegration == nil {
				return api.ErrBadRequestException("No integration defined for method")
			}
		}
	}
	if methods == 0 {
		return api.ErrBadRequestException("The REST API doesn't contain any methods")
	}
	if _, err := pipeline.Compile(snap); err != nil {
		return api.ErrBadRequestException("The REST API cannot be deployed: %s", err.Error())
	}
	return nil
}

// deployTo points a stage at a deployment, making the stage where there is none.
func deployTo(t *apiTx, c *service.Call, in *api.CreateDeploymentInput, deployment string) error {
	st, err := load[api.Stage](t, kindStage, *in.StageName)
	if err != nil {
		return err
	}
	now := c.Now
	if st == nil {
		st = &api.Stage{StageName: in.StageName, CreatedDate: &now}
	}
	st.DeploymentId = &deployment
	if in.StageDescription != nil {
		st.Description = in.StageDescription
	}
	if in.Variables != nil {
		st.Variables = in.Variables
	}
	return saveStage(t, c, st)
}

func loadDeployment(t *apiTx, id *string) (*api.Deployment, error) {
	d, err := load[api.Deployment](t, kindDeployment, val(id))
	if err == nil && d == nil {
		return nil, api.ErrNotFoundException("Invalid Deployment identifier specified")
	}
	return d, err
}

func (s *Service) getDeployment(ctx context.Context, c *service.Call, in *api.GetDeploymentInput) (*api.Deployment, error) {
	var out *api.Deployment
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = loadDeployment(t, in.DeploymentId)
		return err
	})
	if err != nil || !slices.Contains(in.Embed, "apisummary") {
		return out, err
	}
	snap, err := s.store.loadSnapshot(ctx, placeOf(c), *in.RestApiId, *out.Id)
	if err != nil {
		return nil, err
	}
	out.ApiSummary = map[string]map[string]api.MethodSnapshot{}
	for _, r := range snap.Resources {
		for verb, m := range r.ResourceMethods {
			if out.ApiSummary[*r.Path] == nil {
				out.ApiSummary[*r.Path] = map[string]api.MethodSnapshot{}
			}
			out.ApiSummary[*r.Path][verb] = api.MethodSnapshot{AuthorizationType: m.AuthorizationType, ApiKeyRequired: m.ApiKeyRequired}
		}
	}
	return out, nil
}

func (s *Service) getDeployments(ctx context.Context, c *service.Call, in *api.GetDeploymentsInput) (*api.GetDeploymentsOutput, error) {
	out := new(api.GetDeploymentsOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.Deployment](t, kindDeployment)
		out.Items, out.Position = page(list, func(d *api.Deployment) string { return *d.Id }, in.Position, in.Limit)
		return err
	})
	return out, err
}

func (s *Service) updateDeployment(ctx context.Context, c *service.Call, in *api.UpdateDeploymentInput) (*api.Deployment, error) {
	var out *api.Deployment
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = loadDeployment(t, in.DeploymentId); err != nil {
			return err
		}
		if err := apply(out, in.PatchOperations, "description"); err != nil {
			return err
		}
		return t.save(kindDeployment, *out.Id, out)
	})
	return out, err
}

func (s *Service) deleteDeployment(ctx context.Context, c *service.Call, in *api.DeleteDeploymentInput) (*api.DeleteDeploymentOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		if _, err := loadDeployment(t, in.DeploymentId); err != nil {
			return err
		}
		stages, err := all[api.Stage](t, kindStage)
		if err != nil {
			return err
		}
		for _, st := range stages {
			if val(st.DeploymentId) == *in.DeploymentId {
				return api.ErrBadRequestException("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		if err := t.removeSnapshot(*in.DeploymentId); err != nil {
			return err
		}
		return t.remove(kindDeployment, *in.DeploymentId)
	})
}

func (s *Service) createStage(ctx context.Context, c *service.Call, in *api.CreateStageInput) (*api.Stage, error) {
	now := c.Now
	out := api.Stage{
		StageName: in.StageName, DeploymentId: in.DeploymentId, Description: in.Description, Variables: in.Variables, Tags: in.Tags, CreatedDate: &now,
		CacheClusterEnabled: in.CacheClusterEnabled, CacheClusterSize: in.CacheClusterSize, DocumentationVersion: in.DocumentationVersion,
		CanarySettings: in.CanarySettings, TracingEnabled: in.TracingEnabled,
	}
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		old, err := load[api.Stage](t, kindStage, val(in.StageName))
		if err != nil {
			return err
		}
		if old != nil {
			return api.ErrConflictException("Stage already exists")
		}
		return saveStage(t, c, &out)
	})
	return &out, err
}

// saveStage checks and stores a stage.
func saveStage(t *apiTx, c *service.Call, st *api.Stage) error {
	if !stageName.MatchString(val(st.StageName)) {
		return api.ErrBadRequestException("Stage name only allows a-zA-Z0-9_-")
	}
	err := refuse(
		refusal{val(st.CacheClusterEnabled), "CacheClusterEnabled"},
		refusal{st.CanarySettings != nil, "CanarySettings"},
		refusal{val(st.TracingEnabled), "TracingEnabled"},
		refusal{val(st.DocumentationVersion) != "", "DocumentationVersion"},
		refusal{val(st.ClientCertificateId) != "", "ClientCertificateId"},
	)
	if err != nil {
		return err
	}
	if err := checkVariables(st.Variables); err != nil {
		return err
	}
	d, err := load[api.Deployment](t, kindDeployment, val(st.DeploymentId))
	if err != nil {
		return err
	}
	if d == nil {
		return api.ErrBadRequestException("Deployment id does not exist")
	}
	stages, err := all[api.Stage](t, kindStage)
	if err != nil {
		return err
	}
	if len(stages) >= stagesMax && !slices.ContainsFunc(stages, func(o api.Stage) bool { return *o.StageName == *st.StageName }) {
		return api.ErrLimitExceededException("Maximum number of stages for this API has been reached. Please contact AWS if you need additional stages.")
	}
	now := c.Now
	st.LastUpdatedDate = &now
	st.CacheClusterEnabled, st.CacheClusterStatus = new(false), new("NOT_AVAILABLE")
	st.TracingEnabled = new(false)
	if st.MethodSettings == nil {
		st.MethodSettings = map[string]api.MethodSetting{}
	}
	return t.save(kindStage, *st.StageName, st)
}

func checkVariables(vars map[string]string) error {
	if len(vars) > variablesMax {
		return api.ErrLimitExceededException("Too many stage variables")
	}
	for name, value := range vars {
		if !variableName.MatchString(name) {
			return api.ErrBadRequestException("Stage variable name %s is not valid: it must be alphanumeric, up to 64 characters", name)
		}
		if len(value) > variableValueMax || !variableValue.MatchString(value) {
			return api.ErrBadRequestException("Stage variable value: %s does not match regular expression: [A-Za-z0-9-._~:/?#&=,]+", value)
		}
	}
	return nil
}

func loadStage(t *apiTx, name *string) (*api.Stage, error) {
	st, err := load[api.Stage](t, kindStage, val(name))
	if err == nil && st == nil {
		return nil, api.ErrNotFoundException("Invalid stage identifier specified")
	}
	return st, err
}

func (s *Service) getStage(ctx context.Context, c *service.Call, in *api.GetStageInput) (*api.Stage, error) {
	var out *api.Stage
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		out, err = loadStage(t, in.StageName)
		return err
	})
	return out, err
}

func (s *Service) getStages(ctx context.Context, c *service.Call, in *api.GetStagesInput) (*api.GetStagesOutput, error) {
	out := new(api.GetStagesOutput)
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		list, err := all[api.Stage](t, kindStage)
		for _, st := range list {
			if in.DeploymentId == nil || *in.DeploymentId == *st.DeploymentId {
				out.Item = append(out.Item, st)
			}
		}
		return err
	})
	return out, err
}

func (s *Service) updateStage(ctx context.Context, c *service.Call, in *api.UpdateStageInput) (*api.Stage, error) {
	var out *api.Stage
	err := s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) (err error) {
		if out, err = loadStage(t, in.StageName); err != nil {
			return err
		}
		err = apply(out, in.PatchOperations, "deploymentId", "description", "variables", "cacheClusterEnabled", "tracingEnabled", "documentationVersion", "clientCertificateId")
		if err != nil {
			return err
		}
		return saveStage(t, c, out)
	})
	return out, err
}

func (s *Service) deleteStage(ctx context.Context, c *service.Call, in *api.DeleteStageInput) (*api.DeleteStageOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		if _, err := loadStage(t, in.StageName); err != nil {
			return err
		}
		return t.remove(kindStage, *in.StageName)
	})
}

// flushStageAuthorizersCache forgets the answers that this node's authorizers
// gave for the stage; other nodes see the stage's new version.
func (s *Service) flushStageAuthorizersCache(ctx context.Context, c *service.Call, in *api.FlushStageAuthorizersCacheInput) (*api.FlushStageAuthorizersCacheOutput, error) {
	return nil, s.store.edit(ctx, placeOf(c), in.RestApiId, func(t *apiTx) error {
		st, err := loadStage(t, in.StageName)
		if err != nil {
			return err
		}
		// LastUpdatedDate is the version that caches go by.
		return saveStage(t, c, st)
	})
}
