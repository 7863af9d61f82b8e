package smithy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
)

// maxPatterns bounds a cache; all the models together have fewer.
const maxPatterns = 2048

const (
	// maxRepeat is the largest count in a quantifier that Go's expressions take.
	maxRepeat = 1000
	// maxSplit is the largest count that is split into several. A larger upper
	// bound is dropped: the shapes that have one bound the length as well.
	maxSplit = 5000
)

// patternCache compiles patterns when they are first needed. A pattern that Go
// cannot express is kept as nil and matches everything.
type patternCache struct {
	mu       sync.RWMutex
	compiled map[string]*regexp.Regexp
}

func (c *patternCache) match(pattern, s string) bool {
	c.mu.RLock()
	re, ok := c.compiled[pattern]
	c.mu.RUnlock()
	if !ok {
		re, _ = CompilePattern(pattern)
		c.mu.Lock()
		if c.compiled == nil || len(c.compiled) >= maxPatterns {
			c.compiled = map[string]*regexp.Regexp{}
		}
		c.compiled[pattern] = re
		c.mu.Unlock()
	}
	return re == nil || re.MatchString(s)
}

// CompilePattern makes an expression of a pattern trait, which is in Java's
// dialect and must match the whole string. It fails for what Go's expressions
// cannot say: look-around, back references, intersections of classes.
func CompilePattern(pattern string) (*regexp.Regexp, error) {
	if same, ok := withoutLookAround[pattern]; ok {
		pattern = same
	}
	t := translator{in: pattern}
	out, err := t.translate()
	if err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + out + `)\z`)
}

// withoutLookAround has the patterns of the models that look around, and the
// same said without. A pattern that is matched as a whole can often be.
var withoutLookAround = map[string]string{
	// Not only white space.
	`^(?!\s*$).+`: `.*\S.*`,
	// Does not end in a dot.
	`[0-9A-Za-z\.\-_]*(?<!\.)`:   `([0-9A-Za-z._-]*[0-9A-Za-z_-])?`,
	`^[0-9A-Za-z\.\-_]*(?<!\.)$`: `([0-9A-Za-z._-]*[0-9A-Za-z_-])?`,
	// No two hyphens in a row; the shape bounds the length.
	`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`: `[a-z0-9]+(-[a-z0-9]+)*`,
	// Not only digits.
	`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`:           `[0-9]*[a-zA-Z_-][a-zA-Z0-9_-]*`,
	`((?!^\d+$)^[0-9a-zA-Z-_]+$)`:            `[0-9]*[a-zA-Z_-][a-zA-Z0-9_-]*`,
	`^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$`: `[0-9]*[a-zA-Z_.-][a-zA-Z0-9_.-]*`,
	`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`: `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:(\d*[a-zA-Z_-][0-9a-zA-Z-_]*))?`,
}

// javaClasses are Java's POSIX classes in Go's words, for use in a class.
var javaClasses = map[string]string{
	"Alnum": "[:alnum:]", "Alpha": "[:alpha:]", "ASCII": "[:ascii:]", "Blank": "[:blank:]", "Cntrl": "[:cntrl:]",
	"Digit": "[:digit:]", "Graph": "[:graph:]", "Lower": "[:lower:]", "Print": "[:print:]", "Punct": "[:punct:]",
	"Space": "[:space:]", "Upper": "[:upper:]", "XDigit": "[:xdigit:]",
	"IsAlphabetic": `\p{L}\p{Nl}`, "IsDigit": `\p{Nd}`, "IsLetter": `\p{L}`,
}

// translator rewrites a pattern, atom by atom.
type translator struct {
	in   string
	at   int
	out  strings.Builder
	atom int   // where in out the last atom starts, or -1
	open []int // where in out the open groups start
}

func (t *translator) translate() (string, error) {
	t.atom = -1
	for t.at < len(t.in) {
		start := t.out.Len()
		switch c := t.in[t.at]; c {
		case '\\':
			text, err := t.escape(false)
			if err != nil {
				return "", err
			}
			t.out.WriteString(text)
			t.atom = start
		case '[':
			if err := t.class(); err != nil {
				return "", err
			}
			t.atom = start
		case '(':
			t.open = append(t.open, start)
			t.copy()
		case ')':
			if len(t.open) > 0 {
				t.atom = t.open[len(t.open)-1]
				t.open = t.open[:len(t.open)-1]
			}
			t.copy()
		case '{', '*', '+', '?':
			t.quantifier()
		default:
			t.copy()
			t.atom = start
		}
	}
	return t.out.String(), nil
}

func (t *translator) copy() {
	t.out.WriteByte(t.in[t.at])
	t.at++
}

