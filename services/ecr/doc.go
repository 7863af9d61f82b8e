// Package ecr answers deploy tools that ask Elastic Container Registry whether
// a repository of theirs exists. None does: repositories cannot be created
// here, and every other operation says so.
//
// There is no state.
package ecr
