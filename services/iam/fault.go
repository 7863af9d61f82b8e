package iam

import "moln.dev/moln/aws/fault"

func invalid(format string, args ...any) error {
	return fault.New("ValidationError", 400, format, args...)
}
