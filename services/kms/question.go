package kms

import (
	"strconv"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
)

// algorithmOf is an encryption algorithm with AWS's default.
func algorithmOf(name *string) *string {
	if name == nil {
		return new(api.EncryptionAlgorithmSpecSymmetricDefault)
	}
	return name
}

// ask gives the question that an operation on one key asks.
func ask(operation string, in any) question {
	q := question{action: operation}
	switch in := in.(type) {
	case *api.EncryptInput:
		q.id, q.context, q.keys = *in.KeyId, in.EncryptionContext, one("kms:encryptionalgorithm", algorithmOf(in.EncryptionAlgorithm))
	case *api.GenerateDataKeyInput:
		q.id, q.context, q.keys = *in.KeyId, in.EncryptionContext, one("kms:encryptionalgorithm", algorithmOf(nil))
	case *api.GenerateDataKeyWithoutPlaintextInput:
		q.id, q.context, q.keys = *in.KeyId, in.EncryptionContext, one("kms:encryptionalgorithm", algorithmOf(nil))
	case *api.GenerateDataKeyPairInput:
		q.id, q.context, q.keys = *in.KeyId, in.EncryptionContext, both(one("kms:datakeypairspec", in.KeyPairSpec), one("kms:encryptionalgorithm", algorithmOf(nil)))
	case *api.GenerateDataKeyPairWithoutPlaintextInput:
		q.id, q.context, q.keys = *in.KeyId, in.EncryptionContext, both(one("kms:datakeypairspec", in.KeyPairSpec), one("kms:encryptionalgorithm", algorithmOf(nil)))
	case *api.SignInput:
		q.id, q.keys = *in.KeyId, both(one("kms:signingalgorithm", in.SigningAlgorithm), one("kms:messagetype", messageType(in.MessageType)))
	case *api.VerifyInput:
		q.id, q.keys = *in.KeyId, both(one("kms:signingalgorithm", in.SigningAlgorithm), one("kms:messagetype", messageType(in.MessageType)))
	case *api.GenerateMacInput:
		q.id, q.keys = *in.KeyId, one("kms:macalgorithm", in.MacAlgorithm)
	case *api.VerifyMacInput:
		q.id, q.keys = *in.KeyId, one("kms:macalgorithm", in.MacAlgorithm)
	case *api.DeriveSharedSecretInput:
		q.id, q.keys = *in.KeyId, one("kms:keyagreementalgorithm", in.KeyAgreementAlgorithm)
	case *api.GetPublicKeyInput:
		q.id = *in.KeyId
	case *api.DescribeKeyInput:
		q.id = *in.KeyId
	default:
		return askAbout(q, in)
	}
	q.aliases = true
	return q
}

// askAbout is ask for the operations that take no aliases.
func askAbout(q question, in any) question {
	switch in := in.(type) {
	case *api.CreateGrantInput:
		g := newGrant(in)
		q.id, q.child, q.keys = *in.KeyId, g, both(constraintKeys(g), grantKeys(g))
	case *api.ListGrantsInput:
		q.id = *in.KeyId
	case *api.RevokeGrantInput:
		q.id = *in.KeyId
	case *api.ScheduleKeyDeletionInput:
		q.id = *in.KeyId
		q.keys = policy.Keys{"kms:schedulekeydeletionpendingwindowindays": {strconv.Itoa(int(windowOf(in)))}}
	case *api.CancelKeyDeletionInput:
		q.id = *in.KeyId
	case *api.EnableKeyInput:
		q.id = *in.KeyId
	case *api.DisableKeyInput:
		q.id = *in.KeyId
	case *api.UpdateKeyDescriptionInput:
		q.id = *in.KeyId
	case *api.GetKeyPolicyInput:
		q.id = *in.KeyId
	case *api.ListKeyPoliciesInput:
		q.id = *in.KeyId
	case *api.PutKeyPolicyInput:
		q.id = *in.KeyId
		q.keys = policy.Keys{"kms:bypasspolicylockoutsafetycheck": {strconv.FormatBool(smithy.Val(in.BypassPolicyLockoutSafetyCheck))}}
	case *api.EnableKeyRotationInput:
		q.id = *in.KeyId
		q.keys = policy.Keys{"kms:rotationperiodindays": {strconv.Itoa(int(periodOf(in)))}}
	case *api.DisableKeyRotationInput:
		q.id = *in.KeyId
	case *api.GetKeyRotationStatusInput:
		q.id = *in.KeyId
	case *api.RotateKeyOnDemandInput:
		q.id = *in.KeyId
	case *api.ListKeyRotationsInput:
		q.id = *in.KeyId
	case *api.TagResourceInput:
		q.id, q.keys = *in.KeyId, tagKeys(in.Tags)
	case *api.UntagResourceInput:
		q.id, q.keys = *in.KeyId, policy.Keys{"aws:tagkeys": in.TagKeys}
	case *api.GetParametersForImportInput:
		q.id, q.keys = *in.KeyId, both(one("kms:wrappingalgorithm", in.WrappingAlgorithm), one("kms:wrappingkeyspec", in.WrappingKeySpec))
	case *api.ImportKeyMaterialInput:
		q.id, q.keys = *in.KeyId, importKeys(in)
	case *api.DeleteImportedKeyMaterialInput:
		q.id = *in.KeyId
	case *api.ListResourceTagsInput:
		q.id = *in.KeyId
	}
	return q
}

// constraintKeys are the condition keys about a grant's constraints.
func constraintKeys(g *grant) policy.Keys {
	keys := policy.Keys{}
	switch {
	case g.Equals != nil:
		keys["kms:grantconstrainttype"] = []string{"EncryptionContextEquals"}
		describeContext(keys, g.Equals)
	case g.Subset != nil:
		keys["kms:grantconstrainttype"] = []string{"EncryptionContextSubset"}
		describeContext(keys, g.Subset)
	}
	if g.SourceARN != "" {
		keys["kms:grantconstraintsourcearn"] = []string{g.SourceARN}
	}
	return keys
}

// grantKeys are the condition keys about what a grant gives to whom.
func grantKeys(g *grant) policy.Keys {
	keys := policy.Keys{"kms:grantoperations": g.Operations}
	for name, value := range map[string]string{
		"granteeprincipal": g.Grantee, "retiringprincipal": g.Retiree,
		"granteeserviceprincipal": g.GranteeName, "retiringserviceprincipal": g.RetireeName,
	} {
		if value != "" {
			keys["kms:"+name] = []string{value}
		}
	}
	return keys
}

func messageType(t *string) *string {
	if t == nil {
		return new(api.MessageTypeRaw)
	}
	return t
}

func windowOf(in *api.ScheduleKeyDeletionInput) int32 {
	if in.PendingWindowInDays == nil {
		return windowDaysDefault
	}
	return *in.PendingWindowInDays
}

func periodOf(in *api.EnableKeyRotationInput) int32 {
	if in.RotationPeriodInDays == nil {
		return periodDaysDefault
	}
	return *in.RotationPeriodInDays
}
