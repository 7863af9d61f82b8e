// Package cognitoidp is Amazon Cognito user pools: directories of users who sign
// up, prove a password and get signed tokens.
//
// It has no hosted pages, no multi-factor authentication, no federation, no
// passkeys, no text messages and no custom challenges; whatever asks for them
// is refused by name. Pages, domains and identity pools are other packages'
// business.
//
// Package settings judges settings, srp checks password proofs, cfn makes template
// resources.
//
// # Resources and states
//
// A pool has app clients, users, groups and two RSA signing keys (one for ID
// tokens, one for access tokens). A user is UNCONFIRMED until a code or an
// administrator confirms it, CONFIRMED, FORCE_CHANGE_PASSWORD while it has a
// temporary password, or RESET_REQUIRED after an administrator's reset. A
// sign-in is a record: it lives until the refresh token expires or is revoked,
// and with it end the access tokens that came from it.
//
// # Keys
//
//	account region "pool" POOL             pool
//	account region "in" POOL "key"         signing keys, sealed
//	account region "in" POOL "client" ID   app client
//	account region "in" POOL "user" U      user; U is the folded username
//	account region "in" POOL "sub" SUB     U
//	account region "in" POOL "alias" A V   U, for attribute A with value V
//	account region "in" POOL "code" U P    the code for purpose P, sealed
//	account region "in" POOL "guard" U     failed passwords
//	account region "in" POOL "rate" U OP   attempts of this hour
//	account region "in" POOL "login" U SID a sign-in
//	account region "in" POOL "group" G     group
//	account region "in" POOL "member" G U  membership
//	account region "in" POOL "of" U G      the same, by user
//	"!client" ID                           account, region, pool
//	"!pool" POOL                           account, region, pool
//	"!used" HOUR ID                        a session string that was answered
//	"!old" HOUR ID                         a key to delete after HOUR
//
// The keys with "!" are not below an account since requests without signature
// name neither account nor region.
//
// # Invariants
//
//	C1  A code, a session string and a refresh token count once they are found
//	    in the store, and each use that ends it happens in the transaction
//	    that has the effect.
//	C2  No password, verifier, code, secret or private key is stored in clear.
//	C3  A password is compared only after the lockout was asked, and both under
//	    one lock of the user.
//	C4  An alias names at most one user: those of sign-in names from sign-up
//	    on, others from their verification on.
//	C5  A setting that is not honoured is refused, except texts of messages
//	    that are never sent (SMS), which are kept and given back.
//
// # Differences from AWS
//
// Mail is sent while the request waits, so that a failure is seen. Recovery
// goes to the verified e-mail address even where a phone number comes first in
// AccountRecoverySetting. The lockout's counters and codes are exact where
// AWS's are approximate.
package cognitoidp
