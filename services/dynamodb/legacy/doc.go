// Package legacy reads the parameters that DynamoDB had before it had
// expressions: Expected, AttributeUpdates, QueryFilter, ScanFilter and
// KeyConditions. They become the conditions and updates of package expr, which
// judges them; this package only says what is wrong with them.
package legacy
