package s3

import (
	"net/http"
	"strconv"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/policy"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/s3err"
)

// headerBytesMax bounds the headers of a write.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const headerBytesMax = 8 << 10

// refused says why nobody may send such a request, whatever policies allow.
func refused(c *service.Call, model *smithy.Operation) error {
	if c.HTTP == nil {
		return nil
	}
	if model.Method == http.MethodPut || model.Method == http.MethodPost {
		if err := headerTooLarge(c.HTTP.Request.Header); err != nil {
			return err
		}
	}
	if c.Caller.Kind != policy.Anonymous {
		return nil
	}
	if text, ok := signedOnly[model.Name]; ok {
		return fault.New("AccessDenied", http.StatusForbidden, "%s", text)
	}
	if model.Name == "GetObject" || model.Name == "HeadObject" {
		return overrides(c.HTTP.Request)
	}
	return nil
}

func headerTooLarge(h http.Header) error {
	size := 0
	for name, values := range h {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size <= headerBytesMax {
		return nil
	}
	return fault.New("RequestHeaderSectionTooLarge", http.StatusBadRequest, "Your request header section exceeds the maximum allowed size.").
		WithBody(map[string]string{"MaxSizeAllowed": strconv.Itoa(headerBytesMax)})
}

// signedOnly are the operations that anonymous callers never get, whatever a
// public bucket lets them do: there would be no owner of what they make.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-overview.html
var signedOnly = map[string]string{
	"CreateBucket":                  anonymousText,
	"PutBucketAcl":                  anonymousText,
	"PutObjectAcl":                  anonymousText,
	"CopyObject":                    "Anonymous users cannot copy objects. Please authenticate.",
	"CreateMultipartUpload":         "Anonymous users cannot initiate multipart uploads. Please authenticate.",
	"PutBucketOwnershipControls":    "s3:PutBucketOwnershipControls does not support Anonymous requests!",
	"GetBucketOwnershipControls":    "s3:GetBucketOwnershipControls does not support Anonymous requests!",
	"DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls does not support Anonymous requests!",
}

const anonymousText = "Anonymous users cannot invoke this API. Please authenticate."

// overrides refuses response-… parameters that nobody signed: else a link to a
// public object could give it another type than its owner did.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func overrides(r *http.Request) error {
	if !strings.Contains(r.URL.RawQuery, "response-") {
		return nil
	}
	for name := range r.URL.Query() {
		switch name {
		case "response-cache-control", "response-content-disposition", "response-content-encoding",
			"response-content-language", "response-content-type", "response-expires":
			return s3err.InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
	}
	return nil
}
