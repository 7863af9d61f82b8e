package words

import (
	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/item"
)

// Refuse is a ValidationException.
func Refuse(format string, args ...any) *fault.Fault {
	return fault.New("ValidationException", 400, format, args...)
}

// BadParameter is the form of most complaints about parameters.
func BadParameter(format string, args ...any) *fault.Fault {
	return Refuse("One or more parameter values were invalid: "+format, args...)
}

// NoTable is the data plane's answer for tables that are not there.
func NoTable() *fault.Fault {
	return api.ErrResourceNotFoundException("Requested resource not found")
}

// NoTableNamed is the control plane's.
func NoTableNamed(name string) *fault.Fault {
	return api.ErrResourceNotFoundException("Requested resource not found: Table: %s not found", name)
}

const conditionFailed = "The conditional request failed"

// FailedCondition is the answer to a condition that does not hold; show says
// whether the item comes with it.
func FailedCondition(old item.Map, show bool) *fault.Fault {
	f := api.ErrConditionalCheckFailedException(conditionFailed)
	if show && old != nil {
		f.WithBody(&api.ConditionalCheckFailedException{Message: new(conditionFailed), Item: item.ToWire(old)})
	}
	return f
}

// MessageOf is the message of a fault.
func MessageOf(err error) string {
	if f := fault.As(err); f != nil {
		return f.Message
	}
	return err.Error()
}
