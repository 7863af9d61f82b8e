package runtimes

import (
	"context"
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

const (
	askTimeout = 10 * time.Second
	askAtOnce  = 4
)

// Interpreter is one that this host has.
type Interpreter struct {
	Language Language
	Version  string // such as "20.20.2"
	Path     string // the real program, no shim or link
	// Mounts is what a sandbox needs besides the system's own directories.
	Mounts []sandbox.Mount
	// Support is a directory of the host with what the language's bootstrap
	// needs ready-made; "" where it needs nothing. See Finder.
	Support string `json:"-"`
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

// UsualDirs are the version managers' directories below a home directory, for
// Discover.
func UsualDirs(home string) []string {
	return []string{
		filepath.Join(home, ".pyenv/versions/*/bin"), filepath.Join(home, ".nvm/versions/node/*/bin"),
		filepath.Join(home, ".local/share/mise/installs/*/*/bin"), filepath.Join(home, ".asdf/installs/*/*/bin"),
		filepath.Join(home, ".local/share/fnm/node-versions/*/installation/bin"),
		filepath.Join(home, ".rbenv/versions/*/bin"), filepath.Join(home, ".rubies/*/bin"),
		filepath.Join(home, ".sdkman/candidates/java/*/bin"), "/usr/lib/jvm/*/bin",
		"/usr/local/bin", "/usr/bin", "/opt/homebrew/bin",
	}
}

// Discover asks every interpreter on path (as in $PATH) and in dirs, which may
// be patterns, for its version. The result is sorted, newest first, one entry a
// program. What does not answer is left out.
func Discover(ctx context.Context, path string, dirs []string) []Interpreter {
	return discover(candidates(append(filepath.SplitList(path), dirs...), nil), func(program string, language Language) (Interpreter, error) {
		return ask(ctx, program, language)
	})
}

// discover asks each candidate, a few at once.
func discover(candidates map[string]Language, ask func(string, Language) (Interpreter, error)) []Interpreter {
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
			i, err := ask(program, language)
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

// candidates are the programs in dirs that may be interpreters, by what their
// name says they are. only bounds the languages; nil stands for all.
func candidates(dirs []string, only func(Language) bool) map[string]Language {
	found := map[string]Language{}
	for _, pattern := range dirs {
		matches, _ := filepath.Glob(pattern)
		for _, dir := range matches {
			look(dir, only, found)
		}
	}
	return found
}

// look adds the interpreters of one directory, links resolved.
func look(dir string, only func(Language) bool, found map[string]Language) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		language := languageOf(e.Name())
		if language == "" || only != nil && !only(language) {
			continue
		}
		program, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if st, err := os.Stat(program); err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
			continue
		}
		found[program] = language
	}
}

func ask(ctx context.Context, program string, language Language) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	l := languages[language]
	out, err := exec.CommandContext(ctx, program, l.question...).CombinedOutput()
	if err != nil {
		return Interpreter{}, fmt.Errorf("runtimes: %s: %w", program, err)
	}
	told, err := l.answer(out)
	if err != nil {
		return Interpreter{}, fmt.Errorf("runtimes: %s: %w", program, err)
	}
	i := Interpreter{Language: language, Version: told.Version, Path: told.Program}
	if i.rank() < l.oldest {
		return i, fmt.Errorf("runtimes: %s %s is too old", language, told.Version)
	}
	i.Mounts, err = mountsFor(told.Prefix, told.Program)
	for _, dir := range told.Further {
		i.Mounts = append(i.Mounts, sandbox.Mount{Source: dir, Target: dir, ReadOnly: true})
	}
	return i, err
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
