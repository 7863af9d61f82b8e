// Package gateway carries a request through moln in one order that nothing can
// skip: route, authenticate, decode, validate, authorize, call, encode, record.
//
// It is driven by the services' Definitions and their schema tables and knows no
// service by name, with one exception that AWS itself makes: S3 is what answers
// a request that nobody else claims, and its buckets may stand in the host name.
//
// Gateway is also the service.Backend: calls from one service to another enter
// at "authorize" and are recorded like requests from outside.
//
// Invariants:
//
//	G1  No handler runs before its checks were judged.
//	G2  Every request gets a request id, one audit record and one metric.
//	G3  A fault is written in the protocol that the client spoke; any other error
//	    is logged once with the request id and answered as InternalFailure.
//	G4  A panic in a handler is G3's other error; it takes no other request down.
//	G5  A denial's audit record holds the reasons; the caller gets AWS's text.
//
// It stores nothing and holds no session; it is not a proxy (server does that).
package gateway
