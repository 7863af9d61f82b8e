package checks

import (
	"slices"
	"strings"
	"testing"
)

// mayImport says, for each floor, which other floors its packages may import.
// Do not change this to fix a build: move the code.
var mayImport = map[string][]string{
	"aws": {},
	// runtimes is part of the engine's floor: the interpreters that sandboxes
	// start, in a folder of its own because it holds files to embed.
	"engine":   {"runtimes"},
	"runtimes": {"engine"},
	"wire":     {"aws"},
	"api":      {"aws"},
	"gen":      {"aws"},
	"platform": {"aws", "engine", "wire"},
	"services": {"aws", "engine", "wire", "api", "platform", "runtimes"},
	"console":  {},
	"server":   {"aws", "engine", "wire", "api", "platform", "services", "console", "runtimes"},
	"cmd":      {"server", "engine", "platform"},
	"checks":   {},
	"e2e":      {"server", "engine"},
	"bench":    {"server", "engine", "aws", "api", "wire", "platform", "runtimes"},
}

// testsMayImport adds what only tests reach for.
var testsMayImport = map[string][]string{
	"checks": {"server", "api", "services", "platform", "aws", "wire", "gen", "engine"},
	"wire":   {"aws"},
	"e2e":    {"server", "engine", "api", "aws", "cmd"},
}

func TestFloors(t *testing.T) {
	files, _ := tree()
	for _, f := range files {
		from := floor(f.dir)
		allowed, known := mayImport[from]
		if !known {
			t.Errorf("%s: the folder %q is on no floor; give it one in mayImport", f.path, from)
			continue
		}
		for _, imp := range imports(f) {
			to := floor(imp)
			ok := to == from || slices.Contains(allowed, to) || (f.test && slices.Contains(testsMayImport[from], to))
			if !ok {
				t.Errorf("%s (floor %s) imports %s (floor %s)", f.path, from, imp, to)
			}
		}
	}
}

// TestServicesAreStrangers: services speak to each other through
// platform/service.Invoke with the other's descriptors.
func TestServicesAreStrangers(t *testing.T) {
	files, _ := tree()
	for _, f := range files {
		own, ok := serviceOf(f.dir)
		if !ok {
			continue
		}
		for _, imp := range imports(f) {
			if other, ok := serviceOf(imp); ok && other != own {
				t.Errorf("%s imports the sibling %s", f.path, imp)
			}
		}
	}
}

func serviceOf(dir string) (string, bool) {
	rest, ok := strings.CutPrefix(dir, "services/")
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, "/")
	return name, true
}
