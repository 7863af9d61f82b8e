package notify

import (
	"context"
	"strings"

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
	for i := range conf.LambdaFunctionConfigurations {
		l := &conf.LambdaFunctionConfigurations[i]
		if smithy.Val(l.Id) == "" {
			l.Id = new(n.ids.UUID())
		}
		if smithy.Val(in.SkipDestinationValidation) {
			continue
		}
		if err := n.mayInvoke(ctx, b, smithy.Val(l.LambdaFunctionArn)); err != nil {
			return nil, err
		}
	}
	return nil, n.store.ChangeBucket(ctx, b.Name, func(b *store.Bucket) error {
		b.Notify = conf
		if len(conf.LambdaFunctionConfigurations) == 0 {
			b.Notify = nil
		}
		return nil
	})
}

// mayInvoke checks that a function exists and that its policy lets S3 invoke it
// for this bucket.
func (n *Notifier) mayInvoke(ctx context.Context, b *store.Bucket, functionARN string) error {
	unable := s3err.InvalidArgument("Unable to validate the following destination configurations")
	a, err := arn.Parse(functionARN)
	if err != nil {
		return unable
	}
	name, qualifier, _ := strings.Cut(strings.TrimPrefix(a.Resource, "function:"), ":")
	in := &lambdaapi.GetPolicyInput{FunctionName: new(name)}
	if qualifier != "" {
		in.Qualifier = new(qualifier)
	}
	// S3 looks for itself, whatever the caller may see.
	root := identity.Principal{Principal: policy.Principal{Kind: policy.Root, AccountID: a.Account, ARN: "arn:aws:iam::" + a.Account + ":root", UserID: a.Account}}
	out, err := service.Invoke(ctx, n.system(a.Account, a.Region).As(root), lambdaapi.GetPolicy, in)
	if fault.As(err) != nil {
		return unable
	}
	if err != nil {
		return err
	}
	p, err := policy.Parse([]byte(smithy.Val(out.Policy)), policy.Resource)
	if err != nil {
		return unable
	}
	d := policy.Evaluate(policy.Request{
		Principal: policy.Principal{Kind: policy.Service, Service: servicePrincipal, AccountID: b.Account},
		Action:    "lambda:InvokeFunction", Resource: functionARN, ResourceAccount: a.Account,
		Context: policy.Keys{"aws:sourcearn": {naming.BucketARN(b.Name)}, "aws:sourceaccount": {b.Account}, "aws:principalisawsservice": {"true"}},
	}, policy.Set{Resource: p})
	if !d.Allowed {
		return unable
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
