package kms

import (
	"slices"
	"time"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/arn"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/services/kms/material"
)

// Limits, from AWS's "Quotas" and the API reference.
const (
	policyBytesMax     = 32 << 10
	aliasesPerKeyMax   = 50
	tagsPerKeyMax      = 50
	windowDaysDefault  = 30
	windowDaysMin      = 7
	windowDaysMax      = 30
	periodDaysDefault  = 365
	onDemandMax        = 25
	grantsPerKeyMax    = 50_000
	dataKeyBytesMax    = 1024
	messageBytesMax    = 4096
	policyNameDefault  = "default"
	managedAliasPrefix = "alias/aws/"
)

const day = 24 * time.Hour

// key is a KMS key as it is stored.
type key struct {
	ID, Account, Region string
	Spec, Usage         string
	Description         string            `json:",omitempty"`
	State               string            // Enabled, Disabled or PendingDeletion
	Managed             string            `json:",omitempty"` // the service ("s3") of an AWS managed key
	Created             time.Time         // UTC
	Deleted             time.Time         `json:",omitzero"`  // when a pending deletion is due
	Window              int32             `json:",omitempty"` // days, of a pending deletion
	Policy              string            // the document
	Tags                map[string]string `json:",omitempty"`
	Aliases             []string          `json:",omitempty"` // names, sorted (K2)
	Granted             bool              `json:",omitempty"` // it has had grants
	Period              int32             `json:",omitempty"` // days between rotations; 0: not rotated
	Rotate              time.Time         `json:",omitzero"`  // the next rotation
	Origin              string            `json:",omitempty"` // empty: AWS_KMS
	ValidTo             time.Time         `json:",omitzero"`  // of imported material
	Materials           []generation

	// Primary is the primary's region and Regions are all, of a multi-region key.
	Primary string   `json:",omitempty"`
	Regions []string `json:",omitempty"`

	compiled *policy.Policy // of Policy, where store.key gave the key
}

// generation is one material of a key, the last being current.
type generation struct {
	ID      string // 64 hex digits
	Created time.Time
	Kind    string `json:",omitempty"` // how it came about; empty for the first
	Sealed  []byte // nil: imported material that is gone
	// Print is the fingerprint of imported material.
	Print []byte `json:",omitempty"`
}

// alias is a name of a key.
type alias struct {
	Name, KeyID      string
	Created, Updated time.Time
}

func (k *key) arn() string { return keyARN(k.Account, k.Region, k.ID) }

func keyARN(account, region, id string) string { return resourceARN(account, region, "key/"+id) }

func aliasARN(account, region, name string) string { return resourceARN(account, region, name) }

func resourceARN(account, region, resource string) string {
	return arn.ARN{Partition: arn.PartitionOf(region), Service: "kms", Region: region, Account: account, Resource: resource}.String()
}

func (k *key) spec() *material.Spec {
	s, _ := material.Find(k.Spec)
	return s
}

func (k *key) current() generation { return k.Materials[len(k.Materials)-1] }

func (k *key) symmetric() bool { return k.Spec == api.KeySpecSymmetricDefault }

// gone reports whether a deletion has come due.
func (k *key) gone(now time.Time) bool {
	return k.State == api.KeyStatePendingDeletion && !now.Before(k.Deleted)
}

// notPending refuses what a key in deletion does not do.
func (k *key) notPending() error {
	switch k.State {
	case api.KeyStatePendingDeletion:
		return api.ErrKMSInvalidStateException("%s is pending deletion.", k.arn())
	case api.KeyStatePendingReplicaDeletion:
		return api.ErrKMSInvalidStateException("%s is pending replica deletion.", k.arn())
	}
	return nil
}

func pendingImport(k *key) error {
	return api.ErrKMSInvalidStateException("%s is pending import.", k.arn())
}

// enabled refuses what only an enabled key does.
func (k *key) enabled() error {
	switch k.State {
	case api.KeyStateDisabled:
		return api.ErrDisabledException("%s is disabled.", k.arn())
	case api.KeyStatePendingImport:
		return pendingImport(k)
	}
	return k.notPending()
}

