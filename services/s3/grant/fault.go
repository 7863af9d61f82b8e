package grant

import (
	"net/http"

	"moln.dev/moln/aws/fault"
)

// What is wrong with a list, in S3's words.

func errMalformed() error {
	return fault.New("MalformedACLError", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
}

func errArgument(name, value, message string) error {
	return fault.New("InvalidArgument", http.StatusBadRequest, "%s", message).
		WithBody(map[string]string{"ArgumentName": name, "ArgumentValue": value})
}

func errGrantee(name, value, message string) error { return errArgument(name, value, message) }

func errHeader(h header) error {
	return errArgument(h.name, *h.value, "Argument format not recognized")
}

func errCanned(name string) error { return errArgument("x-amz-acl", name, "") }

// errExecRead refuses the canned list that is for Amazon EC2, which is not here.
func errExecRead() error {
	return fault.New("NotImplemented", http.StatusNotImplemented, "moln has no EC2, which the canned access control list aws-exec-read is for")
}

// errEmail: AWS takes no e-mail grantees since October 2025.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Grantee.html
func errEmail() error {
	return fault.New("MethodNotAllowed", http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.")
}

func errOtherOwner() error { return fault.New("AccessDenied", http.StatusForbidden, "Access Denied") }

func errUnexpectedContent() error {
	return fault.New("UnexpectedContent", http.StatusBadRequest, "This request does not support content")
}

func errCannedAndHeaders() error {
	return fault.New("InvalidRequest", http.StatusBadRequest, "Specifying both Canned ACLs and Header Grants is not allowed")
}

// ErrNone is the answer to a request to set a list that names none.
func ErrNone() error {
	return fault.New("MissingSecurityHeader", http.StatusBadRequest, "Your request was missing a required header").
		WithBody(map[string]string{"MissingHeaderName": "x-amz-acl"})
}

// ErrNotSupported refuses lists where Object Ownership has turned them off.
func ErrNotSupported() error {
	return fault.New("AccessControlListNotSupported", http.StatusBadRequest, "The bucket does not allow ACLs")
}

// ErrOwnership refuses a bucket that grants to others and turns lists off.
func ErrOwnership() error {
	return fault.New("InvalidBucketAclWithObjectOwnership", http.StatusBadRequest, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
}

// ErrPublicBlocked refuses a new bucket with a public list, since public access
// to new buckets is blocked.
func ErrPublicBlocked() error {
	return fault.New("InvalidBucketAclWithBlockPublicAccessError", http.StatusBadRequest, "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
}

// ErrBlocked refuses a public list where BlockPublicAcls is on.
func ErrBlocked(caller, action, resource string) error {
	return fault.New("AccessDenied", http.StatusForbidden,
		"User: %s is not authorized to perform: %s on resource: %q because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.", caller, action, resource)
}
