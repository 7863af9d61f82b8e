package whole

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestMake(t *testing.T) {
	temps := t.TempDir()
	final := filepath.Join(t.TempDir(), "final")
	broken := errors.New("broken")
	write := func(temp string) error { return os.WriteFile(filepath.Join(temp, "file"), []byte("text"), 0o600) }
	err := Make(temps, final, func(temp string) error { return errors.Join(write(temp), broken) })
	if !errors.Is(err, broken) {
		t.Errorf("a directory that could not be filled: %v", err)
	}
	if _, err := os.Stat(final); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a directory is there: %v", err)
	}
	if err := Make(temps, final, write); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(final, "file")); err != nil || string(data) != "text" {
		t.Errorf("the directory has %q, %v", data, err)
	}
	if info, err := os.Stat(final); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(temps); len(left) > 0 {
		t.Errorf("%s was left", left[0].Name())
	}
}
