// Package runtimeapi is the server side of the Runtime API: the small HTTP/1.1
// protocol by which a language runtime asks for work and answers it. One Server
// serves one execution environment.
//
// The HTTP is written by hand, because on this path net/http costs as much as
// everything else together; it is complete for what clients send: kept-open and
// pipelined connections, chunked bodies with trailers, Expect: 100-continue.
// It is no general web server. It knows nothing of functions, processes or
// timeouts; the pool does.
//
// # States
//
// starting -> ready -> running -> answered -> ready …, and starting -> failed
// by init/error. A request that does not fit the state is refused with 403; a
// runtime parked in next whose connection breaks is noticed, and its place is
// free for a new one. The response to an invocation that came with a Sink is
// handed on as it arrives, in the state streaming between running and answered;
// nothing else is taken meanwhile.
package runtimeapi
