// Package fn is what Lambda knows of its functions: how they are named, what is
// kept of them and under which keys, who may use them, and the words of the
// faults about them. It runs nothing and answers no request.
package fn
