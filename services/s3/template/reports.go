package template

import (
	"context"
	"reflect"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// reporting are the properties of AWS::S3::Bucket that have others told of it,
// or copy it.
type reporting struct {
	LoggingConfiguration     *cfnLogging
	InventoryConfigurations  []cfnInventory
	ReplicationConfiguration *cfnReplication
}

type cfnLogging struct {
	DestinationBucketName, LogFilePrefix *string
	TargetObjectKeyFormat                *api.TargetObjectKeyFormat
}

// api is the configuration of the bucket of a name, which is its own target
// where the template names none.
func (p *cfnLogging) api(name string) *api.LoggingEnabled {
	out := &api.LoggingEnabled{TargetBucket: &name, TargetPrefix: new(smithy.Val(p.LogFilePrefix)), TargetObjectKeyFormat: p.TargetObjectKeyFormat}
	if p.DestinationBucketName != nil {
		out.TargetBucket = p.DestinationBucketName
	}
	return out
}

type cfnInventory struct {
	Id, IncludedObjectVersions, Prefix, ScheduleFrequency *string
	Enabled                                               *bool
	OptionalFields                                        []string
	Destination                                           struct{ BucketArn, BucketAccountId, Format, Prefix *string }
}

func (p *cfnInventory) api() *api.InventoryConfiguration {
	d := p.Destination
	out := &api.InventoryConfiguration{
		Id: p.Id, IsEnabled: p.Enabled, IncludedObjectVersions: p.IncludedObjectVersions, OptionalFields: p.OptionalFields,
		Schedule:    &api.InventorySchedule{Frequency: p.ScheduleFrequency},
		Destination: &api.InventoryDestination{S3BucketDestination: &api.InventoryS3BucketDestination{Bucket: d.BucketArn, AccountId: d.BucketAccountId, Format: d.Format, Prefix: d.Prefix}},
	}
	if p.Prefix != nil {
		out.Filter = &api.InventoryFilter{Prefix: p.Prefix}
	}
	return out
}

type cfnReplication struct {
	Role  *string
	Rules []struct {
		Id, Prefix, Status *string
		Priority           *int32
		Filter             *struct {
			Prefix    *string
			TagFilter *api.Tag
			And       *struct {
				Prefix     *string
				TagFilters []api.Tag
			}
		}
		SourceSelectionCriteria *api.SourceSelectionCriteria
		DeleteMarkerReplication *api.DeleteMarkerReplication
		Destination             *api.Destination
	}
}

func (p *cfnReplication) api() *api.ReplicationConfiguration {
	out := &api.ReplicationConfiguration{Role: p.Role}
	for _, r := range p.Rules {
		rule := api.ReplicationRule{
			ID: r.Id, Prefix: r.Prefix, Status: r.Status, Priority: r.Priority, Destination: r.Destination,
			SourceSelectionCriteria: r.SourceSelectionCriteria, DeleteMarkerReplication: r.DeleteMarkerReplication,
		}
		if f := r.Filter; f != nil {
			rule.Filter = &api.ReplicationRuleFilter{Prefix: f.Prefix, Tag: f.TagFilter}
			if f.And != nil {
				rule.Filter.And = &api.ReplicationRuleAndOperator{Prefix: f.And.Prefix, Tags: f.And.TagFilters}
			}
		}
		out.Rules = append(out.Rules, rule)
	}
	return out
}

func applyLogging(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	if reflect.DeepEqual(p.LoggingConfiguration, old.LoggingConfiguration) {
		return nil
	}
	status := &api.BucketLoggingStatus{}
	if p.LoggingConfiguration != nil {
		status.LoggingEnabled = p.LoggingConfiguration.api(*name)
	}
	_, err := service.Invoke(ctx, c, api.PutBucketLogging, &api.PutBucketLoggingInput{Bucket: name, BucketLoggingStatus: status})
	return err
}

func applyReplication(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) (err error) {
	switch {
	case reflect.DeepEqual(p.ReplicationConfiguration, old.ReplicationConfiguration):
	case p.ReplicationConfiguration == nil:
		_, err = service.Invoke(ctx, c, api.DeleteBucketReplication, &api.DeleteBucketReplicationInput{Bucket: name})
	default:
		_, err = service.Invoke(ctx, c, api.PutBucketReplication, &api.PutBucketReplicationInput{Bucket: name, ReplicationConfiguration: p.ReplicationConfiguration.api()})
	}
	return err
}

func applyInventories(ctx context.Context, c *service.Call, name *string, p, old *bucketProperties) error {
	kept := map[string]bool{}
	for i := range p.InventoryConfigurations {
		conf := p.InventoryConfigurations[i].api()
		kept[smithy.Val(conf.Id)] = true
		if _, err := service.Invoke(ctx, c, api.PutBucketInventoryConfiguration, &api.PutBucketInventoryConfigurationInput{Bucket: name, Id: conf.Id, InventoryConfiguration: conf}); err != nil {
			return err
		}
	}
	for _, o := range old.InventoryConfigurations {
		if kept[smithy.Val(o.Id)] {
			continue
		}
		if _, err := service.Invoke(ctx, c, api.DeleteBucketInventoryConfiguration, &api.DeleteBucketInventoryConfigurationInput{Bucket: name, Id: o.Id}); err != nil {
			return err
		}
	}
	return nil
}

// cfnFilter is the filter of a notification.
type cfnFilter struct {
	S3Key *struct{ Rules []api.FilterRule }
}

func (f *cfnFilter) api() *api.NotificationConfigurationFilter {
	if f == nil || f.S3Key == nil {
		return nil
	}
	return &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{FilterRules: f.S3Key.Rules}}
}

// cfnNotification are the targets of a bucket's events.
type cfnNotification struct {
	LambdaConfigurations []struct {
		Event, Function *string
		Filter          *cfnFilter
	}
	QueueConfigurations []struct {
		Event, Queue *string
		Filter       *cfnFilter
	}
	TopicConfigurations []struct {
		Event, Topic *string
		Filter       *cfnFilter
	}
	EventBridgeConfiguration *struct{ EventBridgeEnabled *bool }
}

func (p *cfnNotification) api() *api.NotificationConfiguration {
	out := &api.NotificationConfiguration{}
	for _, l := range p.LambdaConfigurations {
		out.LambdaFunctionConfigurations = append(out.LambdaFunctionConfigurations, api.LambdaFunctionConfiguration{LambdaFunctionArn: l.Function, Events: []string{smithy.Val(l.Event)}, Filter: l.Filter.api()})
	}
	for _, q := range p.QueueConfigurations {
		out.QueueConfigurations = append(out.QueueConfigurations, api.QueueConfiguration{QueueArn: q.Queue, Events: []string{smithy.Val(q.Event)}, Filter: q.Filter.api()})
	}
	for _, t := range p.TopicConfigurations {
		out.TopicConfigurations = append(out.TopicConfigurations, api.TopicConfiguration{TopicArn: t.Topic, Events: []string{smithy.Val(t.Event)}, Filter: t.Filter.api()})
	}
	if e := p.EventBridgeConfiguration; e != nil && (e.EventBridgeEnabled == nil || *e.EventBridgeEnabled) {
		out.EventBridgeConfiguration = &api.EventBridgeConfiguration{}
	}
	return out
}
