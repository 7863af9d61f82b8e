package cognitoidp

import (
	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/aws/fault"
)

func isFault(err error, codes ...string) bool { return fault.Is(err, codes...) }

// errPassword is what a wrong password and a hidden missing user have in common.
func errPassword() error { return api.ErrNotAuthorizedException("Incorrect username or password.") }

func errSession() error { return api.ErrNotAuthorizedException("Invalid session for the user.") }

func errSessionExpired() error {
	return api.ErrNotAuthorizedException("Invalid session for the user, session is expired.")
}

func errSessionUsed() error {
	return api.ErrNotAuthorizedException("Invalid session for the user, session can only be used once.")
}

func errDisabled() error { return api.ErrNotAuthorizedException("User is disabled.") }

func errMissingParameter(name string) error {
	return api.ErrInvalidParameterException("Missing required parameter %s", name)
}
