package cfn

import (
	"context"
	"time"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/engine/clock"
	"moln.dev/moln/platform/service"
)

const (
	// A mapping is looked at that often until what was asked of it is done, and
	// for no longer than that, in real time: functions that run are waited for.
	mappingEvery = 50 * time.Millisecond
	mappingMost  = 15 * time.Minute
)

// mappingProperties are AWS::Lambda::EventSourceMapping's, without those of
// Kafka, brokers and document databases.
type mappingProperties struct {
	EventSourceArn                 *string
	FunctionName                   *string
	Enabled                        *bool
	BatchSize                      *int32
	FilterCriteria                 *api.FilterCriteria
	KmsKeyArn                      *string
	MetricsConfig                  *api.EventSourceMappingMetricsConfig
	ScalingConfig                  *api.ScalingConfig
	ProvisionedPollerConfig        *api.ProvisionedPollerConfig
	MaximumBatchingWindowInSeconds *int32
	ParallelizationFactor          *int32
	StartingPosition               *string
	StartingPositionTimestamp      *float64
	DestinationConfig              *struct{ OnFailure *api.OnFailure }
	MaximumRecordAgeInSeconds      *int32
	BisectBatchOnFunctionError     *bool
	MaximumRetryAttempts           *int32
	Tags                           []struct{ Key, Value string }
	TumblingWindowInSeconds        *int32
	FunctionResponseTypes          []string
}

func mappingResource() service.ResourceType {
	return service.ResourceType{
		Name: "AWS::Lambda::EventSourceMapping", New: func() any { return new(mappingProperties) },
		Replace: []string{"EventSourceArn", "StartingPosition", "StartingPositionTimestamp"},
		Create:  createMapping, Update: updateMapping, Delete: deleteMapping,
	}
}

func (p *mappingProperties) destinations() *api.DestinationConfig {
	if p.DestinationConfig == nil {
		return nil
	}
	return &api.DestinationConfig{OnFailure: p.DestinationConfig.OnFailure}
}

func createMapping(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*mappingProperties)
	in := &api.CreateEventSourceMappingInput{
		EventSourceArn: p.EventSourceArn, FunctionName: p.FunctionName, Enabled: p.Enabled, BatchSize: p.BatchSize, FilterCriteria: p.FilterCriteria,
		KMSKeyArn: p.KmsKeyArn, MetricsConfig: p.MetricsConfig, ScalingConfig: p.ScalingConfig, ProvisionedPollerConfig: p.ProvisionedPollerConfig,
		MaximumBatchingWindowInSeconds: p.MaximumBatchingWindowInSeconds, ParallelizationFactor: p.ParallelizationFactor,
		StartingPosition: p.StartingPosition, DestinationConfig: p.destinations(), MaximumRecordAgeInSeconds: p.MaximumRecordAgeInSeconds,
		BisectBatchOnFunctionError: p.BisectBatchOnFunctionError, MaximumRetryAttempts: p.MaximumRetryAttempts,
		TumblingWindowInSeconds: p.TumblingWindowInSeconds, FunctionResponseTypes: p.FunctionResponseTypes,
	}
	if s := p.StartingPositionTimestamp; s != nil {
		in.StartingPositionTimestamp = new(time.UnixMilli(int64(*s * 1000)))
	}
	if tags := r.TagsWith(p.Tags); len(tags) > 0 {
		in.Tags = tags
	}
	out, err := service.Invoke(ctx, c, api.CreateEventSourceMapping, in)
	if err != nil {
		return err
	}
	r.PhysicalID = *out.UUID
	r.Attributes = map[string]any{"Id": *out.UUID, "EventSourceMappingArn": *out.EventSourceMappingArn}
	_, err = settledMapping(ctx, c, r.PhysicalID)
	return err
}

