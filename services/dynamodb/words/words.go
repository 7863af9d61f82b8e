package words

import (
	"slices"
	"strings"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

func invalid(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}

// Invalid words what breaks the model's constraints; v is not empty.
func Invalid(_ *smithy.Operation, in any, v []smithy.Violation) error {
	switch in := in.(type) {
	case *api.BatchGetItemInput:
		if in.RequestItems != nil && len(in.RequestItems) == 0 {
			return invalid("The requestItems parameter is required for BatchGetItem")
		}
	case *api.BatchWriteItemInput:
		if in.RequestItems != nil && len(in.RequestItems) == 0 {
			return invalid("The requestItems parameter is required for BatchWriteItem")
		}
	case *api.CreateTableInput:
		if in.TableName == nil {
			return invalid("The parameter 'TableName' is required but was not present in the request")
		}
		if err := TableName(*in.TableName, minTableName); err != nil && !strings.HasPrefix(*in.TableName, "arn:") {
			return err
		}
	}
	v = slices.Clone(v)
	for i := range v {
		reword(in, &v[i])
	}
	return invalid("%s", smithy.Message(v))
}

// minTableName is how short the names of new tables may be.
const minTableName = 3

// reword changes what DynamoDB says of one value: some sets of an enumeration
// have an order of their own, and a few bounds are checked by other code, which
// does not show the value and begins names with a capital.
func reword(in any, v *smithy.Violation) {
	parts := strings.Split(v.Path, ".")
	switch parts[len(parts)-1] {
	case "attributeType":
		v.Constraint = strings.Replace(v.Constraint, "[S, N, B]", "[B, N, S]", 1)
	case "select":
		v.Constraint = strings.Replace(v.Constraint,
			"[ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES, SPECIFIC_ATTRIBUTES, COUNT]",
			"[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]", 1)
	case "limit":
		if _, ok := in.(*api.QueryInput); ok {
			v.Path, v.Hidden = "Limit", true
		}
	case "keys":
		if _, ok := in.(*api.BatchGetItemInput); ok && strings.HasPrefix(v.Path, "requestItems.") {
			v.Path = "RequestItems." + strings.TrimSuffix(strings.TrimPrefix(v.Path, "requestItems."), ".keys") + ".Keys"
			v.Hidden = true
		}
	}
}

// TableName refuses what is no table name, in the words of the model's check
// (which takes ARNs as well and so lets too much through).
func TableName(name string, least int) error {
	if least <= len(name) && len(name) <= 255 && onlyNameBytes(name) {
		return nil
	}
	var wrong []string
	shown := "Value '" + name + "' at 'tableName' failed to satisfy constraint: "
	if !onlyNameBytes(name) {
		wrong = append(wrong, shown+"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	if len(name) < least {
		wrong = append(wrong, shown+"Member must have length greater than or equal to 3")
	}
	if len(name) > 255 {
		wrong = append(wrong, shown+"Member must have length less than or equal to 255")
	}
	if len(wrong) == 1 {
		return invalid("1 validation error detected: %s", wrong[0])
	}
	return invalid("%d validation errors detected: %s", len(wrong), strings.Join(wrong, "; "))
}

const nameAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

func onlyNameBytes(s string) bool {
	for i := range len(s) {
		if strings.IndexByte(nameAlphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}
