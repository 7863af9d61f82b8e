// Package iam is Identity and Access Management: users, groups, roles, their
// policies and access keys. It is also where the gateway learns which policies
// bear on a caller (identity.Directory's Policies), and sts which roles there
// are (identity.Roles).
//
// It judges nothing: aws/policy does, for the gateway.
//
// # State (keys are tuples; IAM is global, so no region)
//
//	account, u|r|g, lower(name) -> entity: user, role or group with its inline
//	                               policies, attachments, boundary, tags
//	account, p, lower(name)     -> customer managed policy with its versions
//	account, i, lower(name)     -> instance profile
//	k, access key id            -> access key, its secret sealed
//
// # Invariants
//
//	I1  Names are unique per kind without regard to case.
//	I2  A stored document was parsed by aws/policy; it compiles.
//	I3  A change is seen by the next request on this node: the cache of compiled
//	    policies is dropped by every commit, here and on other nodes (Watch), and
//	    when it is a second old, lest a notice be lost.
//	I4  Secrets of access keys leave the service once, when they are made.
//
// # Differences from AWS
//
// Everything is consistent at once. Principals in trust policies are not
// checked for existence and not replaced by unique ids. AWS's own managed
// policies are a small set (managed.go). MFA, federation providers,
// certificates, passwords and reports are not there (the table says so).
package iam
