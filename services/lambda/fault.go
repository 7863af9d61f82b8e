package lambda

import (
	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
)

// Who is to blame, as Lambda's error structures say it.
const userFault = "User"

func notFound(arn string) error {
	return noResource("Function not found: %s", arn)
}

func noResource(format string, args ...any) error {
	return api.ErrResourceNotFoundException(format, args...).WithBody(&api.ResourceNotFoundException{Type: new(userFault)})
}

func invalid(format string, args ...any) error {
	return api.ErrInvalidParameterValueException(format, args...).WithBody(&api.InvalidParameterValueException{Type: new(userFault)})
}

func conflict(format string, args ...any) error {
	return api.ErrResourceConflictException(format, args...).WithBody(&api.ResourceConflictException{Type: new(userFault)})
}

func throttled(reason string) error {
	f := api.ErrTooManyRequestsException("Rate Exceeded.")
	return f.WithBody(&api.TooManyRequestsException{Reason: new(reason), Type: new(userFault)})
}

func staleRevision() error {
	return api.ErrPreconditionFailedException("The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
}

// unsupported refuses a setting that would otherwise be stored and ignored.
func unsupported(format string, args ...any) error {
	return invalid("moln does not support "+format, args...)
}

func accessDenied(format string, args ...any) error {
	return fault.New("AccessDeniedException", 403, format, args...)
}

func isFault(err error) bool { return fault.As(err) != nil }
