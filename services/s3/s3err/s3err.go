// Package s3err has the faults of S3 that the model does not define, or whose
// text is always the same.
package s3err

import (
	"net/http"
	"strconv"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/fault"
)

// NoSuchBucket is S3's fault of that name.
func NoSuchBucket(name string) error {
	return api.ErrNoSuchBucket("The specified bucket does not exist").WithBody(&api.NoSuchBucket{BucketName: new(name)})
}

// NoSuchKey is S3's fault of that name.
func NoSuchKey(key string) error {
	return api.ErrNoSuchKey("The specified key does not exist.").WithBody(&api.NoSuchKey{Key: new(key)})
}

// NoSuchVersion is S3's fault of that name.
func NoSuchVersion() error {
	return fault.New("NoSuchVersion", http.StatusNotFound, "The specified version does not exist.")
}

// NoSuchUpload is S3's fault of that name.
func NoSuchUpload(id string) error {
	return api.ErrNoSuchUpload("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").
		WithBody(&api.NoSuchUpload{UploadId: new(id)})
}

// AccessDenied is S3's fault of that name.
func AccessDenied() error { return api.ErrAccessDenied("Access Denied") }

// InvalidArgument names an argument that S3 does not take.
func InvalidArgument(format string, args ...any) error {
	return fault.New("InvalidArgument", http.StatusBadRequest, format, args...)
}

// InvalidRequest refuses what does not go together.
func InvalidRequest(format string, args ...any) error {
	return fault.New("InvalidRequest", http.StatusBadRequest, format, args...)
}

// MalformedXML is S3's fault of that name.
func MalformedXML() error {
	return fault.New("MalformedXML", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
}

// BadDigest is S3's fault of that name.
func BadDigest(format string, args ...any) error {
	return fault.New("BadDigest", http.StatusBadRequest, format, args...)
}

// PreconditionFailed is S3's fault of that name.
func PreconditionFailed() error {
	return fault.New("PreconditionFailed", http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

// FailedCondition is PreconditionFailed with the header whose condition it was.
func FailedCondition(header string) error {
	return fault.As(PreconditionFailed()).WithBody(map[string]string{"Condition": header})
}

// Argument names an argument that S3 does not take, and its value.
func Argument(name, value, format string, args ...any) error {
	return fault.As(InvalidArgument(format, args...)).WithBody(map[string]string{"ArgumentName": name, "ArgumentValue": value})
}

// VersionID refuses what cannot be the id of a version.
func VersionID(id string) error {
	if id == "" {
		return Argument("versionId", id, "Version id cannot be the empty string")
	}
	return Argument("versionId", id, "Invalid version id specified")
}

// PartNumber refuses a number that no part can have.
func PartNumber(n int32) error {
	return Argument("partNumber", strconv.Itoa(int(n)), "Part number must be an integer between 1 and 10000, inclusive")
}

// NotImplemented says what moln does not have.
func NotImplemented(format string, args ...any) error {
	return fault.New("NotImplemented", http.StatusNotImplemented, format, args...)
}

// NotFound says that something besides buckets and objects does not exist.
func NotFound(code, message string) error {
	return fault.New(code, http.StatusNotFound, "%s", message)
}

// EntityTooLarge is S3's fault of that name.
func EntityTooLarge() error {
	return fault.New("EntityTooLarge", http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size")
}

// NoSuchAccessPoint is S3's fault of that name.
func NoSuchAccessPoint() error {
	return NotFound("NoSuchAccessPoint", "The specified accesspoint does not exist")
}

// IsNoSuchAccessPoint reports that fault.
func IsNoSuchAccessPoint(err error) bool { return fault.Is(err, "NoSuchAccessPoint") }

// PointExists refuses a second access point of one name.
func PointExists() error {
	return fault.New("AccessPointAlreadyOwnedByYou", http.StatusConflict, "Your previous request to create the named accesspoint succeeded and you already own it.")
}

// HasAccessPoints refuses to delete a bucket that is reached through some.
func HasAccessPoints() error {
	return fault.New("BucketHasAccessPointsAttached", http.StatusBadRequest, "The bucket that you are trying to delete has access points attached. Delete your access points before deleting your bucket.")
}

// MethodNotAllowed refuses what cannot be done to a resource.
func MethodNotAllowed() error {
	return fault.New("MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.")
}
