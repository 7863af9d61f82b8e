package archive

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zipOf makes a package of names and contents.
func zipOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// evil makes a package of one entry with any name and mode.
func evil(t testing.TB, name string, mode os.FileMode, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	w, err := z.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackRefuses(t *testing.T) {
	good := zipOf(t, "index.js", strings.Repeat("code ", 100))
	damaged := bytes.Clone(good)
	damaged[45] ^= 0xff
	for name, data := range map[string][]byte{
		"not a zip":          []byte("hello"),
		"no entries":         zipOf(t),
		"damaged":            damaged,
		"truncated":          good[:len(good)-10],
		"up":                 evil(t, "../x", 0o644, "x"),
		"up inside":          evil(t, "a/../../x", 0o644, "x"),
		"absolute":           evil(t, "/etc/x", 0o644, "x"),
		"backslash":          evil(t, `..\x`, 0o644, "x"),
		"link out":           evil(t, "l", os.ModeSymlink|0o777, "../../etc/passwd"),
		"link absolute":      evil(t, "l", os.ModeSymlink|0o777, "/etc/passwd"),
		"device":             evil(t, "d", os.ModeDevice|0o644, ""),
		"file and directory": zipOf(t, "a", "x", "a/b", "y"),
		"bomb":               evil(t, "zeros", 0o644, strings.Repeat("\x00", UnpackedMax+1)),
	} {
		dir := t.TempDir()
		_, err := Unpack(bytes.NewReader(data), int64(len(data)), dir)
		if _, ok := err.(Fault); !ok {
			t.Errorf("%s: %v", name, err)
		}
		outside, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "x"))
		if len(outside) > 0 {
			t.Errorf("%s left the directory", name)
		}
	}
}

func TestUnpackKeeps(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, mode os.FileMode, content string) {
		h := &zip.FileHeader{Name: name}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, content)
	}
	add("bin/run", 0o755, "#!")
	add("lib/data", 0o600, "data")
	add("lib/link", os.ModeSymlink|0o777, "../bin/run")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if n, err := Unpack(bytes.NewReader(b.Bytes()), int64(b.Len()), dir); err != nil || n.Bytes != 6 {
		t.Fatalf("%+v bytes, %v", n, err)
	}
	for name, want := range map[string]os.FileMode{"bin/run": 0o555, "lib/data": 0o444} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, st, err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "lib/link")); err != nil || string(got) != "#!" {
		t.Errorf("through the link: %q %v", got, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(zipOf(f, "a/b", "x"))
	f.Add(evil(f, "l", os.ModeSymlink|0o777, "a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		_, err := Unpack(bytes.NewReader(data), int64(len(data)), filepath.Join(dir))
		if _, ok := err.(Fault); err != nil && !ok {
			t.Errorf("an error of ours: %v", err)
		}
	})
}

func TestMachines(t *testing.T) {
	elf := func(machine byte) string {
		return "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 11) + string([]byte{machine, 0, 0})
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"a": elf(183), "b": "\x7fELF", "c": "text"} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Unpack(bytes.NewReader(b.Bytes()), int64(b.Len()), t.TempDir())
	if want := (Machines{ARM: true}); err != nil || got.Machines != want {
		t.Errorf("%+v, %v", got, err)
	}
}
