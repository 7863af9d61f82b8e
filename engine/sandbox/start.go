package sandbox

import "errors"

// ErrNoRoot is the answer of a driver that cannot honour Spec.Root.
var ErrNoRoot = errors.New("sandbox: this driver gives no guest a root of its own")

// StartError says that everything was ready but the guest's program did not
// start: it is the fault of who named the program, not of the host.
type StartError struct {
	// Path is the program, or with Directory the working directory.
	Path      string `json:"path"`
	Directory bool   `json:"directory,omitempty"`
	// Reason is the system's word, such as "no such file or directory".
	Reason string `json:"reason"`
}

func (e *StartError) Error() string {
	if e.Directory {
		return "chdir " + e.Path + ": " + e.Reason
	}
	return "fork/exec " + e.Path + ": " + e.Reason
}
