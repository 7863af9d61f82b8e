package config

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

func (s *Handlers) putBucketRequestPayment(ctx context.Context, _ *service.Call, in *api.PutBucketRequestPaymentInput) (*api.PutBucketRequestPaymentOutput, error) {
	conf := in.RequestPaymentConfiguration
	if conf == nil {
		return nil, s3err.MalformedXML()
	}
	payer := smithy.Val(conf.Payer)
	if payer != api.PayerRequester && payer != api.PayerBucketOwner {
		return nil, s3err.MalformedXML()
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.RequesterPays = payer == api.PayerRequester
		return nil
	})
}

func (s *Handlers) getBucketRequestPayment(ctx context.Context, _ *service.Call, in *api.GetBucketRequestPaymentInput) (*api.GetBucketRequestPaymentOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	payer := api.PayerBucketOwner
	if b.RequesterPays {
		payer = api.PayerRequester
	}
	return &api.GetBucketRequestPaymentOutput{Payer: new(payer)}, nil
}

// putBucketAccelerate takes that a bucket is not accelerated, and nothing else.
func (s *Handlers) putBucketAccelerate(ctx context.Context, _ *service.Call, in *api.PutBucketAccelerateConfigurationInput) (*api.PutBucketAccelerateConfigurationOutput, error) {
	conf := in.AccelerateConfiguration
	if conf == nil {
		return nil, s3err.MalformedXML()
	}
	switch smithy.Val(conf.Status) {
	case api.BucketAccelerateStatusEnabled:
		return nil, s3err.NotImplemented("moln has no endpoint for transfer acceleration")
	case api.BucketAccelerateStatusSuspended:
	default:
		return nil, s3err.MalformedXML()
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.AccelerationSuspended = true
		return nil
	})
}

func (s *Handlers) getBucketAccelerate(ctx context.Context, _ *service.Call, in *api.GetBucketAccelerateConfigurationInput) (*api.GetBucketAccelerateConfigurationOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil || !b.AccelerationSuspended {
		return nil, err // without a status: nobody has ever set it
	}
	return &api.GetBucketAccelerateConfigurationOutput{Status: new(api.BucketAccelerateStatusSuspended)}, nil
}
