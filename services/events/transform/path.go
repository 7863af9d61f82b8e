package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// path is a JSONPath of members and indexes. Never nil once parsed.
type path []step

// step is a member, an index, or with all every element of an array.
type step struct {
	member string
	index  int
	kind   stepKind
}

type stepKind uint8

const (
	byMember stepKind = iota
	byIndex
	every
)

var errPath = errors.New("transform: not a path")

// parsePath reads "$", "$.a.b-c", "$.a[0]", "$['a']", "$.a[*].b".
func parsePath(text string) (path, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, errPath
	}
	out := path{}
	for rest != "" {
		var s step
		var err error
		if rest[0] == '[' {
			s, rest, err = bracket(rest)
		} else {
			s, rest, err = member(rest)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func member(s string) (step, string, error) {
	if s[0] != '.' {
		return step{}, "", errPath
	}
	s = s[1:]
	n := strings.IndexAny(s, ".[")
	if n < 0 {
		n = len(s)
	}
	if n == 0 || strings.ContainsAny(s[:n], "]'\"") {
		return step{}, "", errPath
	}
	if s[:n] == "*" {
		return step{kind: every}, s[n:], nil
	}
	return step{member: s[:n]}, s[n:], nil
}

func bracket(s string) (step, string, error) {
	if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
		end := strings.Index(s[2:], string(s[1])+"]")
		if end < 0 {
			return step{}, "", errPath
		}
		return step{member: s[2 : 2+end]}, s[2+end+2:], nil
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return step{}, "", errPath
	}
	if s[1:end] == "*" {
		return step{kind: every}, s[end+1:], nil
	}
	n, err := strconv.Atoi(s[1:end])
	if err != nil || n < 0 {
		return step{}, "", errPath
	}
	return step{index: n, kind: byIndex}, s[end+1:], nil
}

// find gives the value at the path, as it is written in v without spaces around.
func (p path) find(v json.RawMessage) (json.RawMessage, bool) {
	v = bytes.TrimSpace(v)
	if len(p) == 0 {
		return v, len(v) > 0
	}
	s := p[0]
	if s.kind == byMember {
		var m map[string]json.RawMessage
		if json.Unmarshal(v, &m) != nil {
			return nil, false
		}
		sub, ok := m[s.member]
		if !ok {
			return nil, false
		}
		return p[1:].find(sub)
	}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) != nil {
		return nil, false
	}
	if s.kind == byIndex {
		if s.index >= len(list) {
			return nil, false
		}
		return p[1:].find(list[s.index])
	}
	found := [][]byte{}
	for _, e := range list {
		if sub, ok := p[1:].find(e); ok {
			found = append(found, sub)
		}
	}
	return append(append([]byte{'['}, bytes.Join(found, []byte{','})...), ']'), true
}
