package form

import (
	"net/http"
	"strconv"

	"moln.dev/moln/aws/fault"
)

// What is wrong with a form, in S3's words.

func errMalformed() error {
	return fault.New("MalformedPOSTRequest", http.StatusBadRequest, "The body of your POST request is not well-formed multipart/form-data.")
}

func errFieldsTooLarge() error {
	return fault.New("MaxPostPreDataLengthExceeded", http.StatusBadRequest, "Your POST request fields preceding the upload file were too large.")
}

func errArgument(name, value, message string) error {
	return fault.New("InvalidArgument", http.StatusBadRequest, "%s", message).
		WithBody(map[string]string{"ArgumentName": name, "ArgumentValue": value})
}

func errNoFile() error {
	return errArgument("file", "0", "POST requires exactly one file upload per request.")
}

func errTwice(name string) error {
	return errArgument(name, "", "The form has the field more than once.")
}

// ErrMissing is the answer to a form without a field that it must have.
func ErrMissing(name string) error {
	return errArgument(name, "", "Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.")
}

func errPolicy(message string) error {
	return fault.New("InvalidPolicyDocument", http.StatusBadRequest, "Invalid Policy: %s", message)
}

func errAccording(message string) error {
	return fault.New("AccessDenied", http.StatusForbidden, "Invalid according to Policy: %s", message)
}

// ErrExpired is the answer to a form whose policy has expired.
func ErrExpired() error { return errAccording("Policy expired.") }

func errTooLarge(size, limit int64) error {
	return fault.New("EntityTooLarge", http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size").
		WithBody(map[string]string{"ProposedSize": strconv.FormatInt(size, 10), "MaxSizeAllowed": strconv.FormatInt(limit, 10)})
}

func errTooSmall(size, limit int64) error {
	return fault.New("EntityTooSmall", http.StatusBadRequest, "Your proposed upload is smaller than the minimum allowed size").
		WithBody(map[string]string{"ProposedSize": strconv.FormatInt(size, 10), "MinSizeAllowed": strconv.FormatInt(limit, 10)})
}
