// Package kms is AWS's Key Management Service: keys that never leave it, what
// can be done with them, and who may.
//
// # State (keys are tuples; account and region come first)
//
//	k, key id           -> key: settings, policy, tags, alias names, sealed material
//	a, alias name       -> alias
//	g, key id, grant id -> grant
//
// Material is sealed under moln's own key-encryption key for one key and one
// generation; it is opened for the length of a call and never logged.
// Ciphertexts have the form of package envelope, pairs and signatures that of
// package material.
//
// # States of a key
//
//	Enabled <-> Disabled -> PendingDeletion -> gone
//	Enabled, Disabled -> PendingReplicaDeletion -> PendingDeletion, of primaries
//	PendingImport <-> Enabled, of keys whose material is imported
//
// A key is gone from the second of its deletion date on, whenever the worker
// comes to remove what is left of it.
//
// # Invariants
//
//	K1  The key policy is mandatory: IAM policies count only where the key
//	    policy names the account. A matching grant counts as a statement of it.
//	K2  A key's aliases stand in its record and under their own names, written
//	    in one transaction.
//	K3  A material is never dropped while its key lives: what was encrypted
//	    before a rotation decrypts after it.
//	K4  A policy is stored only if its author may still change it, unless the
//	    check is bypassed.
//	K5  Another service's call is judged as its caller's, with kms:ViaService.
//
// A multi-region key has one record in each region; see op_region.go.
//
// AWS managed keys (alias/aws/s3) are made when their service first asks for
// them, or DescribeKey does. Their policy lets in whoever comes through that
// service, so nobody can change or delete them.
//
// # Differences from AWS
//
// Grants take effect at once; their tokens are checked and not needed. Names of
// principals in policies and grants are checked for form, not for existence.
// Custom key stores, rotation of imported material, multi-region keys of such, attestation, and the
// kinds SM2, secp256k1, ML-DSA and ML-KEM are refused.
package kms
