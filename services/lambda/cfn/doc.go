// Package cfn is Lambda's part of CloudFormation: how the resources of type
// AWS::Lambda::* become requests to Lambda. It keeps nothing, and asks no more
// than any client of the API could.
package cfn
