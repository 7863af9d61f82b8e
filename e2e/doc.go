// Package e2e holds the tests that a person could do at a terminal: scripts
// that start the built moln and type commands at it (testdata/script), and the
// kill test, which ends it with SIGKILL under load and looks for every write
// that it had acknowledged.
//
// The tests run the binary that MOLN_BIN names, or build one. They reach into
// no package of the server: what they see is what a client sees.
package e2e
