// Package provisioned is Lambda's provisioned concurrency: how many environments
// of a version or of an alias are to be ready before they are asked for, and the
// work of having them so.
//
// What is wanted is in the function's record; what is there only this process
// knows: every node of a cluster keeps its own environments.
package provisioned
