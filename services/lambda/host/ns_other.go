//go:build !linux

package host

import "errors"

// namespaceDriver says that there is none.
func namespaceDriver() (closer, error) {
	return nil, errors.New("namespaces are a feature of Linux")
}
