// Package policy is the IAM policy language: it parses policy documents,
// compiles each once, and decides a request against a set of them.
//
// Evaluate is a pure function: no clock, no store, no account data. The caller
// says who asks (Principal), for what (action, resource, context keys) and which
// policies are in force (Set); the Decision says yes or no, which layer and
// which statement decided, which context keys were missing, and which Allow
// statements came close. Organizations policies (SCP, RCP) and VPC endpoint
// policies are not part of it.
//
// It is not a linter: a document that AWS would accept and never match is
// accepted here and never matches.
//
// Rules, by name:
//
//	P1  An explicit Deny in any policy of the set wins.
//	P2  Nothing is allowed by default, and a policy that is missing (nil) where
//	    one was announced denies.
//	P3  In the resource's own account a resource policy that names the user, the
//	    role session or the federated user grants by itself; one that names the
//	    role grants within the permissions boundary and the session policies; one
//	    that names the account only delegates to identity policies. A wildcard
//	    principal grants as a role ARN does: AWS does not document it, and this is
//	    the narrower reading.
//	P4  Across accounts both sides must allow.
//	P5  Where the resource policy is mandatory (role trust, KMS keys) its silence
//	    is a denial.
//	P6  Services, identity providers and anonymous callers have no identity
//	    policies: only the resource policy can allow them.
package policy
