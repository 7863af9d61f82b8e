// Package ocisandbox is the sandbox driver that starts guests through an OCI
// runtime of the host: crun, runc, gVisor's runsc, or another with runc's
// command line.
//
// It is nssandbox with another way to start the guest, so that both keep the
// same promises: the same helper makes the namespaces of users, processes and
// network, opens the listeners in the guest's network, furnishes the root and
// holds the control group. Then it hands over to the runtime, which enters the
// root, drops what is left of privileges and installs the seccomp filter of its
// own make. The runtime itself runs as an unprivileged user of the host; its
// state and the bundle lie in memory, in the sandbox's own mount namespace, so
// that nothing of them can outlive moln.
//
// One thing differs in what a guest sees: runtimes give it HOME, from its
// /etc/passwd, where its environment has none.
//
// With crun and runc the kernel is shared as with nssandbox. With runsc the guest
// meets gVisor's kernel, which takes tens of milliseconds and tens of megabytes
// apiece.
package ocisandbox
