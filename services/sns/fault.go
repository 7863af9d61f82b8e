package sns

import (
	"fmt"

	api "moln.dev/moln/api/sns"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/platform/identity"
)

// invalid answers InvalidParameter, as SNS words it.
func invalid(format string, args ...any) error {
	return api.ErrInvalidParameterException("Invalid parameter: %s", fmt.Sprintf(format, args...))
}

func errNoTopic() error { return api.ErrNotFoundException("Topic does not exist") }

func errNoSubscription() error { return api.ErrNotFoundException("Subscription does not exist") }

// unsupported answers what AWS has and moln has not.
func unsupported(what string) error { return invalid("moln does not have %s", what) }

// denied words a denial as SNS does: AuthorizationError, with the action's name as
// SNS writes it.
func denied(who identity.Principal, action, resource string) func(policy.Decision) error {
	return func(d policy.Decision) error {
		name := who.ARN
		switch who.Kind {
		case policy.Anonymous:
			name = "anonymous"
		case policy.Service:
			name = who.Service
		}
		f := api.ErrAuthorizationErrorException("%s", d.Message(name, "SNS:"+action, resource))
		f.Why = d.Reason
		return f
	}
}

// errNotOwner: the subscription is another account's, and so is its topic.
func errNotOwner(who identity.Principal, action, resource string) error {
	return api.ErrAuthorizationErrorException("User: %s is not authorized to perform: SNS:%s on resource: %s", who.ARN, action, resource)
}
