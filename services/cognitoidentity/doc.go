// Package cognitoidentity is Amazon Cognito identity pools: it turns the token
// of a user pool, or nothing at all, into an identity with temporary AWS
// credentials of a role.
//
// It knows user pools only through platform/tokens, and roles only through
// Call.AssumeRole, which judges their trust policies. There are no public login
// providers, no developer identities, no OpenID Connect or SAML providers and
// no principal tags; what asks for them is refused by name.
//
// # Keys
//
//	account region "pool" POOL                    pool, with its roles
//	account region "identity" POOL ID             identity
//	account region "login" POOL PROVIDER SUBJECT  ID
//	"!pool" POOL                                  account, region
//	"!identity" ID                                account, region, pool
//	"!key"                                        the key that signs OpenID tokens, sealed
//
// The keys with "!" are not below an account since requests without signature
// name neither account nor region.
//
// # Invariants
//
//	F1  A login belongs to at most one identity.
//	F2  An identity that has logins is given out only for one of them, verified.
//	F3  Credentials of guests never reach further than guestPolicy.
//
// # Differences from AWS
//
// Two identities that both have logins are not merged: the request is refused
// as a conflict. A guest's identity that signs in as a user who already has one
// is given up for it.
package cognitoidentity
