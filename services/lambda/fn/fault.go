package fn

import (
	"fmt"

	api "moln.dev/moln/api/lambda"
	"moln.dev/moln/aws/fault"
)

// Who is to blame, as Lambda's error structures say it.
const userFault = "User"

// NotFound: no function has this ARN.
func NotFound(arn string) error {
	return NoResource("Function not found: %s", arn)
}

// NoResource is ResourceNotFoundException in words of its own.
func NoResource(format string, args ...any) error {
	return api.ErrResourceNotFoundException(format, args...).WithBody(&api.ResourceNotFoundException{Type: new(userFault)})
}

// Invalid is InvalidParameterValueException.
func Invalid(format string, args ...any) error {
	return api.ErrInvalidParameterValueException(format, args...).WithBody(&api.InvalidParameterValueException{Type: new(userFault)})
}

// Conflict is ResourceConflictException.
func Conflict(format string, args ...any) error {
	return api.ErrResourceConflictException(format, args...).WithBody(&api.ResourceConflictException{Type: new(userFault)})
}

// Throttled is TooManyRequestsException with the reason that SDKs see.
func Throttled(reason string) error {
	f := api.ErrTooManyRequestsException("Rate Exceeded.")
	return f.WithBody(&api.TooManyRequestsException{Reason: new(reason), Type: new(userFault)})
}

// StaleRevision: a RevisionId was given, and is not the latest.
func StaleRevision() error {
	return api.ErrPreconditionFailedException("The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
}

// Unsupported refuses a setting that would otherwise be stored and ignored.
func Unsupported(format string, args ...any) error {
	return Invalid("moln does not support "+format, args...)
}

// AccessDenied is a refusal of something that was asked for on the caller's behalf.
func AccessDenied(format string, args ...any) error {
	return fault.New("AccessDeniedException", 403, format, args...)
}

// IsFault says that an error is the caller's business.
func IsFault(err error) bool { return fault.As(err) != nil }

// OutOfRange is the validation error of a number at a path of the input.
func OutOfRange(path string, value, least, most int32) error {
	return Invalid("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value %s", value, path, BoundText(value, least, most))
}

// BoundText says which bound a value is beyond.
func BoundText(value, least, most int32) string {
	if value < least {
		return fmt.Sprintf("greater than or equal to %d", least)
	}
	return fmt.Sprintf("less than or equal to %d", most)
}
