//go:build !linux

package archive

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Sync makes everything below dir durable.
func Sync(dir string) error {
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
