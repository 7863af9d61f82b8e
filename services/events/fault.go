package events

import (
	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/fault"
)

// invalid is the fault for what the model cannot say.
func invalid(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}

func noBus(name string) error {
	return api.ErrResourceNotFoundException("Event bus %s does not exist.", name)
}

func noRule(k ruleKey) error {
	return api.ErrResourceNotFoundException("Rule %s does not exist on EventBus %s.", k.rule, k.name)
}

func limitExceeded() error {
	return api.ErrLimitExceededException("The requested resource exceeds the maximum number allowed.")
}

// unsupported refuses a setting that would otherwise be stored and ignored.
func unsupported(what string) error { return invalid("moln does not support %s", what) }
