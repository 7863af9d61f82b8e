package kms

import (
	"errors"
	"strings"

	api "moln.dev/moln/api/kms"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/kms/material"
)

// validation answers ValidationException, which the model does not list.
func validation(format string, args ...any) *fault.Fault {
	return fault.New("ValidationException", 400, format, args...)
}

// noAccess answers a ciphertext of a key that is not to be had: AWS does not
// tell whether there is one.
func noAccess() *fault.Fault {
	return fault.New("AccessDeniedException", 400, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}

func noKey(arn string) *fault.Fault {
	return api.ErrNotFoundException("Key '%s' does not exist", arn)
}

func noSuchID(id string) *fault.Fault { return api.ErrNotFoundException("Invalid keyId '%s'", id) }

func noAlias(arn string) *fault.Fault {
	return api.ErrNotFoundException("Alias %s is not found.", arn)
}

func badCiphertext() *fault.Fault { return api.ErrInvalidCiphertextException("") }

func dryRun() *fault.Fault {
	return api.ErrDryRunOperationException("The request would have succeeded, but the DryRun option is set.")
}

// refused turns what cryptography refuses into the caller's fault.
func refused(err error) error {
	if e, ok := errors.AsType[*material.Error](err); ok {
		return validation("%s", e.Message)
	}
	return err
}

func list(items []string) string { return "[" + strings.Join(items, ", ") + "]" }
