package checks

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// Budgets, in lines without tests and generated code.
const (
	packageLinesMax     = 5000
	fileLinesMax        = 800
	functionLinesMax    = 70
	interfaceMethodsMax = 10
)

// exceptions to the budgets, each with its reason.
var exceptions = map[string]string{}

func TestPackageComments(t *testing.T) {
	files, _ := tree()
	has, dirs := map[string]int{}, map[string]bool{}
	for _, f := range files {
		if f.test {
			continue
		}
		dirs[f.dir] = true
		if f.file.Doc != nil {
			has[f.dir]++
		}
	}
	for dir := range dirs {
		if has[dir] != 1 {
			t.Errorf("%s: %d package comments, want exactly one", dir, has[dir])
		}
	}
}

func TestSizes(t *testing.T) {
	files, fset := tree()
	packages := map[string]int{}
	for _, f := range files {
		if f.test || f.generated {
			continue
		}
		packages[f.dir] += f.lines
		if f.lines > fileLinesMax && exceptions[f.path] == "" {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, fileLinesMax)
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body == nil {
					return true
				}
				lines := fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1
				if name := f.path + ":" + n.Name.Name; lines > functionLinesMax && exceptions[name] == "" {
					t.Errorf("%s has %d lines, more than %d", name, lines, functionLinesMax)
				}
			case *ast.InterfaceType:
				if m := n.Methods.NumFields(); m > interfaceMethodsMax {
					t.Errorf("%s: an interface of %d methods, more than %d", fset.Position(n.Pos()), m, interfaceMethodsMax)
				}
			}
			return true
		})
	}
	for dir, lines := range packages {
		if lines > packageLinesMax && exceptions[dir] == "" {
			t.Errorf("%s has %d lines, more than %d", dir, lines, packageLinesMax)
		}
	}
}

// initOf is the one package with an init function: it ends the process where that
// is the helper of a sandbox, and registers nothing (docs/adr/0012).
const initOf = "engine/sandbox/nssandbox/inside"

// TestNoInit: what is in the binary is a list in server/services.go, and two
// servers live in one process.
func TestNoInit(t *testing.T) {
	files, _ := tree()
	for _, f := range files {
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && f.dir != initOf {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

// forbidden are calls that a floor must not make, and what to use instead.
var forbidden = []struct{ floor, pkg, name, instead string }{
	{"services", "time", "Now", "c.Now or Deps.Clock"},
	{"services", "time", "Sleep", "clock.Sleep or a scheduled job"},
	{"services", "time", "After", "Deps.Clock.After"},
	{"services", "os", "Getenv", "the configuration"},
	{"platform", "os", "Getenv", "the configuration"},
	{"aws", "time", "Now", "a parameter"},
	{"wire", "time", "Now", "a parameter"},
}

func TestForbiddenCalls(t *testing.T) {
	files, fset := tree()
	for _, f := range files {
		if f.test {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || x.Obj != nil {
				return true
			}
			for _, r := range forbidden {
				if r.floor == floor(f.dir) && r.pkg == x.Name && r.name == sel.Sel.Name {
					t.Errorf("%s: %s.%s is forbidden in %s/; use %s", fset.Position(n.Pos()), r.pkg, r.name, r.floor, r.instead)
				}
			}
			return true
		})
	}
}

// TestRandomnessHasOneSource: services take it from Deps.Ident.
func TestRandomnessHasOneSource(t *testing.T) {
	files, _ := tree()
	for _, f := range files {
		if f.test || floor(f.dir) != "services" {
			continue
		}
		for _, i := range f.file.Imports {
			p := strings.Trim(i.Path.Value, `"`)
			if (p == "math/rand" || p == "math/rand/v2") || (p == "crypto/rand" && !slices.Contains(cryptoRandUsers, f.path)) {
				t.Errorf("%s imports %s; use Deps.Ident", f.path, p)
			}
		}
	}
}

// cryptoRandUsers may read crypto/rand: libraries that they call demand a reader.
var cryptoRandUsers = []string{"services/kms/material/material.go", "services/cognitoidp/token.go", "services/cognitoidentity/openid.go", "services/sns/envelope/key.go"}

// TestNames: a name tells the subject, not the history of the work.
func TestNames(t *testing.T) {
	files, _ := tree()
	for _, f := range files {
		base := f.path[strings.LastIndexByte(f.path, '/')+1:]
		for _, bad := range []string{"util", "common", "misc", "phase", "coverage_test", "issue"} {
			if strings.Contains(base, bad) {
				t.Errorf("%s: %q says nothing about the subject", f.path, bad)
			}
		}
		if last := f.dir[strings.LastIndexByte(f.dir, '/')+1:]; slices.Contains([]string{"util", "utils", "common", "helpers", "shared"}, last) {
			t.Errorf("%s: a package named %q has no subject", f.path, last)
		}
	}
}
