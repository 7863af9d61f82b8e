package runtimes

import "moln.dev/moln/engine/sandbox"

// WrapperVariable names a program that starts a managed runtime in its own way.
const WrapperVariable = "AWS_LAMBDA_EXEC_WRAPPER"

// wrapScript puts the wrapper before the command, or says what is wrong with it,
// with a shell's status for that.
const wrapScript = `[ -f "$1" ] || { echo "$1: does not exist"; exit 127; }
[ -x "$1" ] || { echo "$1: is not an executable"; exit 126; }
exec "$@"`

// Wrap is the command with the program that wrapper names before it. Runtimes that
// functions bring with them are not wrapped.
func (l Launch) Wrap(wrapper string, command []string) []string {
	if wrapper == "" || !l.Managed {
		return command
	}
	return append([]string{"/bin/sh", "-c", wrapScript, "sh", sandbox.PathRef(wrapper)}, command...)
}
