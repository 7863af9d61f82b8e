package archive

import (
	"errors"
	"strings"
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
	return escapes(err)
}

// escapes says that os.Root was asked to leave its directory; it has no error
// value for that.
func escapes(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "path escapes from parent")
}
