package archive

import (
	"os"
	"path/filepath"
	"testing"
)

// tree makes a directory of names and contents; "->x" is a link to x.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := cutArrow(files[i+1]); ok {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(files[i+1]), 0o444)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func cutArrow(s string) (string, bool) {
	if len(s) > 2 && s[:2] == "->" {
		return s[2:], true
	}
	return s, false
}

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name  string
		trees [][]string
		want  map[string]string // "" is: not there
	}{
		{"later wins", [][]string{{"a", "1", "d/x", "1"}, {"a", "2", "d/y", "2"}, {"d/y", "3"}}, map[string]string{"a": "2", "d/x": "1", "d/y": "3"}},
		{"file over directory", [][]string{{"d/x", "1"}, {"d", "2"}}, map[string]string{"d": "2", "d/x": ""}},
		{"directory over file", [][]string{{"d", "1"}, {"d/x", "2"}}, map[string]string{"d/x": "2"}},
		{"directory over link", [][]string{{"real/y", "1", "d", "->real"}, {"d/x", "2"}}, map[string]string{"d/x": "2", "real/x": "", "d/y": ""}},
		{"link stays", [][]string{{"a", "1"}, {"l", "->a"}}, map[string]string{"l": "1"}},
		{"link that leaves through another", [][]string{{"q/r/z", "1", "p", "->q/r/../../a", "a", "1"}, {"q", "->w", "w/r", "->."}}, map[string]string{"a": "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs []string
			for _, files := range c.trees {
				dirs = append(dirs, tree(t, files...))
			}
			into := t.TempDir()
			if err := Merge(dirs, into); err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				got, _ := os.ReadFile(filepath.Join(into, name))
				if string(got) != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
	t.Run("link out", func(t *testing.T) {
		into := t.TempDir()
		if err := Merge([]string{tree(t, "l", "->../../../etc"), tree(t, "a", "1")}, into); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(into, "l")); err == nil {
			t.Error("a link that leaves was kept")
		}
	})
}
