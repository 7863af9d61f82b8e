package notify

import (
	"context"
	"encoding/json"
	"strings"

	"moln.dev/moln/api/events"
	lambdaapi "moln.dev/moln/api/lambda"
	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/identity"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/event"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

func (n *Notifier) putBucketNotification(ctx context.Context, c *service.Call, in *api.PutBucketNotificationConfigurationInput) (*api.PutBucketNotificationConfigurationOutput, error) {
	conf := in.NotificationConfiguration
	if conf == nil {
		return nil, s3err.MalformedXML()
	}
	b, err := n.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	if err := event.Check(conf, b.Region); err != nil {
		return nil, err
	}
	n.name(conf)
	if !smithy.Val(in.SkipDestinationValidation) {
		if err := n.validate(ctx, c, b, conf); err != nil {
			return nil, err
		}
	}
	return nil, n.store.ChangeBucket(ctx, b.Name, func(b *store.Bucket) error {
		b.Notify = conf
		if len(conf.LambdaFunctionConfigurations)+len(conf.QueueConfigurations)+len(conf.TopicConfigurations) == 0 && conf.EventBridgeConfiguration == nil {
			b.Notify = nil
		}
		return nil
	})
}

// name gives ids to the targets that have none.
func (n *Notifier) name(conf *api.NotificationConfiguration) {
	id := func(p **string) {
		if smithy.Val(*p) == "" {
			*p = new(n.ids.UUID())
		}
	}
	for i := range conf.TopicConfigurations {
		id(&conf.TopicConfigurations[i].Id)
	}
	for i := range conf.QueueConfigurations {
		id(&conf.QueueConfigurations[i].Id)
	}
	for i := range conf.LambdaFunctionConfigurations {
		id(&conf.LambdaFunctionConfigurations[i].Id)
	}
}

// validate refuses targets that cannot be told of anything: functions must let
// S3 invoke them, queues and topics are sent a test, and EventBridge must be
// there. S3 looks as the account itself, whatever the caller may see.
func (n *Notifier) validate(ctx context.Context, c *service.Call, b *store.Bucket, conf *api.NotificationConfiguration) error {
	targets, err := event.Targets(conf)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if t.Kind == event.Function {
			err = n.mayInvoke(ctx, b, t.ARN)
		} else {
			err = n.test(ctx, c, b, t)
		}
		if err != nil && fault.As(err) != nil && elsewhere(t.ARN, b.Account) {
			// Whether it is there is its own account's business.
			return unable(s3err.AccessDenied(), t.Kind, t.ARN)
		}
		if err != nil {
			return err
		}
	}
	if conf.EventBridgeConfiguration == nil {
		return nil
	}
	_, err = service.Invoke(ctx, n.system(b.Account, b.Region).As(identity.Root(b.Account)), events.DescribeEventBus, &events.DescribeEventBusInput{})
	return unable(err, bridge, "arn:aws:events:"+b.Region+":"+b.Account+":event-bus/default")
}

// elsewhere reports a destination in another account than the bucket's.
func elsewhere(destination, account string) bool {
	a, err := arn.Parse(destination)
	return err != nil || a.Account != account
}

// test sends a queue or a topic the event that S3 sends whatever becomes a
// destination.
func (n *Notifier) test(ctx context.Context, c *service.Call, b *store.Bucket, t event.Target) error {
	raw, err := json.Marshal(event.Test{
		Service: "Amazon S3", Event: "s3:TestEvent", Time: c.Now.UTC().Format(event.TimeFormat), Bucket: b.Name, RequestID: c.RequestID, HostID: c.RequestID,
	})
	if err != nil {
		return err
	}
	return unable(n.send(ctx, delivery{Kind: t.Kind, Account: b.Account, Region: b.Region, Target: t.ARN, Bucket: b.Name, Depth: c.Depth, Event: raw}), t.Kind, t.ARN)
}

// unable is the answer to a destination that refused what it was sent.
func unable(err error, kind event.Kind, destination string) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	exists := f.Status != 404 && f.Status != 501 && !strings.Contains(f.Code, "NotFound") && !strings.Contains(f.Code, "NonExistent") && !strings.Contains(f.Code, "DoesNotExist")
	return fault.As(s3err.InvalidArgument("Unable to validate the following destination configurations")).
		WithBody(map[string]string{"ArgumentName": destination, "ArgumentValue": kind.Reason(exists)})
}

// mayInvoke checks that a function exists and that its policy lets S3 invoke it
// for this bucket.
func (n *Notifier) mayInvoke(ctx context.Context, b *store.Bucket, functionARN string) error {
	denied := unable(s3err.AccessDenied(), event.Function, functionARN)
	a, err := arn.Parse(functionARN)
	if err != nil {
		return denied
	}
	name, qualifier, _ := strings.Cut(strings.TrimPrefix(a.Resource, "function:"), ":")
	in := &lambdaapi.GetPolicyInput{FunctionName: new(name)}
	if qualifier != "" {
		in.Qualifier = new(qualifier)
	}
	out, err := service.Invoke(ctx, n.system(a.Account, a.Region).As(identity.Root(a.Account)), lambdaapi.GetPolicy, in)
	if err != nil {
		return unable(err, event.Function, functionARN)
	}
	p, err := policy.Parse([]byte(smithy.Val(out.Policy)), policy.Resource)
	if err != nil {
		return denied
	}
	d := policy.Evaluate(policy.Request{
		Principal: policy.Principal{Kind: policy.Service, Service: servicePrincipal, AccountID: b.Account},
		Action:    "lambda:InvokeFunction", Resource: functionARN, ResourceAccount: a.Account,
		Context: policy.Keys{"aws:sourcearn": {naming.BucketARN(b.Name)}, "aws:sourceaccount": {b.Account}, "aws:principalisawsservice": {"true"}},
	}, policy.Set{Resource: p})
	if !d.Allowed {
		return denied
	}
	return nil
}

func (n *Notifier) getBucketNotification(ctx context.Context, _ *service.Call, in *api.GetBucketNotificationConfigurationRequest) (*api.NotificationConfiguration, error) {
	b, err := n.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	return b.Notify, nil
}
