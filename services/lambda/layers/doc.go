// Package layers is Lambda's layers: packages with versions of their own that
// functions put below /opt. Here are their operations and policies, and what a
// function may use of them.
//
// It does not put layers over each other (code does) and does not know which
// functions have one: a version that is deleted stays with those who have it.
//
// # Invariants
//
//   - Y1 A version's number is never given again, whatever is deleted.
//   - Y2 A function gets a version only if it is there at the moment the
//     function is stored, and its owner's policy lets the caller have it.
package layers
