package jsonval

import (
	"math/bits"
	"unicode/utf8"
)

// Eight bytes are looked at together: most text is long and plain.
const (
	wordBytes = 8
	ones      = 0x0101010101010101
	highs     = 0x8080808080808080
)

// plainPrefix is the length of what s begins with that stands in a JSON string as
// it is: ASCII without controls, quotes and backslashes.
func plainPrefix[T string | []byte](s T) int {
	rest := s
	for ; len(rest) >= wordBytes; rest = rest[wordBytes:] {
		w := uint64(rest[0]) | uint64(rest[1])<<8 | uint64(rest[2])<<16 | uint64(rest[3])<<24 |
			uint64(rest[4])<<32 | uint64(rest[5])<<40 | uint64(rest[6])<<48 | uint64(rest[7])<<56
		if special := specials(w); special != 0 {
			return len(s) - len(rest) + bits.TrailingZeros64(special)/wordBytes
		}
	}
	for i := range len(rest) {
		if c := rest[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return len(s) - len(rest) + i
		}
	}
	return len(s)
}

// specials has the high bit of the first byte set that is not plain; bytes after
// it may be wrong.
func specials(w uint64) uint64 {
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return (w | (w - ones*' ') | (quote - ones) | (backslash - ones)) & highs
}
