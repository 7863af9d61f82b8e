package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// findTimeout bounds asking the interpreters of one language.
const findTimeout = 30 * time.Second

// Finder looks for interpreters at the first need, one language at a time. What
// a program answered is kept in a file, for as long as the program stays the
// same, so that a program is not started to learn what is known. Safe for
// concurrent use.
type Finder struct {
	path     string
	dirs     []string
	cacheDir string

	mu      sync.Mutex
	found   map[Language]*finding
	support func() (string, error)
}

type finding struct {
	once sync.Once
	list []Interpreter
}

// NewFinder looks in path (as in $PATH) and in dirs, which may be patterns.
// cacheDir is a directory of moln's own, which is made at need; with "" nothing
// is kept.
func NewFinder(path string, dirs []string, cacheDir string) *Finder {
	f := &Finder{path: path, dirs: dirs, cacheDir: cacheDir, found: map[Language]*finding{}}
	f.support = sync.OnceValues(func() (string, error) {
		dir := f.cacheDir
		if dir == "" {
			var err error
			if dir, err = os.MkdirTemp("", "moln-runtimes-"); err != nil {
				return "", err
			}
		}
		return buildJava(context.Background(), dir, f.Interpreters(Java))
	})
	return f
}

// HostFinder looks where this host's users and packages put interpreters: in dir
// and dir/*/bin if there is a dir, on $PATH, and in UsualDirs.
func HostFinder(dir, cacheDir string) *Finder {
	home, _ := os.UserHomeDir()
	dirs := UsualDirs(home)
	if dir != "" {
		dirs = append([]string{dir, dir + "/bin", dir + "/*/bin"}, dirs...)
	}
	return NewFinder(os.Getenv("PATH"), dirs, cacheDir)
}

// UserCacheDir is a cacheDir for those that have no directory of their own; ""
// where the user has none either.
func UserCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "moln", "runtimes")
}

// Interpreters lists those of one language, newest first. It asks once.
func (f *Finder) Interpreters(l Language) []Interpreter {
	f.mu.Lock()
	one := f.found[l]
	if one == nil {
		one = &finding{}
		f.found[l] = one
	}
	f.mu.Unlock()
	one.once.Do(func() { one.list = f.find(l) })
	return one.list
}

// All lists the interpreters of every language.
func (f *Finder) All() []Interpreter {
	var list []Interpreter
	for _, l := range Languages() {
		list = append(list, f.Interpreters(l)...)
	}
	return list
}

// Resolve finds what serves the identifier, as Resolver does, asking only the
// interpreters of its language. For Java it makes the bootstrap ready, which
// takes some seconds the first time on a host.
func (f *Finder) Resolve(identifier string) (Choice, error) {
	want, ok := known[identifier]
	if !ok {
		return Choice{}, &UnknownError{identifier}
	}
	var list []Interpreter
	if _, ok := languages[want.language]; ok {
		list = f.Interpreters(want.language)
	}
	if want.language != Java || len(list) == 0 {
		return Resolver{list}.Resolve(identifier)
	}
	if err := f.Ready(list[0]); err != nil {
		var missing *MissingError
		if errors.As(err, &missing) {
			missing.Identifier = identifier
		}
		return Choice{}, err
	}
	dir, err := f.support()
	if err != nil {
		return Choice{}, err
	}
	ready := make([]Interpreter, len(list))
	for n, i := range list {
		i.Support = dir
		ready[n] = i
	}
	return Resolver{ready}.Resolve(identifier)
}

// Ready makes what the interpreter's bootstrap needs, or says what is missing.
func (f *Finder) Ready(i Interpreter) error {
	if i.Language != Java {
		return nil
	}
	_, err := f.support()
	if errors.Is(err, errNoCompiler) {
		return &MissingError{"Java", "this host has Java, but no compiler for the bootstrap: install a JDK (such as openjdk-17-jdk-headless), or name its directory with --runtimes-dir; it is needed once"}
	}
	return err
}

func (f *Finder) find(l Language) []Interpreter {
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	k := openKept(filepath.Join(f.cacheDir, "interpreters-"+string(l)+".json"))
	programs := candidates(append(filepath.SplitList(f.path), f.dirs...), func(one Language) bool { return one == l })
	list := discover(programs, func(program string, l Language) (Interpreter, error) {
		if i, err, ok := k.get(program); ok {
			return i, err
		}
		i, err := ask(ctx, program, l)
		if ctx.Err() == nil {
			k.put(program, i, err)
		}
		return i, err
	})
	k.save(programs)
	return list
}

// kept is what programs answered before.
type kept struct {
	file    string
	mu      sync.Mutex
	answers map[string]keptAnswer
	changed bool
}

type keptAnswer struct {
	Program keptFile // which was asked
	Real    keptFile // which it stands for
	Found   Interpreter
	Refused string `json:",omitempty"`
}

// keptFile tells whether a file is still the same.
type keptFile struct{ Size, ModifiedNs int64 }

func stateOf(name string) keptFile {
	st, err := os.Stat(name)
	if err != nil {
		return keptFile{}
	}
	return keptFile{st.Size(), st.ModTime().UnixNano()}
}

// openKept reads the file; one that cannot be read is as good as none.
func openKept(file string) *kept {
	k := &kept{file: file, answers: map[string]keptAnswer{}}
	if filepath.Dir(file) == "." {
		return k // there is no directory
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &k.answers) != nil || k.answers == nil {
		k.answers = map[string]keptAnswer{}
	}
	return k
}

func (k *kept) get(program string) (Interpreter, error, bool) {
	k.mu.Lock()
	a, ok := k.answers[program]
	k.mu.Unlock()
	if !ok || a.Program != stateOf(program) {
		return Interpreter{}, nil, false
	}
	if a.Refused != "" {
		return Interpreter{}, errors.New(a.Refused), true
	}
	if a.Real != stateOf(a.Found.Path) {
		return Interpreter{}, nil, false
	}
	for _, m := range a.Found.Mounts {
		if !exists(m.Source) {
			return Interpreter{}, nil, false
		}
	}
	return a.Found, nil, true
}

func (k *kept) put(program string, i Interpreter, err error) {
	a := keptAnswer{Program: stateOf(program), Real: stateOf(i.Path), Found: i}
	if err != nil {
		a = keptAnswer{Program: a.Program, Refused: err.Error()}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers[program] = a
	k.changed = true
}

// save keeps what was learnt of programs that are still there. That it cannot
// be kept costs time, nothing else.
func (k *kept) save(programs map[string]Language) {
	if !k.changed || filepath.Dir(k.file) == "." {
		return
	}
	for program := range k.answers {
		if _, ok := programs[program]; !ok {
			delete(k.answers, program)
		}
	}
	data, err := json.Marshal(k.answers)
	if err != nil || os.MkdirAll(filepath.Dir(k.file), 0o755) != nil {
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(k.file), filepath.Base(k.file)+".*")
	if err != nil {
		return
	}
	_, err = temp.Write(data)
	if closeErr := temp.Close(); err != nil || closeErr != nil || os.Rename(temp.Name(), k.file) != nil {
		_ = os.Remove(temp.Name())
	}
}
