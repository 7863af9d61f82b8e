package s3

import (
	"testing"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

func TestInvalid(t *testing.T) {
	for _, tt := range []struct{ path, value, code string }{
		{"metadataDirective", "x", "InvalidArgument"},
		{"createBucketConfiguration.locationConstraint", "mars", "InvalidLocationConstraint"},
		{"versioningConfiguration.status", "x", "MalformedXML"},
		{"websiteConfiguration.redirectAllRequestsTo.protocol", "x", "InvalidRequest"},
		{"storageClass", "x", "InvalidStorageClass"},
		{"objectLockMode", "x", "InvalidArgument"},
		{"optionalObjectAttributes.1.member", "x", "InvalidArgument"},
		{"transitionDefaultMinimumObjectSize", "x", "InvalidRequest"},
		{"lifecycleConfiguration.rules.1.member.status", "on", "MalformedXML"},
		{"expectedBucketOwner", "x", ""}, // the model's own text
	} {
		err := invalid(&smithy.Operation{}, nil, []smithy.Violation{{Path: tt.path, Value: tt.value}})
		if got := fault.As(err); (got == nil) != (tt.code == "") || got != nil && got.Code != tt.code {
			t.Errorf("%s: %v, want %s", tt.path, err, tt.code)
		}
	}
}
