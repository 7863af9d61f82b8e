// Package whole makes directories that are there whole and durable, or not at all.
// It does not know what is in them, and removes none.
package whole

import "os"

// pattern is how directories in the making are called, as of os.MkdirTemp: what a
// process that was killed has left.
const pattern = "unpack-*"

// Make has fill make the content of a directory in temps, and when that is whole
// and durable gives it its name, final, on the same file system. All may read it.
func Make(temps, final string, fill func(temp string) error) error {
	temp, err := os.MkdirTemp(temps, pattern)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	if err := sync(temp); err != nil {
		return err
	}
	return os.Rename(temp, final)
}
