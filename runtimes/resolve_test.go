package runtimes

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestResolve(t *testing.T) {
	host := Resolver{Interpreters: []Interpreter{
		{Language: Node, Version: "24.1.0", Path: "/n24"}, {Language: Node, Version: "20.3.1", Path: "/n20"},
		{Language: Python, Version: "3.13.0", Path: "/p13"}, {Language: Python, Version: "3.11.7", Path: "/p11"},
		{Language: Python, Version: "3.11.2", Path: "/p11old"},
	}}
	for _, tc := range []struct {
		id, path string
		exact    bool
	}{
		{"nodejs20.x", "/n20", true}, {"nodejs24.x", "/n24", true}, {"nodejs22.x", "/n24", false},
		{"nodejs4.3", "/n20", false}, {"nodejs", "/n20", false}, {"nodejs26.x", "/n24", false},
		{"python3.11", "/p11", true}, {"python3.12", "/p13", false}, {"python2.7", "/p11", false},
		{"python3.14", "/p13", false},
	} {
		got, err := host.Resolve(tc.id)
		if err != nil || got.Interpreter.Path != tc.path || got.Exact != tc.exact || (got.Warning == "") != tc.exact {
			t.Errorf("Resolve(%s) = %+v, %v", tc.id, got, err)
		}
	}
	if got, err := host.Resolve("provided.al2023"); err != nil || len(got.Launch.Command) == 0 || got.Launch.Assignable {
		t.Errorf("provided: %+v, %v", got, err)
	}
	var unknown *UnknownError
	if _, err := host.Resolve("nodejs21.x"); !errors.As(err, &unknown) {
		t.Errorf("nodejs21.x: %v", err)
	}
	var missing *MissingError
	for _, id := range []string{"java21", "ruby3.4", "go1.x"} {
		if _, err := host.Resolve(id); !errors.As(err, &missing) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := (Resolver{}).Resolve("nodejs20.x"); !errors.As(err, &missing) {
		t.Errorf("empty host: %v", err)
	}
}

func TestLanguageOf(t *testing.T) {
	for name, want := range map[string]Language{
		"node": Node, "nodejs": Node, "python3": Python, "python3.12": Python,
		"ruby": Ruby, "ruby3.1": Ruby, "rubygems": "", "java": Java, "javac": "", "python3-config": "", "python3.12-config": "", "python": "", "node-gyp": "", "python3.x": "",
	} {
		if got := languageOf(name); got != want {
			t.Errorf("languageOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestMountsFor(t *testing.T) {
	for _, tc := range []struct {
		prefix, program string
		mounts          int
		fails           bool
	}{
		{"/usr", "/usr/bin/node", 0, false},
		{"/home/u/.nvm/v20", "/home/u/.nvm/v20/bin/node", 1, false},
		{"/home", "/home/bin/node", 0, true},
		{"/", "/bin2/node", 0, true},
		{"/srv/a", "/srv/b/bin/python", 0, true},
	} {
		got, err := mountsFor(tc.prefix, tc.program)
		if len(got) != tc.mounts || (err != nil) != tc.fails {
			t.Errorf("mountsFor(%s, %s) = %v, %v", tc.prefix, tc.program, got, err)
		}
	}
}

func TestIsStartVariable(t *testing.T) {
	for name, want := range map[string]bool{
		"NODE_OPTIONS": true, "NODE_PATH": false, "NODE_ENV": false, "LD_PRELOAD": true, "PYTHONHASHSEED": true,
		"TABLE": false, "AWS_LAMBDA_EXEC_WRAPPER": true, "TZ": false, "LANG": true, "PATH": false,
	} {
		if got := IsStartVariable(name); got != want {
			t.Errorf("IsStartVariable(%s) = %v", name, got)
		}
	}
}

func TestDiscoverFindsRealPrograms(t *testing.T) {
	found := Discover(context.Background(), os.Getenv("PATH"), nil)
	if len(found) == 0 {
		t.Skip("this host has no interpreter")
	}
	for _, i := range found {
		magic := make([]byte, 2)
		f, err := os.Open(i.Path)
		if err != nil {
			t.Error(err)
			continue
		}
		_, _ = f.Read(magic)
		_ = f.Close()
		if string(magic) == "#!" {
			t.Errorf("%s is a script", i.Path)
		}
		t.Logf("%s %s %s %v", i.Language, i.Version, i.Path, i.Mounts)
	}
}
