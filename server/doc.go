// Package server puts moln together: it opens the engines, makes the services
// from one explicit list (services.go), binds what they need from each other,
// and listens.
//
// One port carries everything: AWS's APIs and data planes (platform/gateway),
// moln's own pages below /_moln/ (admin.go), and CONNECT and absolute-form
// proxy requests for tools that know nothing of endpoints (proxy.go).
//
// Nothing here decides about a request; nothing below knows this package.
// Several servers can live in one process.
package server
