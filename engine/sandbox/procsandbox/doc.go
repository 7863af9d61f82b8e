// Package procsandbox is the sandbox driver of last resort: a plain process in a
// session of its own, for systems without namespaces and for debugging. It keeps
// the environment clean and ends what it started, and isolates nothing: the guest
// sees the host's files, processes and network with the daemon's rights. Its
// Isolation says so.
//
// Sandbox paths live below a directory of the host; the references of package
// sandbox carry the guest there.
package procsandbox