// usable refuses a use (a KeyUsage) that the key is not for, now or ever.
func (k *key) usable(usage, operation string) error {
	if err := k.enabled(); err != nil {
		return err
	}
	if k.Usage != usage {
		return api.ErrInvalidKeyUsageException("%s key usage is %s which is not valid for %s.", k.arn(), k.Usage, operation)
	}
	return nil
}

// runs refuses an algorithm that the key does not have.
func (k *key) runs(algorithm string) error {
	if !slices.Contains(k.spec().Algorithms(k.Usage), algorithm) {
		return api.ErrInvalidKeyUsageException("Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec)
	}
	return nil
}

// rotatable refuses keys whose material cannot be rotated.
func (k *key) rotatable() error {
	if !k.symmetric() {
		return api.ErrUnsupportedOperationException("You cannot perform this operation on asymmetric or HMAC keys: %s", k.arn())
	}
	if k.origin() != api.OriginTypeAwsKms {
		return wrongOrigin(k)
	}
	return k.enabled()
}

// metadata is the API's form of a key.
func (k *key) metadata() *api.KeyMetadata {
	out := &api.KeyMetadata{
		AWSAccountId: &k.Account, KeyId: &k.ID, Arn: new(k.arn()), CreationDate: &k.Created,
		Enabled: new(k.State == api.KeyStateEnabled), Description: &k.Description, KeyUsage: &k.Usage, KeyState: &k.State,
		Origin: new(k.origin()), KeyManager: new(api.KeyManagerTypeCustomer),
		CustomerMasterKeySpec: &k.Spec, KeySpec: &k.Spec, MultiRegion: new(k.multi()), MultiRegionConfiguration: k.configuration(),
	}
	if k.Managed != "" {
		out.KeyManager = new(api.KeyManagerTypeAws)
	}
	if k.State == api.KeyStatePendingDeletion {
		out.DeletionDate = &k.Deleted
	}
	if k.State == api.KeyStatePendingReplicaDeletion {
		out.PendingDeletionWindowInDays = &k.Window
	}
	if k.origin() == api.OriginTypeExternal && k.imported() {
		out.ExpirationModel = new(api.ExpirationModelTypeKeyMaterialDoesNotExpire)
		if !k.ValidTo.IsZero() {
			out.ExpirationModel, out.ValidTo = new(api.ExpirationModelTypeKeyMaterialExpires), &k.ValidTo
		}
	}
	if k.symmetric() && len(k.Materials) > 0 {
		out.CurrentKeyMaterialId = new(k.current().ID)
	}
	out.EncryptionAlgorithms, out.SigningAlgorithms, out.KeyAgreementAlgorithms, out.MacAlgorithms = k.algorithms()
	return out
}

// algorithms are what the key can do, by kind.
func (k *key) algorithms() (encryption, signing, agreement, mac []string) {
	spec := k.spec()
	switch k.Usage {
	case api.KeyUsageTypeEncryptDecrypt:
		return spec.Encryption, nil, nil, nil
	case api.KeyUsageTypeSignVerify:
		return nil, spec.Signing, nil, nil
	case api.KeyUsageTypeKeyAgreement:
		return nil, nil, spec.Agreement, nil
	}
	return nil, nil, nil, spec.MAC
}

// usageOf decides a new key's kind and use.
func usageOf(spec, usage string) (*material.Spec, string, error) {
	if spec == "" {
		spec = api.KeySpecSymmetricDefault
	}
	s, ok := material.Find(spec)
	if !ok {
		return nil, "", api.ErrUnsupportedOperationException("moln has no keys of the spec %s", spec)
	}
	if usage == "" {
		if len(s.Usages) > 1 || s.Name != api.KeySpecSymmetricDefault {
			return nil, "", validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
		}
		usage = s.Usages[0]
	}
	if !s.Allows(usage) {
		return nil, "", validation("KeyUsage %s is not compatible with KeySpec %s", usage, spec)
	}
	return s, usage, nil
}

// defaultPolicy lets the account in, and by it its IAM policies.
func defaultPolicy(account, region string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:` + arn.PartitionOf(region) + `:iam::` + account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}
