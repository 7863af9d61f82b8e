package runtimes

import (
	"fmt"

	"moln.dev/moln/engine/sandbox"
)

// How a debugger is reached. The process that has InspectVariable opens its
// debugger, carries the debugger's connections to InspectAddress, where the host
// listens, and waits for a client before it loads the function.
const (
	InspectVariable = "MOLN_INSPECT"
	InspectAddress  = "127.0.0.1:9002"
)

// CanInspect says which languages' bootstraps can.
func CanInspect(l Language) bool { return l == Node || l == Python }

// InspectReference is the variable's value: where the host listens, and the port
// that clients use, which is the debugger's own where it is free.
func InspectReference(port int) string {
	return fmt.Sprintf("%s,%d", sandbox.ListenRef(InspectAddress), port)
}
