package cfn

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// policyProperties are a policy as a document, or as its text.
type policyProperties struct{ PolicyDocument any }

func (p *policyProperties) document() (*string, error) {
	if p == nil || p.PolicyDocument == nil {
		return nil, nil
	}
	if text, ok := p.PolicyDocument.(string); ok {
		return &text, nil
	}
	raw, err := json.Marshal(p.PolicyDocument)
	if err != nil {
		return nil, fmt.Errorf("dynamodb: policy document: %w", err)
	}
	return new(string(raw)), nil
}

func updatePolicy(ctx context.Context, c *service.Call, r *service.Resource, p, old *policyProperties) error {
	if reflect.DeepEqual(p, old) {
		return nil
	}
	arn := r.Attributes["Arn"].(string)
	document, err := p.document()
	switch {
	case err != nil:
		return err
	case document == nil:
		_, err = service.Invoke(ctx, c, api.DeleteResourcePolicy, &api.DeleteResourcePolicyInput{ResourceArn: &arn})
	default:
		_, err = service.Invoke(ctx, c, api.PutResourcePolicy, &api.PutResourcePolicyInput{ResourceArn: &arn, Policy: document})
	}
	return err
}

// updateRecovery turns point-in-time recovery on or off where that is a change.
func updateRecovery(ctx context.Context, c *service.Call, name *string, spec, old *api.PointInTimeRecoverySpecification) error {
	on := func(s *api.PointInTimeRecoverySpecification) bool {
		return s != nil && smithy.Val(s.PointInTimeRecoveryEnabled)
	}
	if !on(spec) && !on(old) || reflect.DeepEqual(spec, old) {
		return nil
	}
	if spec == nil {
		spec = &api.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(false)}
	}
	_, err := service.Invoke(ctx, c, api.UpdateContinuousBackups, &api.UpdateContinuousBackupsInput{
		TableName: name, PointInTimeRecoverySpecification: spec,
	})
	return err
}

// mostOf is a limit in whole: what a template does not say is no limit.
func mostOf(p *api.OnDemandThroughput) *api.OnDemandThroughput {
	out := &api.OnDemandThroughput{MaxReadRequestUnits: new(int64(-1)), MaxWriteRequestUnits: new(int64(-1))}
	if p != nil && p.MaxReadRequestUnits != nil {
		out.MaxReadRequestUnits = p.MaxReadRequestUnits
	}
	if p != nil && p.MaxWriteRequestUnits != nil {
		out.MaxWriteRequestUnits = p.MaxWriteRequestUnits
	}
	return out
}

// changed is what an update has to say of an index that stays; nil is nothing.
func (g *globalProperties) changed(was *globalProperties) *api.UpdateGlobalSecondaryIndexAction {
	u := &api.UpdateGlobalSecondaryIndexAction{IndexName: g.IndexName}
	some := false
	if g.ProvisionedThroughput != nil && !reflect.DeepEqual(was.ProvisionedThroughput, g.ProvisionedThroughput) {
		some, u.ProvisionedThroughput = true, g.ProvisionedThroughput
	}
	if !reflect.DeepEqual(was.OnDemandThroughput, g.OnDemandThroughput) && g.ProvisionedThroughput == nil {
		some, u.OnDemandThroughput = true, mostOf(g.OnDemandThroughput)
	}
	if g.WarmThroughput != nil && !reflect.DeepEqual(was.WarmThroughput, g.WarmThroughput) {
		some, u.WarmThroughput = true, g.WarmThroughput
	}
	if !some {
		return nil
	}
	return u
}

func refuse(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}
