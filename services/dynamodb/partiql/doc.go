// Package partiql is DynamoDB's dialect of PartiQL: SELECT, INSERT, UPDATE and
// DELETE on one table, and EXISTS, which transactions check.
//
// Parse reads a statement with its parameters into the conditions, updates and
// items of the packages expr and item; Plan and WriteKey then say which keys of
// a table it is about. What is parsed is not changed any more.
//
// It is not PartiQL as a whole, which joins, groups and computes: what DynamoDB
// lacks is a syntax error here as well. It reads and writes no tables.
package partiql
