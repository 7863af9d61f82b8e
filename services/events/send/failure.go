package send

import (
	"errors"
	"strings"

	"moln.dev/moln/aws/fault"
)

var errKind = errors.New("send: nothing of this kind can be sent to")

// Failure is an error as dead letters tell it.
type Failure struct {
	// Code is EventBridge's; Final says that trying again would not help.
	Code    string
	Final   bool
	Message string
}

// Codes of failures.
//
// Source: EventBridge user guide, "Using dead-letter queues to process undelivered
// events".
const (
	codePermissions = "NO_PERMISSIONS"
	codeResource    = "NO_RESOURCE"
	codeThrottling  = "THROTTLING"
	codeInternal    = "INTERNAL_ERROR"
	codeRole        = "FAILED_TO_ASSUME_ROLE"
	// CodeJSON is for input that is not JSON, CodeParameter for what the target
	// does not take.
	CodeJSON      = "INVALID_JSON"
	CodeParameter = "INVALID_PARAMETER"
)

// FailureOf says what an error of Send means.
func FailureOf(err error) Failure {
	f := fault.As(err)
	out := Failure{Code: codeInternal, Message: "Internal error"}
	if f == nil {
		out.Final = errors.Is(err, errKind)
		return out
	}
	out.Message = f.Message
	out.Final = fault.Final(err)
	var role *RoleError
	switch {
	case strings.Contains(f.Code, "Throttl") || f.Code == "TooManyRequestsException" || f.Status == 429:
		out.Code, out.Final = codeThrottling, false
	case errors.As(err, &role):
		out.Code = codeRole
	case f.Status == 501:
		out.Code = codeResource
	case f.Status >= 500:
	case strings.Contains(f.Code, "AccessDenied") || f.Code == "AuthorizationError" || f.Status == 403:
		out.Code = codePermissions
	case strings.Contains(f.Code, "NotFound") || strings.Contains(f.Code, "NonExistent") || strings.Contains(f.Code, "DoesNotExist") || f.Status == 404:
		out.Code = codeResource
	default:
		out.Code = CodeParameter
	}
	return out
}