// settledMapping waits until nothing is under way with a mapping; nil where it
// is gone.
func settledMapping(ctx context.Context, c *service.Call, uuid string) (*api.EventSourceMappingConfiguration, error) {
	ctx, cancel := context.WithTimeout(ctx, mappingMost)
	defer cancel()
	quiet := *c
	quiet.Routine = true
	for {
		m, err := service.Invoke(ctx, &quiet, api.GetEventSourceMapping, &api.GetEventSourceMappingInput{UUID: &uuid})
		if fault.Is(err, "ResourceNotFoundException") {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if s := smithy.Val(m.State); s == "Enabled" || s == "Disabled" {
			return m, nil
		}
		if err := clock.Sleep(ctx, clock.System(), mappingEvery); err != nil {
			return nil, err
		}
	}
}

// updateMapping makes the mapping what the template says: what it does not say
// gets its default.
func updateMapping(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*mappingProperties)
	m, err := settledMapping(ctx, c, r.PhysicalID)
	if err != nil {
		return err
	}
	in := p.update(r.PhysicalID)
	if _, err := service.Invoke(ctx, c, api.UpdateEventSourceMapping, in); err != nil {
		return err
	}
	if m != nil {
		r.Attributes = map[string]any{"Id": r.PhysicalID, "EventSourceMappingArn": smithy.Val(m.EventSourceMappingArn)}
		if err := updateTags(ctx, c, *m.EventSourceMappingArn, r.TagsWith(p.Tags)); err != nil {
			return err
		}
	}
	_, err = settledMapping(ctx, c, r.PhysicalID)
	return err
}

// update is all of what the template says. What only streams have is left out for
// queues, which refuse it.
func (p *mappingProperties) update(uuid string) *api.UpdateEventSourceMappingInput {
	in := &api.UpdateEventSourceMappingInput{
		UUID: &uuid, FunctionName: p.FunctionName, Enabled: or(p.Enabled, true), FilterCriteria: or(p.FilterCriteria, api.FilterCriteria{}),
		KMSKeyArn: p.KmsKeyArn, MetricsConfig: or(p.MetricsConfig, api.EventSourceMappingMetricsConfig{}),
		ScalingConfig: or(p.ScalingConfig, api.ScalingConfig{}), ProvisionedPollerConfig: or(p.ProvisionedPollerConfig, api.ProvisionedPollerConfig{}),
		MaximumBatchingWindowInSeconds: or(p.MaximumBatchingWindowInSeconds, 0), FunctionResponseTypes: p.FunctionResponseTypes,
		BatchSize: p.BatchSize, DestinationConfig: p.destinations(), ParallelizationFactor: p.ParallelizationFactor,
		MaximumRecordAgeInSeconds: p.MaximumRecordAgeInSeconds, MaximumRetryAttempts: p.MaximumRetryAttempts,
		BisectBatchOnFunctionError: p.BisectBatchOnFunctionError, TumblingWindowInSeconds: p.TumblingWindowInSeconds,
	}
	if in.FunctionResponseTypes == nil {
		in.FunctionResponseTypes = []string{}
	}
	if a, err := arn.Parse(smithy.Val(p.EventSourceArn)); err == nil && a.Service == "sqs" {
		in.BatchSize = or(p.BatchSize, 10)
		return in
	}
	in.BatchSize, in.DestinationConfig = or(p.BatchSize, 100), or(p.destinations(), api.DestinationConfig{})
	in.ParallelizationFactor, in.BisectBatchOnFunctionError = or(p.ParallelizationFactor, 1), or(p.BisectBatchOnFunctionError, false)
	in.MaximumRecordAgeInSeconds, in.MaximumRetryAttempts = or(p.MaximumRecordAgeInSeconds, -1), or(p.MaximumRetryAttempts, -1)
	in.TumblingWindowInSeconds = or(p.TumblingWindowInSeconds, 0)
	return in
}

func deleteMapping(ctx context.Context, c *service.Call, r *service.Resource) error {
	m, err := settledMapping(ctx, c, r.PhysicalID)
	if err != nil || m == nil {
		return err
	}
	if _, err := service.Invoke(ctx, c, api.DeleteEventSourceMapping, &api.DeleteEventSourceMappingInput{UUID: &r.PhysicalID}); err != nil {
		return unlessGone(err)
	}
	_, err = settledMapping(ctx, c, r.PhysicalID)
	return err
}
