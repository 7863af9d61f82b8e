package runtimes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script makes a program that answers as an interpreter does, and counts.
func script(t *testing.T, dir, name, version, prefix string) (file, count string) {
	t.Helper()
	count = filepath.Join(t.TempDir(), "count")
	file = filepath.Join(dir, name)
	text := "#!/bin/sh\necho asked >>" + count + "\nprintf '{\"v\":\"" + version + "\",\"p\":\"" + file + "\",\"r\":\"" + prefix + "\"}\\n'\n"
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file, count
}

func times(count string) int {
	data, _ := os.ReadFile(count)
	return strings.Count(string(data), "asked")
}

// TestFinderAsksOnce: an answer is kept over restarts until the program changes,
// and only the language in need is asked.
func TestFinderAsksOnce(t *testing.T) {
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	node, nodes := script(t, dir, "node", "22.1.0", dir)
	_, pythons := script(t, dir, "python3", "3.12.1", dir)
	_, old := script(t, dir, "nodejs", "4.0.0", dir)
	for range 2 {
		f := NewFinder(dir, nil, cache)
		for range 2 {
			c, err := f.Resolve("nodejs22.x")
			if err != nil || c.Interpreter.Path != node || !c.Exact {
				t.Fatalf("%+v, %v", c, err)
			}
		}
	}
	if times(nodes) != 1 || times(old) != 1 || times(pythons) != 0 {
		t.Errorf("node was asked %d times, the old one %d, python %d", times(nodes), times(old), times(pythons))
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(node, later, later); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFinder(dir, nil, cache).Resolve("nodejs22.x"); err != nil || times(nodes) != 2 || times(old) != 1 {
		t.Errorf("%v; after a change asked %d times, the other %d", err, times(nodes), times(old))
	}
	if err := os.Remove(node); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	if _, err := NewFinder(dir, nil, cache).Resolve("nodejs22.x"); !errors.As(err, &missing) {
		t.Errorf("a program that is gone: %v", err)
	}
}

// TestFinderDamagedCache: a file that cannot be read is as good as none.
func TestFinderDamagedCache(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	script(t, dir, "node", "22.1.0", dir)
	for _, text := range []string{"{", "null", "[]", `{"` + dir + `/node":{}}`} {
		if err := os.WriteFile(filepath.Join(cache, "interpreters-nodejs.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if list := NewFinder(dir, nil, cache).Interpreters(Node); len(list) != 1 {
			t.Errorf("%s: %v", text, list)
		}
	}
}

// TestJavaNeedsCompiler: a JVM without any compiler is named as such.
func TestJavaNeedsCompiler(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "#!/bin/sh\nprintf '    java.home = " + dir + "\\n    java.version = 21.0.2\\n' >&2\n"
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	f := NewFinder(bin, nil, t.TempDir())
	if list := f.Interpreters(Java); len(list) != 1 || list[0].Version != "21.0.2" {
		t.Fatalf("%+v", list)
	}
	var missing *MissingError
	if _, err := f.Resolve("java21"); !errors.As(err, &missing) || !strings.Contains(missing.Need, "JDK") {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	for id, want := range map[string]string{
		"dotnet8": "Amazon.Lambda.RuntimeSupport", "go1.x": "provided.al2023", "ruby3.3": "install Ruby", "java21": "install Java",
	} {
		var missing *MissingError
		if _, err := NewFinder("", nil, t.TempDir()).Resolve(id); !errors.As(err, &missing) || !strings.Contains(missing.Need, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestJavaNumber(t *testing.T) {
	for text, want := range map[string]string{"1.8.0_392": "8.0.392", "17.0.15": "17.0.15", "25": "25", "22-ea": "22"} {
		if got := javaNumber(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestCommandFor(t *testing.T) {
	l := Launch{Command: []string{"java", "-Xmx" + heapArgument, "Main"}, HeapPercent: 80}
	if got := strings.Join(l.CommandFor(128<<20), " "); got != "java -Xmx104857k Main" {
		t.Error(got)
	}
	if got := strings.Join(l.CommandFor(0), " "); got != "java Main" {
		t.Error(got)
	}
}

// FuzzJavaAnswer: whatever a program prints is an answer or an error.
func FuzzJavaAnswer(f *testing.F) {
	f.Add([]byte("    java.home = /usr\n    java.version = 17.0.1\n"))
	f.Fuzz(func(t *testing.T, output []byte) {
		if a, err := javaAnswer(output); err == nil && (a.Version == "" && a.Prefix == "") {
			t.Error("no answer and no error")
		}
	})
}
