package runtimes

import (
	"fmt"
	"sort"
	"strconv"
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

// known are the identifiers there ever were, for the languages we serve with the
// version they ask for (see Interpreter.rank); 0 means the language is another.
var known = map[string]int{
	"nodejs": 0, "nodejs4.3": 4, "nodejs4.3-edge": 4, "nodejs6.10": 6, "nodejs8.10": 8, "nodejs10.x": 10,
	"nodejs12.x": 12, "nodejs14.x": 14, "nodejs16.x": 16, "nodejs18.x": 18, "nodejs20.x": 20, "nodejs22.x": 22,
	"nodejs24.x": 24, "nodejs26.x": 26,
	"python2.7": 207, "python3.6": 306, "python3.7": 307, "python3.8": 308, "python3.9": 309, "python3.10": 310,
	"python3.11": 311, "python3.12": 312, "python3.13": 313, "python3.14": 314, "python3.15": 315,
	"provided": 0, "provided.al2": 0, "provided.al2023": 0,
	"ruby2.5": 0, "ruby2.7": 0, "ruby3.2": 0, "ruby3.3": 0, "ruby3.4": 0, "ruby4.0": 0,
	"java8": 0, "java8.al2": 0, "java11": 0, "java17": 0, "java21": 0, "java25": 0,
	"dotnetcore1.0": 0, "dotnetcore2.0": 0, "dotnetcore2.1": 0, "dotnetcore3.1": 0, "dotnet6": 0, "dotnet8": 0,
	"dotnet10": 0, "go1.x": 0,
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
	language := Node
	switch {
	case strings.HasPrefix(identifier, "nodejs"):
	case strings.HasPrefix(identifier, "python"):
		language = Python
	default:
		return Choice{}, &MissingError{identifier, "moln has no bootstrap for this language; package the function with its own runtime (provided.al2023)"}
	}
	best, found := nearest(r.Interpreters, language, want)
	if !found {
		return Choice{}, &MissingError{identifier, fmt.Sprintf("install %s, or name its directory with --runtimes-dir", need(language))}
	}
	c := Choice{Interpreter: best, Launch: best.Launch(), Exact: best.rank() == want}
	if !c.Exact {
		c.Warning = fmt.Sprintf("%s runs on %s %s, because this host has no %s.", identifier, title(language), best.Version, identifier)
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

func need(language Language) string {
	if language == Python {
		return "Python 3." + strconv.Itoa(pythonMinorMin) + " or newer"
	}
	return "Node.js " + strconv.Itoa(nodeMajorMin) + " or newer"
}

func title(language Language) string {
	if language == Python {
		return "Python"
	}
	return "Node.js"
}
