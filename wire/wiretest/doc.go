// Package wiretest proves the codecs with botocore's protocol vectors, run in
// reverse: what a client would send must decode to what it meant, and what a
// server means must encode to what the client expects. It also holds a small
// service of its own, in every shape that a model can have, for the codecs' own
// tests. Nothing but tests imports it.
//
// The vectors are not part of the tree: the environment variable MOLN_VECTORS
// names a directory that holds an unpacked botocore source distribution
// (botocore-*/tests/unit/protocols); without it the tests skip.
package wiretest
