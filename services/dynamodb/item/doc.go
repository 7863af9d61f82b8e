// Package item is DynamoDB's attribute values: their ten types, exact decimal
// numbers of 38 digits, sizes as AWS counts them, order and equality, the parts
// of keys, and the compact binary form in which items are stored.
//
// It knows no tables, no expressions and no storage. A Value or Map that is
// shared must not be changed in place; Clone first.
package item
