// Package expr is DynamoDB's expression language: condition, filter, key
// condition, projection and update expressions, with the placeholders of names
// and values, parsed and checked with AWS's messages and evaluated on items.
//
// A Scope holds the placeholders of one request; each expression is parsed in
// it, and Unused says which placeholders none of them used. What is parsed is
// not changed any more and may be evaluated by many goroutines. The legacy
// condition parameters are conditions too (package dynamodb builds them).
//
// It does not read or write tables, and knows keys only by their names.
package expr
