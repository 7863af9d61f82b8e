// Package oci knows how to ask an OCI runtime (crun, runc, gVisor's runsc) for a
// container: the bundle's config.json, and the command lines, which differ.
//
// It starts nothing and mounts nothing. The namespaces of user, network and
// processes are not in the bundle: whoever runs the runtime is already in those
// that the container is to have, so that the runtime itself has no rights on
// the host.
package oci
