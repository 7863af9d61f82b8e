package runtimes

import (
	"errors"
	"sort"
)

// Identifier is one of AWS's runtime identifiers on this host.
type Identifier struct {
	Name     string   `json:"runtime"`
	Language Language `json:"language,omitempty"`
	// Version and Path are the interpreter's; "" where it needs or has none.
	Version string `json:"version,omitempty"`
	Path    string `json:"path,omitempty"`
	OK      bool   `json:"ok"`
	// Exact says that the version asked for is the one that runs.
	Exact   bool   `json:"exact"`
	Warning string `json:"warning,omitempty"`
	// Missing says what to do where OK is false.
	Missing string `json:"missing,omitempty"`
}

// Identifiers tells for each identifier there ever was what would run it, by
// language and version. Its error is the host's, not an identifier's.
func (f *Finder) Identifiers() ([]Identifier, error) {
	names := Known()
	sort.Slice(names, func(a, b int) bool {
		x, y := known[names[a]], known[names[b]]
		if x.language != y.language {
			return order(x.language) < order(y.language)
		}
		if x.rank != y.rank {
			return x.rank < y.rank
		}
		return names[a] < names[b]
	})
	list := make([]Identifier, 0, len(names))
	for _, name := range names {
		one := Identifier{Name: name, Language: known[name].language}
		choice, err := f.Resolve(name)
		var missing *MissingError
		switch {
		case errors.As(err, &missing):
			one.Missing = missing.Need
		case err != nil:
			return nil, err
		default:
			one.OK, one.Exact, one.Warning = true, choice.Exact, choice.Warning
			one.Version, one.Path = choice.Interpreter.Version, choice.Interpreter.Path
		}
		list = append(list, one)
	}
	return list, nil
}

// order is that of Languages, others last.
func order(l Language) int {
	for n, one := range Languages() {
		if one == l {
			return n
		}
	}
	return len(languages) + len(l)
}
