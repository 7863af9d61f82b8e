package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"moln.dev/moln/engine/sandbox"
)

// Language is a family of interpreters.
type Language string

// The languages with a bootstrap here.
const (
	Node   Language = "nodejs"
	Python Language = "python"
)

const (
	askTimeout = 10 * time.Second
	askAtOnce  = 4
	// nodeMajorMin and pythonMinorMin are the oldest the bootstraps run on.
	nodeMajorMin   = 18
	pythonMinorMin = 8
)

// Interpreter is one that this host has.
type Interpreter struct {
	Language Language
	Version  string // such as "20.20.2"
	Path     string // the real program, no shim or link
	// Mounts is what a sandbox needs besides the system's own directories.
	Mounts []sandbox.Mount
}

func (i Interpreter) number(part int) int {
	parts := strings.Split(i.Version, ".")
	if part >= len(parts) {
		return 0
	}
	n, _ := strconv.Atoi(parts[part])
	return n
}

func (i Interpreter) majorText() string { return strconv.Itoa(i.number(0)) }

// rank orders versions within a language as its runtime identifiers do.
func (i Interpreter) rank() int {
	if i.Language == Python {
		return i.number(0)*100 + i.number(1)
	}
	return i.number(0)
}

// question makes an interpreter tell about itself. Shims pass it on to the
// program they stand for.
var question = map[Language][]string{
	Node: {"-p", `JSON.stringify({v:process.versions.node,p:require("fs").realpathSync(process.execPath),r:""})`},
	Python: {"-S", "-c", `import json,os,sys;print(json.dumps({"v":"%d.%d.%d"%sys.version_info[:3],` +
		`"p":os.path.realpath(getattr(sys,"_base_executable",sys.executable)),"r":sys.base_prefix}))`},
}

// UsualDirs are the version managers' directories below a home directory, for
// Discover.
func UsualDirs(home string) []string {
	return []string{
		filepath.Join(home, ".pyenv/versions/*/bin"), filepath.Join(home, ".nvm/versions/node/*/bin"),
		filepath.Join(home, ".local/share/mise/installs/*/*/bin"), filepath.Join(home, ".asdf/installs/*/*/bin"),
		filepath.Join(home, ".local/share/fnm/node-versions/*/installation/bin"),
		"/usr/local/bin", "/usr/bin", "/opt/homebrew/bin",
	}
}

// Discover asks every interpreter on path (as in $PATH) and in dirs, which may
// be patterns, for its version. The result is sorted, newest first, one entry a
// program. What does not answer is left out.
func Discover(ctx context.Context, path string, dirs []string) []Interpreter {
	candidates := map[string]Language{}
	for _, pattern := range append(filepath.SplitList(path), dirs...) {
		matches, _ := filepath.Glob(pattern)
		for _, dir := range matches {
			look(dir, candidates)
		}
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		slots = make(chan struct{}, askAtOnce)
		found = map[string]Interpreter{}
	)
	for program, language := range candidates {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			i, err := ask(ctx, program, language)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[i.Path] = i
		})
	}
	wg.Wait()
	list := make([]Interpreter, 0, len(found))
	for _, i := range found {
		list = append(list, i)
	}
	sort.Slice(list, func(a, b int) bool { return before(list[a], list[b]) })
	return list
}

// before sorts by language, then newest first, then system programs first: they
// need no mount of their own.
func before(a, b Interpreter) bool {
	if a.Language != b.Language {
		return a.Language < b.Language
	}
	for part := range 3 {
		if a.number(part) != b.number(part) {
			return a.number(part) > b.number(part)
		}
	}
	if len(a.Mounts) != len(b.Mounts) {
		return len(a.Mounts) < len(b.Mounts)
	}
	return a.Path < b.Path
}

// look adds the interpreters of one directory, links resolved.
func look(dir string, candidates map[string]Language) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		language := languageOf(e.Name())
		if language == "" {
			continue
		}
		program, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if st, err := os.Stat(program); err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
			continue
		}
		candidates[program] = language
	}
}

// languageOf recognises node, nodejs, python3 and python3.N.
func languageOf(name string) Language {
	if name == "node" || name == "nodejs" {
		return Node
	}
	rest, ok := strings.CutPrefix(name, "python3")
	if !ok {
		return ""
	}
	minor, dotted := strings.CutPrefix(rest, ".")
	if _, err := strconv.Atoi(minor); rest == "" || (dotted && err == nil) {
		return Python
	}
	return ""
}

func ask(ctx context.Context, program string, language Language) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, question[language]...).Output()
	if err != nil {
		return Interpreter{}, fmt.Errorf("runtimes: %s: %w", program, err)
	}
	var told struct{ V, P, R string }
	if err := json.Unmarshal(out, &told); err != nil {
		return Interpreter{}, fmt.Errorf("runtimes: %s: %w", program, err)
	}
	i := Interpreter{Language: language, Version: told.V, Path: told.P}
	if !i.supported() {
		return i, fmt.Errorf("runtimes: %s %s is too old", language, told.V)
	}
	prefix := told.R
	if language == Node {
		prefix = filepath.Dir(filepath.Dir(told.P))
	}
	i.Mounts, err = mountsFor(prefix, told.P)
	return i, err
}

func (i Interpreter) supported() bool {
	if i.Language == Python {
		return i.number(0) == 3 && i.number(1) >= pythonMinorMin
	}
	return i.number(0) >= nodeMajorMin
}

// systemDirs are in every sandbox.
var systemDirs = []string{"/usr", "/bin", "/lib", "/lib64", "/sbin"}

// mountsFor says what must be mounted for a program with that prefix. A prefix
// so short that it holds more than the interpreter is refused.
func mountsFor(prefix, program string) ([]sandbox.Mount, error) {
	prefix = filepath.Clean(prefix)
	if under(program, systemDirs) && under(prefix, systemDirs) {
		return nil, nil
	}
	if strings.Count(prefix, "/") < 2 || !under(program, []string{prefix}) {
		return nil, fmt.Errorf("runtimes: %s lies in %s, which is not the interpreter's alone", program, prefix)
	}
	return []sandbox.Mount{{Source: prefix, Target: prefix, ReadOnly: true}}, nil
}

func under(name string, dirs []string) bool {
	for _, dir := range dirs {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}
