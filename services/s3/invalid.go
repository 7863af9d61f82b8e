package s3

import (
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/s3/lock"
	"moln.dev/moln/services/s3/rekey"
	"moln.dev/moln/services/s3/s3err"
)

// invalid words what is wrong with a request that breaks the model's
// constraints. S3 has no validation errors of the common form: a document is
// malformed, and each header has a text of its own.
func invalid(op *smithy.Operation, _ any, v []smithy.Violation) error {
	first := v[0]
	if err := invalidHeader(first); err != nil {
		return err
	}
	top, rest, nested := strings.Cut(first.Path, ".")
	switch {
	case strings.HasSuffix(first.Path, "locationConstraint"):
		return fault.New("InvalidLocationConstraint", 400, "The specified location-constraint is not valid").
			WithBody(map[string]string{"LocationConstraint": first.Value})
	case top == "websiteConfiguration" && strings.HasSuffix(rest, "protocol"):
		return s3err.InvalidRequest("Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.")
	case rest == "errorDocument.key":
		return s3err.Argument("ErrorDocument", first.Value, "The ErrorDocument Key is not well formed")
	case top == "cORSConfiguration" && strings.Contains(rest, "allowedMethods"):
		return s3err.InvalidRequest("Found unsupported HTTP method in CORS config. Unsupported method is %s", first.Value)
	case op.Name == "UpdateObjectEncryption" && top == "objectEncryption":
		return rekey.Invalid(first)
	case nested:
		return s3err.MalformedXML()
	case first.Null && op.Name == "GetObjectAttributes":
		return s3err.InvalidRequest("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	return nil
}

// invalidHeader words a bad value of a header or of a query parameter.
func invalidHeader(v smithy.Violation) error {
	value := v.Value
	switch top, _, _ := strings.Cut(v.Path, "."); top {
	case "metadataDirective":
		return s3err.Argument("x-amz-metadata-directive", value, "Unknown metadata directive.")
	case "taggingDirective":
		return s3err.Argument("x-amz-tagging-directive", value, "Unknown tagging directive.")
	case "checksumType":
		return s3err.InvalidRequest("Value for x-amz-checksum-type header is invalid.")
	case "objectOwnership":
		return s3err.Argument("x-amz-object-ownership", value, "Invalid x-amz-object-ownership header: %s", value)
	case "objectAttributes":
		if v.Null || value == "[]" {
			return nil
		}
		return s3err.Argument("x-amz-object-attributes", strings.Trim(value, "[]"), "Invalid attribute name specified.")
	case "copySource":
		return s3err.Argument("x-amz-copy-source", value, "Invalid copy source encoding")
	case "maxBuckets":
		return s3err.Argument("max-buckets", value, "Argument max-buckets must be an integer between 1 and 10000.")
	case "encodingType":
		return s3err.Argument("encoding-type", value, "Invalid Encoding Method specified in Request")
	case "storageClass":
		return fault.New("InvalidStorageClass", 400, "The storage class you specified is not valid").WithBody(map[string]string{"StorageClassRequested": value})
	case "objectLockMode":
		return lock.BadMode(value)
	case "objectLockLegalHoldStatus":
		return lock.BadHold(value)
	case "transitionDefaultMinimumObjectSize":
		return s3err.InvalidRequest("Invalid TransitionDefaultMinimumObjectSize found")
	case "optionalObjectAttributes":
		return s3err.Argument("x-amz-optional-object-attributes", strings.Trim(value, "[]"), "Invalid attribute name specified.")
	case "serverSideEncryption":
		return s3err.Argument("x-amz-server-side-encryption", value, "The encryption method specified is not supported")
	}
	return nil
}
