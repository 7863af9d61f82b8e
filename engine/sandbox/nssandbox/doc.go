// Package nssandbox is the default sandbox driver: Linux namespaces, a
// read-only root made of bind mounts, no capabilities, a seccomp filter, control
// groups. It is pure Go and works for root and for ordinary users.
//
// It is a shared-kernel sandbox. It is not meant to hold guests that have a
// kernel exploit; a virtual machine is.
//
// # How a guest starts
//
// Start runs the daemon's own program again under the name of the helper, already
// in fresh user, pid, mount, network, ipc and uts namespaces and a control group.
// Two such helpers wait in stock, and serve one sandbox each. Package inside is the
// helper and says how it comes to run. It is process 1 there. One of its
// threads moves to a second mount namespace, builds the guest's root, pivots,
// gives up every privilege and starts the guest, which inherits that state. The
// helper itself keeps the daemon's view of files, so that code can still be
// mounted into a running guest (Spec.Late) until Seal; it is not dumpable and
// holds capabilities the guest lacks, so the guest can neither trace it nor look
// through its /proc entries. It reaps, reports the exit, and ends with the
// guest or with the daemon.
//
// With an OCI runtime (NewOCI, package ocisandbox) the helper does the same up to
// the root, which it leaves beside the bundle instead of pivoting into it; the
// runtime, a child of the helper without rights on the host, does the rest. This
// helper is started by Main, which must be called first thing in main.
//
// # Invariants
//
//   - N1 No mount call is made unless the mount namespace of the calling thread
//     differs from the daemon's, which the daemon passes by inode twice: in the
//     environment and in the set-up message.
//   - N2 The root is pivoted only in the second namespace, which differs from
//     the helper's first one too.
//   - N3 As root, each sandbox has a host user of its own (with a runtime three),
//     out of a range that owns no files.
package nssandbox
