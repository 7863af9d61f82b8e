package words

import (
	"strings"
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/aws/smithy"
)

func TestInvalid(t *testing.T) {
	keys := make([]map[string]api.AttributeValue, 101)
	for i := range keys {
		keys[i] = map[string]api.AttributeValue{"pk": {S: new("a")}}
	}
	definition := api.AttributeDefinition{AttributeName: new("pk"), AttributeType: new("X")}
	key := api.KeySchemaElement{AttributeName: new("pk"), KeyType: new("HASH")}
	tests := []struct {
		op   smithy.Descriptor
		in   any
		want string
	}{
		{api.BatchGetItem, &api.BatchGetItemInput{RequestItems: map[string]api.KeysAndAttributes{}}, "The requestItems parameter is required for BatchGetItem"},
		{api.BatchWriteItem, &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{}}, "The requestItems parameter is required for BatchWriteItem"},
		{
			api.BatchGetItem, &api.BatchGetItemInput{RequestItems: map[string]api.KeysAndAttributes{"a.b": {Keys: keys}}},
			"1 validation error detected: Value at 'RequestItems.a.b.member.Keys' failed to satisfy constraint: Member must have length less than or equal to 100",
		},
		{
			api.CreateTable, &api.CreateTableInput{KeySchema: []api.KeySchemaElement{key}},
			"The parameter 'TableName' is required but was not present in the request",
		},
		{
			api.CreateTable, &api.CreateTableInput{TableName: new("x!"), KeySchema: []api.KeySchemaElement{}, AttributeDefinitions: []api.AttributeDefinition{}},
			"2 validation errors detected: Value 'x!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'x!' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
		},
		{
			api.CreateTable, &api.CreateTableInput{TableName: new("notes"), KeySchema: []api.KeySchemaElement{key}, AttributeDefinitions: []api.AttributeDefinition{definition}},
			"1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]",
		},
		{
			api.Query, &api.QueryInput{TableName: new("notes"), Select: new("X")},
			"1 validation error detected: Value 'X' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
		},
		{
			api.Query, &api.QueryInput{TableName: new("notes"), Limit: new(int32(0))},
			"1 validation error detected: Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},
		{
			api.Scan, &api.ScanInput{TableName: new("notes"), Limit: new(int32(0))},
			"1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},
		{
			api.PutItem, &api.PutItemInput{Item: map[string]api.AttributeValue{}},
			"1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
		},
	}
	for _, tt := range tests {
		schema, op := tt.op.Of()
		v := new(smithy.Validator).Validate(schema, op.Input, tt.in)
		if len(v) == 0 {
			t.Errorf("%s: nothing wrong; want %q", op.Name, tt.want)
			continue
		}
		f := fault.As(Invalid(op, tt.in, v))
		if f == nil || f.Code != "ValidationException" || f.Message != tt.want {
			t.Errorf("%s: %v\nwant %q", op.Name, f, tt.want)
		}
	}
}

func TestTableName(t *testing.T) {
	for name, want := range map[string]bool{"notes": true, "a": false, "no/tes": false, strings.Repeat("a", 256): false, "a.b-c_D9": true} {
		if err := TableName(name, 3); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}
