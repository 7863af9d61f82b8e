package queue

import (
	"net/http"

	"moln.dev/moln/aws/fault"
)

// Invalid is the fault for a parameter's value that breaks a rule which the
// model does not have. It has one code for clients of each protocol.
func Invalid(format string, args ...any) *fault.Fault {
	return coded("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

// Missing is the fault for a parameter that there must be.
func Missing(name string) *fault.Fault {
	return coded("MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter %s.", name)
}

func coded(code, query, format string, args ...any) *fault.Fault {
	f := fault.New(code, http.StatusBadRequest, format, args...)
	f.Query = query
	return f
}