// escape reads one backslash sequence and returns it in Go's words.
func (t *translator) escape(inClass bool) (string, error) {
	rest := t.in[t.at:]
	if len(rest) < 2 {
		return "", fmt.Errorf("pattern ends in a backslash")
	}
	switch rest[1] {
	case 'u':
		r, n, err := unicodeEscape(rest)
		if err != nil {
			return "", err
		}
		t.at += n
		return fmt.Sprintf(`\x{%X}`, r), nil
	case 'p', 'P':
		end := strings.IndexByte(rest, '}')
		if len(rest) > 2 && rest[2] == '{' && end > 0 {
			if class, ok := javaClasses[rest[3:end]]; ok && rest[1] == 'p' {
				t.at += end + 1
				if !inClass {
					class = "[" + class + "]"
				}
				return class, nil
			}
		}
	}
	t.at += 2
	return rest[:2], nil
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair.
func unicodeEscape(s string) (r rune, n int, err error) {
	one := func(s string) (rune, bool) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0, false
		}
		v, err := strconv.ParseUint(s[2:6], 16, 16)
		return rune(v), err == nil
	}
	high, ok := one(s)
	if !ok {
		return 0, 0, fmt.Errorf("broken \\u in pattern")
	}
	if !utf16.IsSurrogate(high) {
		return high, 6, nil
	}
	low, ok := one(s[6:])
	if r := utf16.DecodeRune(high, low); ok && r != '\uFFFD' {
		return r, 12, nil
	}
	return 0, 0, fmt.Errorf("lone surrogate in pattern")
}

// class copies a character class.
func (t *translator) class() error {
	t.copy()
	for first := true; t.at < len(t.in); first = false {
		switch c := t.in[t.at]; {
		case c == '^' && first:
			t.copy()
			continue
		case c == ']':
			t.copy()
			return nil
		case c == '\\':
			text, err := t.escape(true)
			if err != nil {
				return err
			}
			t.out.WriteString(text)
		case c == '&' && strings.HasPrefix(t.in[t.at:], "&&["):
			return fmt.Errorf("intersection of classes in pattern")
		case c == '[':
			t.out.WriteString(`\[`)
			t.at++
		default:
			t.copy()
		}
	}
	return fmt.Errorf("class without end in pattern")
}

// quantifier copies a quantifier, splits one that counts too far for Go, and
// drops Java's mark of a possessive one, which has no meaning for whole matches.
func (t *translator) quantifier() {
	if t.in[t.at] == '{' {
		low, high, n, ok := counts(t.in[t.at:])
		if !ok || t.atom < 0 {
			t.copy()
			return
		}
		t.at += n
		t.repeat(low, high, t.in[t.at-n:t.at])
	} else {
		group := t.in[t.at] == '?' && t.at > 0 && t.in[t.at-1] == '('
		t.copy()
		if group {
			return
		}
	}
	if t.at < len(t.in) && t.in[t.at] == '+' {
		t.at++
	}
}

// counts reads {n}, {n,} or {n,m}; high is -1 where there is no end.
func counts(s string) (low, high, n int, ok bool) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return 0, 0, 0, false
	}
	first, second, ranged := strings.Cut(s[1:end], ",")
	low, err := strconv.Atoi(first)
	if err != nil {
		return 0, 0, 0, false
	}
	switch {
	case !ranged:
		high = low
	case second == "":
		high = -1
	default:
		if high, err = strconv.Atoi(second); err != nil {
			return 0, 0, 0, false
		}
	}
	return low, high, end + 1, true
}

// repeat writes the last atom's count. X{1,2500} becomes
// (?:X{1,1000}X{0,1000}X{0,500}): no single count is above the limit.
func (t *translator) repeat(low, high int, text string) {
	if low <= maxRepeat && high <= maxRepeat {
		t.out.WriteString(text)
		return
	}
	if high > maxSplit {
		high = -1
	}
	if high < 0 && low <= maxRepeat {
		fmt.Fprintf(&t.out, "{%d,}", low)
		return
	}
	all := t.out.String()
	before, atom := all[:t.atom], all[t.atom:]
	t.out.Reset()
	t.out.WriteString(before + "(?:")
	for low > 0 || high > 0 {
		if high < 0 && low <= maxRepeat {
			fmt.Fprintf(&t.out, "%s{%d,}", atom, low)
			break
		}
		l := min(low, maxRepeat)
		h := l
		if high > 0 {
			h = min(high, maxRepeat)
			high -= h
		}
		fmt.Fprintf(&t.out, "%s{%d,%d}", atom, l, h)
		low -= l
	}
	t.out.WriteString(")")
}
