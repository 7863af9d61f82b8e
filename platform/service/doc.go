// Package service is the contract between moln's services and everything that
// stands around them: the gateway that feeds them requests, CloudFormation that
// creates their resources, the documents and checks that list what they do.
//
// A service is a value, Definition, made by its New function from Deps. It
// names the generated API, one handler per operation (its Table), how a request
// maps to resource ARNs and condition keys (Authorize), CloudFormation resource
// types, data planes (Endpoints) and background work (Workers). Whatever else
// needs to know about a service reads that value.
//
// Services do not import each other. One calls another through Invoke with the
// other's generated descriptor; the call passes authorization, audit and
// metering exactly as a request over HTTP does.
//
// The package has no HTTP server, no storage and no policy of its own.
package service
