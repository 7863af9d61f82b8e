// Package template is CloudFormation's language: it reads a template in JSON or
// YAML, types its parameters, evaluates conditions, rules and intrinsic
// functions, orders resources by their references, compares two versions of a
// stack, and decodes evaluated properties into Go structs.
//
// It is pure: no storage, no clock, no other service. What the language needs
// from outside (a resource's physical id, an export's value) comes in through
// Env. Deploying is the cloudformation package's work.
//
// Values are what a template holds after parsing: map[string]any, []any,
// string, bool and json.Number. Two more exist while evaluating: NoValue
// (AWS::NoValue, removed from its container) and Unknown (known only after
// deployment), which spreads through every function that touches it.
//
// Errors are of type Error and carry CloudFormation's own text.
package template

import "fmt"

// Error is a fault of the template or its parameters.
type Error string

// Error returns the message.
func (e Error) Error() string { return string(e) }

func errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// Limits of the language, as AWS sets them where it does.
const (
	maxResources  = 500
	maxParameters = 200
	maxOutputs    = 200
	maxMappings   = 200
	// maxDepth bounds nesting of values; AWS has no stated number.
	maxDepth = 200
)
