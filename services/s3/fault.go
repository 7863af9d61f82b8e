package s3

import (
	"net/http"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

// Faults that the model does not define, or whose text is always the same.

func noSuchBucket(name string) error {
	return api.ErrNoSuchBucket("The specified bucket does not exist").WithBody(&api.NoSuchBucket{BucketName: new(name)})
}

func noSuchKey(key string) error {
	return api.ErrNoSuchKey("The specified key does not exist.").WithBody(&api.NoSuchKey{Key: new(key)})
}

func noSuchVersion() error {
	return fault.New("NoSuchVersion", http.StatusNotFound, "The specified version does not exist.")
}

func noSuchUpload(id string) error {
	return api.ErrNoSuchUpload("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").
		WithBody(&api.NoSuchUpload{UploadId: new(id)})
}

func accessDenied() error { return api.ErrAccessDenied("Access Denied") }

func invalidArgument(format string, args ...any) error {
	return fault.New("InvalidArgument", http.StatusBadRequest, format, args...)
}

func invalidRequest(format string, args ...any) error {
	return fault.New("InvalidRequest", http.StatusBadRequest, format, args...)
}

func malformedXML() error {
	return fault.New("MalformedXML", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
}

func badDigest(format string, args ...any) error {
	return fault.New("BadDigest", http.StatusBadRequest, format, args...)
}

func preconditionFailed() error {
	return fault.New("PreconditionFailed", http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

func notImplemented(format string, args ...any) error {
	return fault.New("NotImplemented", http.StatusNotImplemented, format, args...)
}

func notFound(code, message string) error {
	return fault.New(code, http.StatusNotFound, "%s", message)
}

func entityTooLarge() error {
	return fault.New("EntityTooLarge", http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size")
}

func aclNotSupported() error {
	return fault.New("AccessControlListNotSupported", http.StatusBadRequest, "The bucket does not allow ACLs")
}
