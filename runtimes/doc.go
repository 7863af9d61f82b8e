// Package runtimes knows the language interpreters: which ones this host has,
// which one serves a given runtime identifier, and how each is started with the
// bootstrap embedded here.
//
// It starts no function and holds no process; engine/pool does. The bootstraps
// in node/ and python/ speak the plain HTTP Runtime API over one kept-open
// socket, use nothing but their language's standard library, and follow the
// error bodies and log formats of the managed runtimes.
package runtimes
