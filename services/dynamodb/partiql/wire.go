package partiql

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
)

// Cursor is where a SELECT goes on: in which of its partitions, behind which
// key. It is no secret and no proof: what it says is checked against the bounds
// of the statement, which is authorized anew.
type Cursor struct {
	Print     []byte                        `json:"s"`
	Partition int                           `json:"p"`
	Key       map[string]api.AttributeValue `json:"k,omitempty"`
}

// Fingerprint tells statements apart, so that no token continues another.
func Fingerprint(text *string, params []api.AttributeValue) []byte {
	raw, err := json.Marshal([]any{text, params})
	if err != nil {
		return nil // the wire types have no values that JSON lacks
	}
	sum := sha256.Sum256(raw)
	return sum[:16]
}

// Token is the cursor as clients keep it.
func (n Cursor) Token(print []byte) (*string, error) {
	n.Print = print
	raw, err := json.Marshal(n)
	return new(base64.RawURLEncoding.EncodeToString(raw)), err
}

// ReadCursor reads a token; none is the beginning.
func ReadCursor(token *string, print []byte) (n Cursor, err error) {
	if token == nil {
		return n, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || json.Unmarshal(raw, &n) != nil || n.Partition < 0 {
		return n, invalid("Invalid NextToken")
	}
	if !bytes.Equal(n.Print, print) {
		return n, invalid("NextToken does not match request")
	}
	return n, nil
}

// ReturnValues is what RETURNING asks for, as the parameter ReturnValues says it.
func (s *Statement) ReturnValues() string {
	switch s.Returning {
	case "ALL OLD":
		return api.ReturnValueAllOld
	case "ALL NEW":
		return api.ReturnValueAllNew
	case "MODIFIED OLD":
		return api.ReturnValueUpdatedOld
	case "MODIFIED NEW":
		return api.ReturnValueUpdatedNew
	}
	return api.ReturnValueNone
}

// BatchError is how a batch tells of one statement's fault; nil for errors that
// are no fault of the caller's.
func BatchError(err error) *api.BatchStatementError {
	f := fault.As(err)
	if f == nil {
		return nil
	}
	codes := map[string]string{
		"ValidationException":             api.BatchStatementErrorCodeEnumValidationError,
		"ResourceNotFoundException":       api.BatchStatementErrorCodeEnumResourceNotFound,
		"ConditionalCheckFailedException": api.BatchStatementErrorCodeEnumConditionalCheckFailed,
		"DuplicateItemException":          api.BatchStatementErrorCodeEnumDuplicateItem,

		"ProvisionedThroughputExceededException": api.BatchStatementErrorCodeEnumProvisionedThroughputExceeded,
		"ThrottlingException":                    api.BatchStatementErrorCodeEnumThrottlingError,
	}
	code, ok := codes[f.Code]
	if strings.HasPrefix(f.Code, "AccessDenied") {
		code, ok = api.BatchStatementErrorCodeEnumAccessDenied, true
	}
	if !ok {
		return nil
	}
	out := &api.BatchStatementError{Code: &code, Message: &f.Message}
	if body, ok := f.Body.(*api.ConditionalCheckFailedException); ok {
		out.Item = body.Item
	}
	return out
}
