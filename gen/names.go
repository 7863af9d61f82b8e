package main

import (
	"fmt"
	"strings"
	"unicode"
)

// exported makes a Go name of a model name: what Go does not allow is dropped
// and the first letter is upper case.
func exported(name string) string {
	var b strings.Builder
	for _, r := range name {
		letter := unicode.IsLetter(r) && r < 0x80
		digit := r >= '0' && r <= '9'
		if !letter && !(digit && b.Len() > 0) {
			continue
		}
		if b.Len() == 0 {
			r = unicode.ToUpper(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// camel makes the constant's part of an enum value: "PAY_PER_REQUEST" gives
// PayPerRequest, "nodejs20.x" Nodejs20X, "s3:ObjectCreated:*" S3ObjectCreatedStar.
func camel(value string) string {
	value = strings.ReplaceAll(value, "*", " Star ")
	parts := strings.FieldsFunc(value, func(r rune) bool {
		return r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	var b strings.Builder
	for _, p := range parts {
		if p == strings.ToUpper(p) {
			p = strings.ToLower(p)
		}
		b.WriteString(strings.ToUpper(p[:1]) + p[1:])
	}
	return b.String()
}

// scope hands out the package-level names of one generated package.
type scope map[string]string // name -> what has it

// claim takes a name, or fails where it is taken already.
func (s scope) claim(name, by string) error {
	if was, taken := s[name]; taken {
		return fmt.Errorf("name %s is wanted by %s and taken by %s", name, by, was)
	}
	s[name] = by
	return nil
}

// free takes the name, or the name with suffixes until nobody has it.
func (s scope) free(name, suffix, by string) string {
	for s[name] != "" {
		name += suffix
	}
	s[name] = by
	return name
}
