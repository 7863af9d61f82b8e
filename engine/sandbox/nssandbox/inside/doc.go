// Package inside is the program that runs in a sandbox before its guest: the
// helper of package nssandbox, and the messages between the two. It is not the
// driver, and decides nothing: what to build is in the Setup.
//
// # Why it takes over while packages are initialised
//
// The helper is the daemon's own program again, so that there is no second file
// to install. But that program initialises hundreds of packages before main, for
// over 10 ms and 5 MB, which every sandbox would pay for. So this package's
// initialisation looks at the name that the program was started under, and where
// that is the helper's, does the helper's work and ends the process. The linker
// initialises packages in the order of their names as soon as their imports are,
// so that one with few imports comes long before those that take long. Hence the
// rule, which a test holds: only those packages of the standard library are
// imported that come early themselves. Neither strings nor golang.org/x/sys is
// one. Nothing but speed depends on the order.
//
// A helper with work that needs more, as for an OCI runtime, starts under another
// name and calls Run from main.
package inside
