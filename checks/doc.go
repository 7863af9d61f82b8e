// Package checks holds the rules of the tree as tests: which folder may import
// which, what every package must say about itself, how large things may grow,
// that generated code is fresh, that every operation has its row.
//
// A rule that fails names the file and the rule. Exceptions are data with a
// reason, beside the rule. The package has no code of its own.
package checks
