package checks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "moln.dev/moln/"

// source is one parsed Go file of the tree.
type source struct {
	path      string // from the root, with slashes
	dir       string
	file      *ast.File
	lines     int
	test      bool
	generated bool
}

// tree parses the module once.
var tree = sync.OnceValues(func() ([]source, *token.FileSet) {
	fset := token.NewFileSet()
	var out []source
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if skipped(path, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		out = append(out, source{
			path: rel, dir: filepath.ToSlash(filepath.Dir(rel)), file: f,
			lines: strings.Count(string(text), "\n"), test: strings.HasSuffix(name, "_test.go"),
			generated: ast.IsGenerated(f),
		})
		return nil
	})
	if err != nil {
		panic(err)
	}
	return out, fset
})

// skipped leaves out what is not the module's own code. compat/ and bench/
// hold modules of their own.
func skipped(path, name string) bool {
	if name == "node_modules" || name == "testdata" || (strings.HasPrefix(name, ".") && name != "..") {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil && path != ".."
}

// floor is the first folder of a package's path.
func floor(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func imports(s source) []string {
	var out []string
	for _, i := range s.file.Imports {
		if p, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module); ok {
			out = append(out, p)
		}
	}
	return out
}

func TestTreeIsNotEmpty(t *testing.T) {
	files, _ := tree()
	if len(files) < 100 {
		t.Fatalf("parsed %d files; the walk is broken", len(files))
	}
}
