package cfn

import (
	"context"
	"strings"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

// versionProperties are AWS::Lambda::Version's. Every change makes a new one.
type versionProperties struct {
	FunctionName                 *string
	CodeSha256                   *string
	Description                  *string
	ProvisionedConcurrencyConfig *provisionedProperties
}

// provisionedProperties are a version's or an alias's provisioned concurrency.
type provisionedProperties struct {
	ProvisionedConcurrentExecutions *int32
}

// provisionPoll is how often it is asked whether what was asked for is ready.
const provisionPoll = 200 * time.Millisecond

// provision makes a qualifier's provisioned concurrency what the template says,
// and waits until it is there.
func provision(ctx context.Context, c *service.Call, function, qualifier string, want, have *provisionedProperties) error {
	switch {
	case want == nil && have == nil:
		return nil
	case want == nil:
		_, err := service.Invoke(ctx, c, api.DeleteProvisionedConcurrencyConfig, &api.DeleteProvisionedConcurrencyConfigInput{FunctionName: &function, Qualifier: &qualifier})
		return unlessGone(err)
	}
	_, err := service.Invoke(ctx, c, api.PutProvisionedConcurrencyConfig, &api.PutProvisionedConcurrencyConfigInput{
		FunctionName: &function, Qualifier: &qualifier, ProvisionedConcurrentExecutions: want.ProvisionedConcurrentExecutions,
	})
	for err == nil {
		var now *api.GetProvisionedConcurrencyConfigOutput
		now, err = service.Invoke(ctx, c, api.GetProvisionedConcurrencyConfig, &api.GetProvisionedConcurrencyConfigInput{FunctionName: &function, Qualifier: &qualifier})
		if err != nil || *now.Status == api.ProvisionedConcurrencyStatusEnumReady {
			return err
		}
		if *now.Status == api.ProvisionedConcurrencyStatusEnumFailed {
			return fn.Invalid("Provisioned Concurrency configuration failed to be applied. Reason: %s", smithy.Val(now.StatusReason))
		}
		err = clock.Sleep(ctx, clock.System(), provisionPoll)
	}
	return err
}

func createVersionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*versionProperties)
	out, err := service.Invoke(ctx, c, api.PublishVersion, &api.PublishVersionInput{FunctionName: p.FunctionName, CodeSha256: p.CodeSha256, Description: p.Description})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.FunctionArn
	r.Attributes = map[string]any{"Version": *out.Version, "FunctionArn": *out.FunctionArn}
	return provision(ctx, c, *out.FunctionName, *out.Version, p.ProvisionedConcurrencyConfig, nil)
}

func deleteVersionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteFunction, &api.DeleteFunctionInput{FunctionName: &r.PhysicalID})
	return unlessGone(err)
}

// aliasProperties are AWS::Lambda::Alias's.
type aliasProperties struct {
	FunctionName                 *string
	FunctionVersion              *string
	Name                         *string
	Description                  *string
	RoutingConfig                *routingProperties
	ProvisionedConcurrencyConfig *provisionedProperties
}

type routingProperties struct {
	AdditionalVersionWeights []struct {
		FunctionVersion string
		FunctionWeight  float64
	}
}

func (p *aliasProperties) routing() *api.AliasRoutingConfiguration {
	out := &api.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}
	if p.RoutingConfig != nil {
		for _, w := range p.RoutingConfig.AdditionalVersionWeights {
			out.AdditionalVersionWeights[w.FunctionVersion] = w.FunctionWeight
		}
	}
	return out
}

func createAliasResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*aliasProperties)
	in := &api.CreateAliasInput{FunctionName: p.FunctionName, FunctionVersion: p.FunctionVersion, Name: p.Name, Description: p.Description, RoutingConfig: p.routing()}
	out, err := service.Invoke(ctx, c, api.CreateAlias, in)
	if err != nil {
		return err
	}
	r.PhysicalID = *out.AliasArn
	r.Attributes = map[string]any{"AliasArn": r.PhysicalID}
	return provision(ctx, c, *p.FunctionName, *p.Name, p.ProvisionedConcurrencyConfig, nil)
}

func updateAliasResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*aliasProperties)
	r.Attributes = map[string]any{"AliasArn": r.PhysicalID}
	in := &api.UpdateAliasInput{FunctionName: p.FunctionName, FunctionVersion: p.FunctionVersion, Name: p.Name, Description: or(p.Description, ""), RoutingConfig: p.routing()}
	if _, err := service.Invoke(ctx, c, api.UpdateAlias, in); err != nil {
		return err
	}
	return provision(ctx, c, *p.FunctionName, *p.Name, p.ProvisionedConcurrencyConfig, r.Old.(*aliasProperties).ProvisionedConcurrencyConfig)
}

func deleteAliasResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	i := strings.LastIndexByte(r.PhysicalID, ':')
	if i < 0 {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.DeleteAlias, &api.DeleteAliasInput{FunctionName: new(r.PhysicalID[:i]), Name: new(r.PhysicalID[i+1:])})
	return unlessGone(err)
}

// permissionProperties are AWS::Lambda::Permission's. Every change makes a new
// one.
type permissionProperties struct {
	FunctionName          *string
	Action                *string
	Principal             *string
	SourceArn             *string
	SourceAccount         *string
	EventSourceToken      *string
	FunctionUrlAuthType   *string
	InvokedViaFunctionUrl *bool
	PrincipalOrgID        *string
}

const (
	statementIDMax = 100
	// idSplit stands between the parts of physical ids; names have none.
	idSplit = "|"
)

func createPermissionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*permissionProperties)
	sid := r.GeneratedName(statementIDMax)
	in := &api.AddPermissionInput{
		FunctionName: p.FunctionName, StatementId: &sid, Action: p.Action, Principal: p.Principal, SourceArn: p.SourceArn,
		SourceAccount: p.SourceAccount, EventSourceToken: p.EventSourceToken, FunctionUrlAuthType: p.FunctionUrlAuthType,
		InvokedViaFunctionUrl: p.InvokedViaFunctionUrl, PrincipalOrgID: p.PrincipalOrgID,
	}
	if _, err := service.Invoke(ctx, c, api.AddPermission, in); err != nil {
		return err
	}
	r.PhysicalID, r.RefValue = smithy.Val(p.FunctionName)+idSplit+sid, sid
	r.Attributes = map[string]any{"Id": sid}
	return nil
}

func deletePermissionResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	function, sid, ok := strings.Cut(r.PhysicalID, idSplit)
	if !ok {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.RemovePermission, &api.RemovePermissionInput{FunctionName: &function, StatementId: &sid})
	return unlessGone(err)
}

// eventProperties are AWS::Lambda::EventInvokeConfig's.
type eventProperties struct {
	FunctionName             *string
	Qualifier                *string
	MaximumRetryAttempts     *int32
	MaximumEventAgeInSeconds *int32
	DestinationConfig        *api.DestinationConfig
}

func putEventResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*eventProperties)
	in := &api.PutFunctionEventInvokeConfigInput{FunctionName: p.FunctionName, Qualifier: p.Qualifier, MaximumRetryAttempts: p.MaximumRetryAttempts, MaximumEventAgeInSeconds: p.MaximumEventAgeInSeconds, DestinationConfig: p.DestinationConfig}
	if _, err := service.Invoke(ctx, c, api.PutFunctionEventInvokeConfig, in); err != nil {
		return err
	}
	r.PhysicalID = smithy.Val(p.FunctionName) + idSplit + smithy.Val(p.Qualifier)
	return nil
}

func deleteEventResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	function, qualifier, ok := strings.Cut(r.PhysicalID, idSplit)
	if !ok {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.DeleteFunctionEventInvokeConfig, &api.DeleteFunctionEventInvokeConfigInput{FunctionName: &function, Qualifier: &qualifier})
	return unlessGone(err)
}
