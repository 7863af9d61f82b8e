package cloudformation

import (
	"errors"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/cloudformation/template"
)

// invalid is the fault that most of CloudFormation's own checks answer; the
// model does not define it.
func invalid(format string, args ...any) *fault.Fault {
	return fault.New("ValidationError", 400, format, args...)
}

func errNoStackID(name string) *fault.Fault { return invalid("Stack with id %s does not exist", name) }
func errNoStack(name string) *fault.Fault   { return invalid("Stack [%s] does not exist", name) }

func errUnsupported(what string) *fault.Fault { return invalid("%s is not supported here", what) }

// templateFault makes what is wrong with a template the caller's fault.
func templateFault(err error) error {
	var bad template.Error
	if errors.As(err, &bad) {
		return invalid("%s", string(bad))
	}
	return err
}
