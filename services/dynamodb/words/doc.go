// Package words says in DynamoDB's words what is wrong with requests that break
// the model's constraints, where those are not the words that AWS's services
// share, and makes the faults that several of the service's packages answer. It
// decides nothing: such requests are refused in any case.
package words
