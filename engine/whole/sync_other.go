//go:build !linux

package whole

import (
	"io/fs"
	"os"
	"path/filepath"
)

// sync makes everything below dir durable.
func sync(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
