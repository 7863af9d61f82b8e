// Package pipeline is the data plane of REST APIs: a deployment's snapshot
// compiled into an immutable API value that answers requests.
//
// A request passes the same steps in the same order as at AWS: resource match,
// resource policy and authorizer, request validation, integration request,
// integration, integration response, method response; what fails on the way is
// worded by the gateway responses. Everything that can be parsed is parsed by
// Compile, and what could not be served does not compile.
//
// It knows no store and no listener: what a request needs from its node is in
// Env, what it needs from its stage in Stage.
package pipeline
