package config

import (
	"context"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

func (s *Handlers) putBucketEncryption(ctx context.Context, _ *service.Call, in *api.PutBucketEncryptionInput) (*api.PutBucketEncryptionOutput, error) {
	conf := in.ServerSideEncryptionConfiguration
	if conf == nil || len(conf.Rules) != 1 {
		return nil, s3err.MalformedXML()
	}
	rule := conf.Rules[0]
	if err := checkEncryption(rule); err != nil {
		return nil, err
	}
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Encryption = &rule
		return nil
	})
}

// checkEncryption refuses defaults that no object could be encrypted by. Whether
// there is such a KMS key is found out when one is.
func checkEncryption(rule api.ServerSideEncryptionRule) error {
	if def := rule.ApplyServerSideEncryptionByDefault; def != nil {
		switch smithy.Val(def.SSEAlgorithm) {
		case store.EncryptionS3:
			if def.KMSMasterKeyID != nil {
				return s3err.InvalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
			}
		case store.EncryptionKMS:
		case store.EncryptionDual:
			if smithy.Val(rule.BucketKeyEnabled) {
				return s3err.InvalidArgument("Bucket Key is not supported with aws:kms:dsse")
			}
		default:
			return s3err.MalformedXML()
		}
	}
	if rule.BlockedEncryptionTypes == nil {
		return nil
	}
	types := rule.BlockedEncryptionTypes.EncryptionType
	for _, t := range types {
		if (t != api.EncryptionTypeSseC && t != api.EncryptionTypeNone) || (t == api.EncryptionTypeNone && len(types) > 1) {
			return s3err.MalformedXML()
		}
	}
	return nil
}

// getBucketEncryption answers AES256 for buckets without a rule, as AWS does
// since 2023.
func (s *Handlers) getBucketEncryption(ctx context.Context, _ *service.Call, in *api.GetBucketEncryptionInput) (*api.GetBucketEncryptionOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	rule := api.ServerSideEncryptionRule{}
	if b.Encryption != nil {
		rule = *b.Encryption
	}
	if rule.ApplyServerSideEncryptionByDefault == nil {
		rule.ApplyServerSideEncryptionByDefault = &api.ServerSideEncryptionByDefault{SSEAlgorithm: new(store.EncryptionS3)}
	}
	if rule.BucketKeyEnabled == nil {
		rule.BucketKeyEnabled = new(false)
	}
	return &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}}, nil
}

func (s *Handlers) deleteBucketEncryption(ctx context.Context, _ *service.Call, in *api.DeleteBucketEncryptionInput) (*api.DeleteBucketEncryptionOutput, error) {
	return nil, s.store.ChangeBucket(ctx, smithy.Val(in.Bucket), func(b *store.Bucket) error {
		b.Encryption = nil
		return nil
	})
}
