// Package apigateway is API Gateway's REST APIs: the API that defines them and
// the data plane that serves their stages.
//
// An API is edited freely; a deployment freezes all of it into a snapshot that
// never changes; a stage points at a deployment. Requests are served from the
// snapshot alone, compiled once by package pipeline. Mapping templates are
// package vtl's.
//
// # State (keys are tuples; account and region come first)
//
//	a, api                  -> the API with tags and policy
//	r, api, resource        -> resource with its methods and integrations
//	m, api, name            -> model
//	v, api, id              -> request validator
//	z, api, id              -> authorizer
//	g, api, type            -> gateway response
//	d, api, id              -> deployment
//	p, api, deployment, n   -> a part of the deployment's snapshot
//	s, api, stage           -> stage
//
// One key has no account in front: "api", id -> where the API is, for requests
// that name nothing but it.
//
// # Invariants
//
//	A1  Sibling resources have different path parts, at most one of them a
//	    variable; nothing is below a greedy one.
//	A2  A deployment's snapshot is never written twice.
//	A3  A deployment that a stage points at is not deleted.
//	A4  What cannot be served cannot be deployed: CreateDeployment compiles the
//	    snapshot and refuses it with the reason.
//
// # Differences from AWS
//
// Refused where they are set: AWS_IAM methods, API keys, HTTP integrations and
// VPC links, AWS integrations with other services than Lambda, response
// streaming, private endpoints, caches, throttling, execution and access logs,
// tracing, canaries, compression, client certificates. Edge APIs are served as
// regional ones are. Not there: domain names, usage plans, documentation, import
// and export (the table says so).
package apigateway
