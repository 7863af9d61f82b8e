package dynamodb

import (
	"moln.dev/moln/aws/fault"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/services/dynamodb/item"
)

func invalid(format string, args ...any) *fault.Fault {
	return fault.New("ValidationException", 400, format, args...)
}

// badParameter is the form of most complaints about parameters.
func badParameter(format string, args ...any) *fault.Fault {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// noTable is the data plane's answer for tables that are not there.
func noTable() *fault.Fault {
	return api.ErrResourceNotFoundException("Requested resource not found")
}

// noTableNamed is the control plane's.
func noTableNamed(name string) *fault.Fault {
	return api.ErrResourceNotFoundException("Requested resource not found: Table: %s not found", name)
}

const conditionFailed = "The conditional request failed"

// failedCondition is the answer to a condition that does not hold; show says
// whether the item comes with it.
func failedCondition(old item.Map, show bool) *fault.Fault {
	f := api.ErrConditionalCheckFailedException(conditionFailed)
	if show && old != nil {
		f.WithBody(&api.ConditionalCheckFailedException{Message: new(conditionFailed), Item: item.ToWire(old)})
	}
	return f
}

// messageOf is the message of a fault.
func messageOf(err error) string {
	if f := fault.As(err); f != nil {
		return f.Message
	}
	return err.Error()
}
