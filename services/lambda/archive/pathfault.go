package archive

import (
	"errors"
	"syscall"
)

// isPathFault says that a path is impossible: a file where a directory should
// be, a name too long, a link out of the root.
func isPathFault(err error) bool {
	for _, e := range []error{syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENAMETOOLONG, syscall.ELOOP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return err != nil && err.Error() == "path escapes from parent"
}
