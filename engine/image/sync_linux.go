package image

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync makes everything below dir durable, with all else on its file system:
// one call instead of one for each of many thousand files.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
