package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"

	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
)

// queueProperties are AWS::SQS::Queue's.
type queueProperties struct {
	QueueName                                                                      *string
	DelaySeconds, MaximumMessageSize, MessageRetentionPeriod                       *int
	ReceiveMessageWaitTimeSeconds, VisibilityTimeout, KmsDataKeyReusePeriodSeconds *int
	FifoQueue, ContentBasedDeduplication, SqsManagedSseEnabled                     *bool
	DeduplicationScope, FifoThroughputLimit, KmsMasterKeyId                        *string
	RedrivePolicy, RedriveAllowPolicy                                              any
	Tags                                                                           []struct{ Key, Value string }
}

func resources() []service.ResourceType {
	return []service.ResourceType{{
		Name: "AWS::SQS::Queue", New: func() any { return new(queueProperties) },
		Replace: []string{"QueueName", "FifoQueue"},
		Create:  createQueueResource, Update: updateQueueResource, Delete: deleteQueueResource,
	}, {
		Name: "AWS::SQS::QueuePolicy", New: func() any { return new(policyProperties) },
		Create: createPolicyResource, Update: updatePolicyResource, Delete: deletePolicyResource,
	}, {
		Name: "AWS::SQS::QueueInlinePolicy", New: func() any { return new(inlinePolicyProperties) },
		Replace: []string{"Queue"},
		Create:  createInlinePolicy, Update: putInlinePolicy, Delete: deleteInlinePolicy,
	}}
}

// attributes are the properties as the API has them.
func (p *queueProperties) attributes() (map[string]string, error) {
	out := map[string]string{}
	for name, n := range map[string]*int{
		api.QueueAttributeNameDelaySeconds: p.DelaySeconds, api.QueueAttributeNameMaximumMessageSize: p.MaximumMessageSize,
		api.QueueAttributeNameMessageRetentionPeriod:        p.MessageRetentionPeriod,
		api.QueueAttributeNameReceiveMessageWaitTimeSeconds: p.ReceiveMessageWaitTimeSeconds,
		api.QueueAttributeNameVisibilityTimeout:             p.VisibilityTimeout,
		api.QueueAttributeNameKmsDataKeyReusePeriodSeconds:  p.KmsDataKeyReusePeriodSeconds,
	} {
		if n != nil {
			out[name] = strconv.Itoa(*n)
		}
	}
	for name, b := range map[string]*bool{
		api.QueueAttributeNameContentBasedDeduplication: p.ContentBasedDeduplication,
		api.QueueAttributeNameSqsManagedSseEnabled:      p.SqsManagedSseEnabled,
	} {
		if b != nil {
			out[name] = strconv.FormatBool(*b)
		}
	}
	if p.FifoQueue != nil && *p.FifoQueue {
		out[api.QueueAttributeNameFifoQueue] = "true"
	}
	for name, s := range map[string]*string{
		api.QueueAttributeNameDeduplicationScope: p.DeduplicationScope, api.QueueAttributeNameFifoThroughputLimit: p.FifoThroughputLimit,
		api.QueueAttributeNameKmsMasterKeyId: p.KmsMasterKeyId,
	} {
		if s != nil && *s != "" {
			out[name] = *s
		}
	}
	for name, doc := range map[string]any{
		api.QueueAttributeNameRedrivePolicy: p.RedrivePolicy, api.QueueAttributeNameRedriveAllowPolicy: p.RedriveAllowPolicy,
	} {
		text, err := service.Document(doc)
		if err != nil {
			return nil, err
		}
		if smithy.Val(text) != "" {
			out[name] = *text
		}
	}
	return out, nil
}

// generatedMax leaves room for ".fifo" in a name of 80.
const generatedMax = 75

func createQueueResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p := r.Properties.(*queueProperties)
	set, err := p.attributes()
	if err != nil {
		return err
	}
	name := p.QueueName
	if name == nil || *name == "" {
		name = new(r.GeneratedName(generatedMax))
		if set[api.QueueAttributeNameFifoQueue] != "" {
			*name += ".fifo"
		}
	}
	tags := r.TagsWith(p.Tags)
	if len(tags) == 0 {
		tags = nil
	}
	if p.QueueName != nil {
		// What is there already is another's: a stack does not take it over.
		_, err := service.Invoke(ctx, c, api.GetQueueUrl, &api.GetQueueUrlInput{QueueName: name})
		if err == nil {
			return fault.New("AlreadyExists", 400, "Resource of type 'AWS::SQS::Queue' with identifier '%s' already exists.", *name)
		}
		if !fault.Is(err, "QueueDoesNotExist", "AccessDeniedException") {
			return err
		}
	}
	out, err := service.Invoke(ctx, c, api.CreateQueue, &api.CreateQueueInput{QueueName: name, Attributes: set, Tags: tags})
	if err != nil {
		return err
	}
	r.PhysicalID = *out.QueueUrl
	r.Attributes = map[string]any{"Arn": queue.Key{Account: c.Account, Region: c.Region, Name: *name}.ARN(), "QueueName": *name, "QueueUrl": *out.QueueUrl}
	return nil
}

func updateQueueResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, old := r.Properties.(*queueProperties), r.Old.(*queueProperties)
	set, err := p.attributes()
	if err != nil {
		return err
	}
	was, err := old.attributes()
	if err != nil {
		return err
	}
	for name := range was {
		if _, ok := set[name]; !ok {
			set[name] = queue.Unset(name)
		}
	}
	delete(set, api.QueueAttributeNameFifoQueue)
	if set[api.QueueAttributeNameKmsMasterKeyId] != "" && p.SqsManagedSseEnabled == nil {
		delete(set, api.QueueAttributeNameSqsManagedSseEnabled)
	}
	if len(set) > 0 {
		if _, err := service.Invoke(ctx, c, api.SetQueueAttributes, &api.SetQueueAttributesInput{QueueUrl: &r.PhysicalID, Attributes: set}); err != nil {
			return err
		}
	}
	return updateTags(ctx, c, r, old)
}

func updateTags(ctx context.Context, c *service.Call, r *service.Resource, old *queueProperties) error {
	p := r.Properties.(*queueProperties)
	if gone := r.TagsGone(p.Tags, old.Tags); len(gone) > 0 {
		if _, err := service.Invoke(ctx, c, api.UntagQueue, &api.UntagQueueInput{QueueUrl: &r.PhysicalID, TagKeys: gone}); err != nil {
			return err
		}
	}
	want := r.TagsWith(p.Tags)
	if len(want) == 0 || maps.Equal(want, r.TagsWith(old.Tags)) {
		return nil
	}
	_, err := service.Invoke(ctx, c, api.TagQueue, &api.TagQueueInput{QueueUrl: &r.PhysicalID, Tags: want})
	return err
}

func deleteQueueResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	_, err := service.Invoke(ctx, c, api.DeleteQueue, &api.DeleteQueueInput{QueueUrl: &r.PhysicalID})
	return unlessGone(err)
}

func unlessGone(err error) error {
	if fault.Is(err, "QueueDoesNotExist") {
		return nil
	}
	return err
}

// policyProperties are AWS::SQS::QueuePolicy's.
type policyProperties struct {
	PolicyDocument any
	Queues         []string
}

// setQueuePolicy makes a document a queue's policy; none removes it.
func setQueuePolicy(ctx context.Context, c *service.Call, url string, doc any) error {
	text, err := service.Document(doc)
	if err != nil {
		return err
	}
	_, err = service.Invoke(ctx, c, api.SetQueueAttributes, &api.SetQueueAttributesInput{
		QueueUrl: &url, Attributes: map[string]string{api.QueueAttributeNamePolicy: smithy.Val(text)},
	})
	return err
}

func createPolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	r.PhysicalID = r.GeneratedName(generatedMax)
	r.Attributes = map[string]any{"Id": r.PhysicalID}
	return putPolicies(ctx, c, r, nil)
}

func putPolicies(ctx context.Context, c *service.Call, r *service.Resource, old []string) error {
	p := r.Properties.(*policyProperties)
	for _, url := range old {
		if !slices.Contains(p.Queues, url) {
			if err := unlessGone(setQueuePolicy(ctx, c, url, nil)); err != nil {
				return err
			}
		}
	}
	for _, url := range p.Queues {
		if err := setQueuePolicy(ctx, c, url, p.PolicyDocument); err != nil {
			return err
		}
	}
	return nil
}

func updatePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	return putPolicies(ctx, c, r, r.Old.(*policyProperties).Queues)
}

func deletePolicyResource(ctx context.Context, c *service.Call, r *service.Resource) error {
	p, _ := r.Properties.(*policyProperties)
	if p == nil {
		return nil
	}
	for _, url := range p.Queues {
		if err := unlessGone(setQueuePolicy(ctx, c, url, nil)); err != nil {
			return err
		}
	}
	return nil
}

// inlinePolicyProperties are AWS::SQS::QueueInlinePolicy's.
type inlinePolicyProperties struct {
	PolicyDocument any
	Queue          string
}

func createInlinePolicy(ctx context.Context, c *service.Call, r *service.Resource) error {
	r.PhysicalID = r.Properties.(*inlinePolicyProperties).Queue
	return putInlinePolicy(ctx, c, r)
}

func putInlinePolicy(ctx context.Context, c *service.Call, r *service.Resource) error {
	return setQueuePolicy(ctx, c, r.PhysicalID, r.Properties.(*inlinePolicyProperties).PolicyDocument)
}

func deleteInlinePolicy(ctx context.Context, c *service.Call, r *service.Resource) error {
	return unlessGone(setQueuePolicy(ctx, c, r.PhysicalID, nil))
}
