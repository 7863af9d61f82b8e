package nssandbox

import (
	"os"

	"moln.dev/moln/engine/sandbox/nssandbox/inside"
)

// ociHelperName is argv[0] of a helper that lets an OCI runtime start the guest.
const ociHelperName = "moln-sandbox-oci"

// Main runs the sandbox helper for OCI runtimes and does not return when this
// process was started as one; else it returns at once. Call it first thing in
// main and in TestMain. The other helper, package inside, runs before.
func Main() {
	if len(os.Args) > 0 && os.Args[0] == ociHelperName {
		inside.Run(&stage{})
	}
}
