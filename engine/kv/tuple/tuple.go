// Package tuple encodes the parts of a key so that the order of the encoded
// bytes is the order of the parts: the first part first, and each by its value.
// An encoded tuple is a prefix, in bytes, of every longer tuple that begins
// with its parts; End bounds those. It is also a prefix of tuples whose last part
// goes on with a zero byte where its own ends, so a range of bytes alone is not
// enough where a part may hold one.
//
// Parts of different kinds order by kind: bytes, strings, integers, decimals,
// booleans. Integers of both signs and sizes are one kind. It is not a format
// for values: it has neither names nor nesting.
//
// Append functions append a part to a slice and return it; Decode functions
// return the first part of a slice and the rest. All are safe for concurrent
// use. The encoding is stored, and never changes.
package tuple

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Tags, in the order of kinds. Integers use tagZero plus or minus their length
// in bytes. 0xff is never a tag, which the escape of bytes relies on.
const (
	tagBytes   = 0x01
	tagString  = 0x02
	tagZero    = 0x14 // 0x0c to 0x1c
	tagDecimal = 0x21
	tagFalse   = 0x26
	tagTrue    = 0x27
)

const (
	terminator = 0x00
	escape     = 0xff // after a 0x00 that is content
)

// ErrMalformed is returned for bytes that no Append function makes, or of
// another kind than asked for.
var ErrMalformed = errors.New("tuple: malformed key")

// Key encodes parts: string, []byte, int, int64, uint64, bool. It panics on
// other types.
func Key(parts ...any) []byte { return Append(nil, parts...) }

// Append appends parts as Key does.
func Append(dst []byte, parts ...any) []byte {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			dst = AppendString(dst, p)
		case []byte:
			dst = AppendBytes(dst, p)
		case int:
			dst = AppendInt(dst, int64(p))
		case int64:
			dst = AppendInt(dst, p)
		case uint64:
			dst = AppendUint(dst, p)
		case bool:
			dst = AppendBool(dst, p)
		default:
			panic(fmt.Sprintf("tuple: no encoding for %T", p))
		}
	}
	return dst
}

// End is where the tuples end that begin with all parts of key: they are from
// key on, and below it.
func End(key []byte) []byte { return append(key[:len(key):len(key)], escape) }

// AppendBytes appends p.
func AppendBytes(dst, p []byte) []byte {
	return append(appendEscaped(append(dst, tagBytes), p), terminator)
}

// AppendString appends s.
func AppendString(dst []byte, s string) []byte {
	return append(appendEscaped(append(dst, tagString), s), terminator)
}

// AppendBytesPrefix appends what all bytes that begin with p begin with.
func AppendBytesPrefix(dst, p []byte) []byte { return appendEscaped(append(dst, tagBytes), p) }

// AppendStringPrefix appends what all strings that begin with s begin with.
func AppendStringPrefix(dst []byte, s string) []byte {
	return appendEscaped(append(dst, tagString), s)
}

func appendEscaped[T string | []byte](dst []byte, p T) []byte {
	for i := range len(p) {
		dst = append(dst, p[i])
		if p[i] == terminator {
			dst = append(dst, escape)
		}
	}
	return dst
}

// DecodeBytes returns the bytes at the beginning of src.
func DecodeBytes(src []byte) (p, rest []byte, err error) { return decodeEscaped(src, tagBytes) }

// DecodeString returns the string at the beginning of src.
func DecodeString(src []byte) (s string, rest []byte, err error) {
	p, rest, err := decodeEscaped(src, tagString)
	return string(p), rest, err
}

func decodeEscaped(src []byte, tag byte) (p, rest []byte, err error) {
	if len(src) == 0 || src[0] != tag {
		return nil, nil, ErrMalformed
	}
	src = src[1:]
	p = []byte{}
	for {
		i := bytes.IndexByte(src, terminator)
		if i < 0 {
			return nil, nil, ErrMalformed
		}
		p = append(p, src[:i]...)
		if i+1 == len(src) || src[i+1] != escape {
			return p, src[i+1:], nil
		}
		p = append(p, terminator)
		src = src[i+2:]
	}
}

// AppendUint appends n.
func AppendUint(dst []byte, n uint64) []byte {
	size := byteLen(n)
	return appendBigEndian(append(dst, tagZero+byte(size)), n, size)
}

// AppendInt appends n.
func AppendInt(dst []byte, n int64) []byte {
	if n >= 0 {
		return AppendUint(dst, uint64(n))
	}
	magnitude := -uint64(n)
	size := byteLen(magnitude)
	return appendBigEndian(append(dst, tagZero-byte(size)), ^magnitude, size)
}

func byteLen(n uint64) int { return (bits.Len64(n) + 7) / 8 }

func appendBigEndian(dst []byte, n uint64, size int) []byte {
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// DecodeUint returns the integer at the beginning of src, which must not be
// negative.
func DecodeUint(src []byte) (n uint64, rest []byte, err error) {
	negative, n, rest, err := decodeInteger(src)
	if negative {
		return 0, nil, ErrMalformed
	}
	return n, rest, err
}

// DecodeInt returns the integer at the beginning of src, which must fit.
func DecodeInt(src []byte) (n int64, rest []byte, err error) {
	negative, magnitude, rest, err := decodeInteger(src)
	switch {
	case err != nil:
		return 0, nil, err
	case negative && magnitude <= 1<<63:
		return int64(-magnitude), rest, nil
	case !negative && magnitude <= math.MaxInt64:
		return int64(magnitude), rest, nil
	}
	return 0, nil, ErrMalformed
}

func decodeInteger(src []byte) (negative bool, magnitude uint64, rest []byte, err error) {
	if len(src) == 0 || src[0] < tagZero-8 || src[0] > tagZero+8 {
		return false, 0, nil, ErrMalformed
	}
	size := int(src[0]) - tagZero
	if negative = size < 0; negative {
		size = -size
	}
	src = src[1:]
	if len(src) < size {
		return false, 0, nil, ErrMalformed
	}
	for _, b := range src[:size] {
		if negative {
			b = ^b
		}
		magnitude = magnitude<<8 | uint64(b)
	}
	if byteLen(magnitude) != size {
		return false, 0, nil, ErrMalformed
	}
	return negative, magnitude, src[size:], nil
}

// AppendBool appends b; false is before true.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, tagTrue)
	}
	return append(dst, tagFalse)
}

// DecodeBool returns the boolean at the beginning of src.
func DecodeBool(src []byte) (b bool, rest []byte, err error) {
	if len(src) == 0 || src[0] != tagFalse && src[0] != tagTrue {
		return false, nil, ErrMalformed
	}
	return src[0] == tagTrue, src[1:], nil
}
