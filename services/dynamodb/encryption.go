package dynamodb

import (
	"context"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/api/kms"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/words"
)

// managedKey is the key of tables that want KMS and name none.
const managedKey = "alias/aws/dynamodb"

// encryption finds the KMS key of a request, as its caller; nil is none.
func (s *Service) encryption(ctx context.Context, c *service.Call, spec *api.SSESpecification) (*table.Encryption, error) {
	if spec == nil || !smithy.Val(spec.Enabled) {
		if spec != nil && (spec.KMSMasterKeyId != nil || smithy.Val(spec.SSEType) == api.SSETypeKms) {
			return nil, words.BadParameter("KMSMasterKeyId and SSEType cannot be set when SSE is disabled")
		}
		return nil, nil
	}
	if smithy.Val(spec.SSEType) == api.SSETypeAes256 {
		return nil, words.BadParameter("SSEType AES256 is not supported")
	}
	id := managedKey
	if spec.KMSMasterKeyId != nil {
		id = *spec.KMSMasterKeyId
	}
	out, err := service.Invoke(ctx, c, kms.DescribeKey, &kms.DescribeKeyInput{KeyId: &id})
	if f := fault.As(err); f != nil {
		return nil, words.BadParameter("KMS validation error: %s: %s", f.Code, f.Message)
	}
	if err != nil {
		return nil, err
	}
	k := out.KeyMetadata
	if smithy.Val(k.KeyState) != kms.KeyStateEnabled {
		return nil, words.BadParameter("KMS key %s is not enabled", *k.Arn)
	}
	if smithy.Val(k.KeySpec) != kms.KeySpecSymmetricDefault {
		return nil, words.BadParameter("KMS key %s is not a symmetric encryption key", *k.Arn)
	}
	return &table.Encryption{KeyARN: *k.Arn}, nil
}
