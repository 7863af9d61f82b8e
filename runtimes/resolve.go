package runtimes

import (
	"fmt"
	"sort"
	"strings"
)

// Choice is the interpreter that serves an identifier.
type Choice struct {
	Interpreter Interpreter
	Launch      Launch
	// Exact says that the version asked for is the one that runs; else Warning
	// is a sentence about what runs instead.
	Exact   bool
	Warning string
}

// UnknownError is an identifier that never named a runtime.
type UnknownError struct{ Identifier string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("runtimes: %q is not a runtime identifier", e.Identifier)
}

// MissingError is a runtime this host cannot serve; Need says what would help.
type MissingError struct{ Identifier, Need string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("runtimes: no interpreter for %s: %s", e.Identifier, e.Need)
}

// asked is what an identifier asks for.
type asked struct {
	language Language
	rank     int // see Interpreter.rank
}

// known are the identifiers there ever were.
var known = map[string]asked{
	"nodejs": {Node, 0}, "nodejs4.3": {Node, 4}, "nodejs4.3-edge": {Node, 4}, "nodejs6.10": {Node, 6}, "nodejs8.10": {Node, 8},
	"nodejs10.x": {Node, 10}, "nodejs12.x": {Node, 12}, "nodejs14.x": {Node, 14}, "nodejs16.x": {Node, 16}, "nodejs18.x": {Node, 18},
	"nodejs20.x": {Node, 20}, "nodejs22.x": {Node, 22}, "nodejs24.x": {Node, 24}, "nodejs26.x": {Node, 26},
	"python2.7": {Python, 207}, "python3.6": {Python, 306}, "python3.7": {Python, 307}, "python3.8": {Python, 308},
	"python3.9": {Python, 309}, "python3.10": {Python, 310}, "python3.11": {Python, 311}, "python3.12": {Python, 312},
	"python3.13": {Python, 313}, "python3.14": {Python, 314}, "python3.15": {Python, 315},
	"ruby2.5": {Ruby, 205}, "ruby2.7": {Ruby, 207}, "ruby3.2": {Ruby, 302}, "ruby3.3": {Ruby, 303}, "ruby3.4": {Ruby, 304},
	"ruby4.0": {Ruby, 400},
	"java8":   {Java, 8}, "java8.al2": {Java, 8}, "java11": {Java, 11}, "java17": {Java, 17}, "java21": {Java, 21}, "java25": {Java, 25},
	"dotnetcore1.0": {DotNet, 1}, "dotnetcore2.0": {DotNet, 2}, "dotnetcore2.1": {DotNet, 2}, "dotnetcore3.1": {DotNet, 3},
	"dotnet6": {DotNet, 6}, "dotnet8": {DotNet, 8}, "dotnet10": {DotNet, 10},
	"provided": {}, "provided.al2": {}, "provided.al2023": {}, "go1.x": {},
}

// Known lists every identifier, sorted.
func Known() []string {
	list := make([]string, 0, len(known))
	for id := range known {
		list = append(list, id)
	}
	sort.Strings(list)
	return list
}

// Resolver picks among the interpreters of a host.
type Resolver struct{ Interpreters []Interpreter }

// Resolve finds what serves the identifier: the same version, else the nearest
// newer one, else the nearest. Its error is *UnknownError or *MissingError.
func (r Resolver) Resolve(identifier string) (Choice, error) {
	want, ok := known[identifier]
	if !ok {
		return Choice{}, &UnknownError{identifier}
	}
	if strings.HasPrefix(identifier, "provided") {
		return Choice{Launch: Custom(), Exact: true}, nil
	}
	l, ok := languages[want.language]
	if !ok {
		return Choice{}, &MissingError{identifier, l.refusal(identifier)}
	}
	best, found := nearest(r.Interpreters, want.language, want.rank)
	if !found {
		return Choice{}, &MissingError{identifier, HowToAdd(want.language)}
	}
	c := Choice{Interpreter: best, Launch: best.Launch(), Exact: best.rank() == want.rank}
	if !c.Exact {
		c.Warning = fmt.Sprintf("%s runs on %s %s, because this host has no %s.", identifier, l.title, best.Version, identifier)
	}
	return c, nil
}

// nearest prefers the same version, then the least newer, then the greatest
// older. list is sorted newest first, so the first of equals is the best patch.
func nearest(list []Interpreter, language Language, want int) (best Interpreter, found bool) {
	for _, i := range list {
		if i.Language != language {
			continue
		}
		if !found || closer(i.rank(), best.rank(), want) {
			best, found = i, true
		}
	}
	return best, found
}

func closer(candidate, best, want int) bool {
	switch {
	case candidate == best:
		return false
	case candidate >= want && best >= want:
		return candidate < best
	case candidate >= want || best >= want:
		return candidate >= want
	}
	return candidate > best
}

// HowToAdd says what to do for a host to have a language.
func HowToAdd(l Language) string {
	one, ok := languages[l]
	if !ok {
		return one.refusal(string(l))
	}
	return "install " + one.need() + ", or name its directory with --runtimes-dir"
}
