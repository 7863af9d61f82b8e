package whole

import (
	"os"

	"golang.org/x/sys/unix"
)

// sync makes everything below dir durable: one call for the file system is
// far cheaper than one for each of ten thousand files.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
