// Package wiretest proves the codecs with botocore's protocol vectors, run in
// reverse: what a client would send must decode to what it meant, and what a
// server means must encode to what the client expects.
//
// It holds tests only. The vectors are not part of the tree: the environment
// variable MOLN_VECTORS names a directory that holds an unpacked botocore source
// distribution (botocore-*/tests/unit/protocols); without it the tests skip.
package wiretest
