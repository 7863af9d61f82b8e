// Package sts is AWS's Security Token Service: temporary credentials for roles
// and users, and the answer to "who am I".
//
// It is the smallest service and the one to copy when starting another.
//
// # State
//
// None in the store. A session is a sealed token: the principal, its secret,
// its session policies, tags and expiry are in X-Amz-Security-Token itself,
// which only this moln (or another node with the same key) can open. Revoking
// is done as at AWS, by a policy with aws:TokenIssueTime.
//
// # Invariants
//
//	T1  No session is made before the role's trust policy was judged.
//	T2  A session never outlives the role's MaxSessionDuration; one made by a
//	    session (role chaining) lasts at most an hour.
//	T3  A token opens only together with the access key id it was made for.
//
// # Differences from AWS
//
// SAML, AssumeRoot, federation tokens and outbound tokens are not there (the
// table says so). MFA devices do not exist, so requests with a token code fail.
// The root user may assume roles whose trust policy names the account: a fresh
// moln has no other identity to deploy with.
package sts
