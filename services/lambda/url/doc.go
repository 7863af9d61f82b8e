// Package url is Lambda's function URLs: their configurations, and the HTTP
// that they serve. event.go makes the event of a request, answer.go the HTTP
// response of a function's answer, cors.go what browsers ask for; these decide
// and do nothing else. serve.go is the data plane.
//
// It runs no function (package run does) and keeps nothing but by package fn.
//
// # Invariants
//
//   - U1 A URL belongs to a function or one of its aliases, and goes with it.
//     Its id is random and never used again.
//   - U2 Every request is judged for lambda:InvokeFunctionUrl and for
//     lambda:InvokeFunction before the function hears of it; a preflight that
//     the URL's own CORS settings answer is not, and reaches no function.
//
// # Differences from AWS
//
// A URL is http://ID.lambda-url.REGION.localhost:PORT/, or below the name that
// this moln's endpoint has; any host name that begins so leads to it, that of
// AWS too, and so does the path /_aws/lambda-url/ID/. A streamed response is as fast as its reader.
package url
