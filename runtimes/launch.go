package runtimes

import (
	_ "embed"
	"fmt"
	"strings"

	"moln.dev/moln/engine/sandbox"
)

//go:embed node/bootstrap.js
var nodeBootstrap []byte

// nodeRehearsal is the function that a waiting bootstrap tries itself out with.
//
//go:embed node/rehearsal.js
var nodeRehearsal []byte

// pythonRehearsal is as nodeRehearsal.
//
//go:embed python/moln_rehearsal.py
var pythonRehearsal []byte

//go:embed python/bootstrap.py
var pythonBootstrap []byte

//go:embed ruby/bootstrap.rb
var rubyBootstrap []byte

// Places inside the sandbox, and the Runtime API's address there.
const (
	TaskRoot   = "/var/task"
	LayerRoot  = "/opt"
	RuntimeDir = "/var/runtime"
	// Address is where every sandbox finds its Runtime API.
	Address = "127.0.0.1:9001"
	// LogFD is the descriptor for framed log records, LogPipes their number.
	LogFD    = 3
	LogPipes = 1
)

// Launch is how a runtime is started.
type Launch struct {
	// ID names the process that results; two launches with one ID are the same.
	ID      string
	Command []string
	Files   map[string][]byte
	Mounts  []sandbox.Mount
	// Env are the variables the process starts with where a function's own
	// environment does not say otherwise.
	Env map[string]string
	// Assignable says that the process, started with MOLN_POOL=1, waits to be
	// told which function it is.
	Assignable bool
	// Managed says that the runtime is ours: a function may have a program of
	// its own put before it, see Wrap.
	Managed bool
	// HeapPercent is how much of the memory the language's own heap may take;
	// 0 where it needs no telling.
	HeapPercent int
}

// heapArgument stands in a command for the size of the heap.
const heapArgument = "\x00heap"

// CommandFor is the command for a function with so much memory.
func (l Launch) CommandFor(memoryBytes int64) []string {
	if l.HeapPercent == 0 {
		return l.Command
	}
	list := make([]string, 0, len(l.Command))
	for _, arg := range l.Command {
		if flag, ok := strings.CutSuffix(arg, heapArgument); !ok {
			list = append(list, arg)
		} else if memoryBytes > 0 {
			list = append(list, fmt.Sprintf("%s%dk", flag, memoryBytes/100*int64(l.HeapPercent)>>10))
		}
	}
	return list
}

// commonEnv is the start environment managed runtimes share.
func commonEnv() map[string]string {
	return map[string]string{
		"LANG":               "en_US.UTF-8",
		"TZ":                 ":UTC",
		"PATH":               "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH":    "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"LAMBDA_TASK_ROOT":   sandbox.PathRef(TaskRoot),
		"LAMBDA_RUNTIME_DIR": sandbox.PathRef(RuntimeDir),
	}
}

// Launch returns how the interpreter runs its bootstrap.
func (i Interpreter) Launch() Launch {
	l := Launch{ID: string(i.Language) + ":" + i.Path, Mounts: i.Mounts, Env: commonEnv(), Assignable: true, Managed: true}
	switch i.Language {
	case Node:
		file := RuntimeDir + "/bootstrap.js"
		l.Command = []string{i.Path, sandbox.PathRef(file)}
		l.Files = map[string][]byte{file: nodeBootstrap, RuntimeDir + "/rehearsal.js": nodeRehearsal}
		l.Env["NODE_PATH"] = "/opt/nodejs/node" + i.majorText() + "/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"
	case Python:
		file := RuntimeDir + "/bootstrap.py"
		l.Command = []string{i.Path, "-s", sandbox.PathRef(file)}
		l.Files = map[string][]byte{file: pythonBootstrap, RuntimeDir + "/moln_rehearsal.py": pythonRehearsal}
		l.Env["PYTHONDONTWRITEBYTECODE"] = "1"
	case Ruby:
		i.launchRuby(&l)
	case Java:
		i.launchJava(&l)
	}
	return l
}

func (i Interpreter) launchRuby(l *Launch) {
	file := RuntimeDir + "/bootstrap.rb"
	l.Command = []string{i.Path, sandbox.PathRef(file)}
	l.Files = map[string][]byte{file: rubyBootstrap}
	abi := fmt.Sprintf("%d.%d.0", i.number(0), i.number(1))
	l.Env["GEM_PATH"] = "/var/task/vendor/bundle/ruby/" + abi + ":/opt/ruby/gems/" + abi
}

// What the launch of Custom exits with where there is nothing that it may run.
const (
	ExitNoBootstrap    = 127 // neither the code nor a layer has one
	ExitDeniedInCode   = 126 // the code's is not executable
	ExitDeniedInLayers = 125 // the code has none, and the layers' is not executable
)

// Custom is the launch of a function that brings its own runtime: the program
// "bootstrap" in the code, or else in a layer. As on AWS, the first that is there
// is taken, whether or not it can be executed.
func Custom() Launch {
	return Launch{
		ID: "provided",
		Command: []string{"/bin/sh", "-c", `cd "${1%/*}"; denied=126; for b in "$1" "$2"; do if [ -f "$b" ]; then ` +
			`[ -x "$b" ] && exec "$b"; echo "bootstrap may not be executed: package it with mode 755" >&2; exit $denied; fi; denied=125; done; ` +
			`echo "no bootstrap in the code or its layers" >&2; exit 127`, "sh",
			sandbox.PathRef(TaskRoot + "/bootstrap"), sandbox.PathRef(LayerRoot + "/bootstrap")},
		Env: commonEnv(),
	}
}

// startVariables are read by interpreters, the loader or the C library when a
// process starts, so that setting them later is too late.
var startVariables = []string{
	"NODE_*", "PYTHON*", "LD_*", "MALLOC_*", "GLIBC_*", "OPENSSL_*", "SSLKEYLOGFILE", "UV_*", "LC_*", "LANG",
	"RUBY*", "GEM_*",
	"AWS_LAMBDA_EXEC_WRAPPER",
}

// lateVariables are exceptions the bootstraps apply by themselves when assigned.
var lateVariables = map[string]bool{"NODE_PATH": true, "PYTHONPATH": true, "NODE_ENV": true}

// IsStartVariable says that a function which sets this variable to something
// else than its launch does must not be served by a process started before.
func IsStartVariable(name string) bool {
	if lateVariables[name] {
		return false
	}
	for _, pattern := range startVariables {
		if prefix, ok := cutStar(pattern); ok && len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return true
		}
		if name == pattern {
			return true
		}
	}
	return false
}

func cutStar(pattern string) (string, bool) {
	if n := len(pattern) - 1; pattern[n] == '*' {
		return pattern[:n], true
	}
	return pattern, false
}
