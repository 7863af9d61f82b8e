package runtimes

import (
	"os"
	"path/filepath"

	"moln.dev/moln/engine/sandbox"
)

// packageDirs are where packages for all functions of a language are below the
// directory that has them, and where functions find them: behind their own and
// their layers', as AWS's SDKs are in AWS's runtimes.
var packageDirs = map[Language][2]string{
	Node:   {"node_modules", RuntimeDir + "/node_modules"},
	Python: {"python", RuntimeDir + "/python"},
}

// WithPackages is the choice with the packages that dir has for its language.
func (c Choice) WithPackages(dir string) Choice {
	at, ok := packageDirs[c.Interpreter.Language]
	if !ok {
		return c
	}
	source := filepath.Join(dir, at[0])
	if st, err := os.Stat(source); err != nil || !st.IsDir() {
		return c
	}
	c.Launch.ID += "+" + source
	c.Launch.Mounts = append(append([]sandbox.Mount{}, c.Launch.Mounts...), sandbox.Mount{Source: source, Target: at[1], ReadOnly: true})
	return c
}
