package tuple

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// Range of decimals: magnitudes from 1E-130 to 9.99…E+125 of up to 38
// significant digits, and zero.
const (
	MaxDecimalDigits   = 38
	MinDecimalExponent = -130 // of the first digit
	MaxDecimalExponent = 125
)

// ErrDecimalRange is returned for numbers out of that range.
var ErrDecimalRange = errors.New("tuple: decimal out of range")

// A decimal is the tag, a class, and unless it is zero: the exponent of its
// first digit in one byte, its digits in pairs plus one, and a zero byte. All
// after the class are inverted in negative numbers.
const (
	classNegative = 0x01
	classZero     = 0x02
	classPositive = 0x03

	exponentBias = -MinDecimalExponent // makes exponents 0 to 255
)

// AppendDecimal appends d. Numbers that are equal have one encoding, however
// many zeros they are written with.
func AppendDecimal(dst []byte, d *apd.Decimal) ([]byte, error) {
	if d.Form != apd.Finite {
		return nil, fmt.Errorf("%w: %v", ErrDecimalRange, d.Form)
	}
	return AppendNumber(dst, d.Negative, d.Coeff.String(), int64(d.Exponent))
}

// AppendNumber appends the number ±digits·10^exponent. digits are decimal
// digits.
func AppendNumber(dst []byte, negative bool, digits string, exponent int64) ([]byte, error) {
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return nil, fmt.Errorf("%w: %q are not digits", ErrDecimalRange, digits)
		}
	}
	significant := strings.TrimLeft(digits, "0")
	if significant == "" {
		return append(dst, tagDecimal, classZero), nil
	}
	first := exponent + int64(len(significant)) - 1
	significant = strings.TrimRight(significant, "0")
	if len(significant) > MaxDecimalDigits || first < MinDecimalExponent || first > MaxDecimalExponent {
		return nil, fmt.Errorf("%w: %d digits, exponent %d", ErrDecimalRange, len(significant), first)
	}
	class, invert := byte(classPositive), byte(0)
	if negative {
		class, invert = classNegative, 0xff
	}
	if len(significant)%2 == 1 {
		significant += "0"
	}
	dst = append(dst, tagDecimal, class, byte(first+exponentBias)^invert)
	for i := 0; i < len(significant); i += 2 {
		pair := (significant[i]-'0')*10 + significant[i+1] - '0'
		dst = append(dst, (pair+1)^invert)
	}
	return append(dst, invert), nil // the terminator is 0
}

// DecodeDecimal returns the decimal at the beginning of src, without zeros at
// its end.
func DecodeDecimal(src []byte) (d *apd.Decimal, rest []byte, err error) {
	negative, digits, exponent, rest, err := DecodeNumber(src)
	if err != nil {
		return nil, nil, err
	}
	d = &apd.Decimal{Negative: negative, Exponent: int32(exponent)}
	if _, ok := d.Coeff.SetString(digits, 10); !ok {
		return nil, nil, ErrMalformed
	}
	return d, rest, nil
}

// DecodeNumber returns the decimal at the beginning of src as
// ±digits·10^exponent, with neither zeros in front of nor at the end of digits;
// zero is "0".
func DecodeNumber(src []byte) (negative bool, digits string, exponent int64, rest []byte, err error) {
	fail := func() (bool, string, int64, []byte, error) { return false, "", 0, nil, ErrMalformed }
	if len(src) < 2 || src[0] != tagDecimal {
		return fail()
	}
	class := src[1]
	src = src[2:]
	if class == classZero {
		return false, "0", 0, src, nil
	}
	invert := byte(0)
	switch class {
	case classPositive:
	case classNegative:
		negative, invert = true, 0xff
	default:
		return fail()
	}
	if len(src) == 0 {
		return fail()
	}
	first := int64(src[0]^invert) - exponentBias
	out, rest, ok := decodePairs(src[1:], invert)
	if !ok {
		return fail()
	}
	return negative, out, first - int64(len(out)) + 1, rest, nil
}

func decodePairs(src []byte, invert byte) (digits string, rest []byte, ok bool) {
	var out []byte
	for i, b := range src {
		b ^= invert
		if b == 0 {
			canonical := len(out) > 0 && out[0] != '0' && len(src[:i]) <= MaxDecimalDigits/2 &&
				(out[len(out)-1] != '0' || out[len(out)-2] != '0')
			return strings.TrimRight(string(out), "0"), src[i+1:], canonical
		}
		if b > 100 {
			return "", nil, false
		}
		out = append(out, (b-1)/10+'0', (b-1)%10+'0')
	}
	return "", nil, false
}
