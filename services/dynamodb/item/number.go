package item

import (
	"cmp"
	"math/big"
	"strings"

	"moln.dev/moln/aws/fault"
)

// Range of numbers.
const (
	maxDigits   = 38
	minExponent = -130 // of the first digit
	maxExponent = 125
	// maxLiteral is how long the text of a number may be before it is not
	// looked at: the longest plain form, with some leading and trailing zeros.
	maxLiteral = 1024
)

func invalid(format string, args ...any) error {
	return fault.New("ValidationException", 400, format, args...)
}

// Decimal is ±0.d₁d₂d₃… · 10^(Exp+1): Exp is the exponent of the first digit.
// Digits have no zeros at either end; zero has none and Exp 0.
type Decimal struct {
	Negative bool
	Digits   string
	Exp      int
}

// ParseDecimal reads a number as a client may write it.
func ParseDecimal(s string) (Decimal, error) {
	d, ok := scanDecimal(s)
	switch {
	case !ok && s == "":
		return Decimal{}, invalid("The parameter cannot be converted to a numeric value")
	case !ok:
		return Decimal{}, invalid("The parameter cannot be converted to a numeric value: %s", s)
	}
	return d, d.check()
}

func (d Decimal) check() error {
	switch {
	case d.Digits == "":
		return nil
	case len(d.Digits) > maxDigits:
		return invalid("Attempting to store more than 38 significant digits in a Number")
	case d.Exp > maxExponent:
		return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case d.Exp < minExponent:
		return invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return nil
}

// scanDecimal reads [+-]digits[.digits][e[+-]digits].
func scanDecimal(s string) (d Decimal, ok bool) {
	if len(s) > maxLiteral {
		return d, false
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.Negative = s[0] == '-'
		s = s[1:]
	}
	exp := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if exp, ok = scanExponent(s[i+1:]); !ok {
			return d, false
		}
		s = s[:i]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := whole
	if fraction != "" {
		digits = whole + fraction
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return d, false
	}
	trimmed := strings.TrimLeft(digits, "0")
	d.Exp = exp + len(whole) - 1 - (len(digits) - len(trimmed))
	d.Digits = strings.TrimRight(trimmed, "0")
	if d.Digits == "" {
		return Decimal{}, true
	}
	return d, true
}

// maxScan bounds exponents while they are read; any beyond are out of range.
const maxScan = 1 << 20

func scanExponent(s string) (int, bool) {
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int(s[i]-'0'), maxScan)
	}
	if negative {
		n = -n
	}
	return n, true
}

// String is the canonical form: plain, without exponent and needless zeros.
func (d Decimal) String() string {
	if d.Digits == "" {
		return "0"
	}
	sign := ""
	if d.Negative {
		sign = "-"
	}
	n, point := len(d.Digits), d.Exp+1
	switch {
	case point >= n:
		return sign + d.Digits + strings.Repeat("0", point-n)
	case point > 0:
		return sign + d.Digits[:point] + "." + d.Digits[point:]
	}
	return sign + "0." + strings.Repeat("0", -point) + d.Digits
}

// Canonical returns the canonical form of a number as a client wrote it.
func Canonical(s string) (string, error) {
	if isPlainInteger(s) {
		return s, nil
	}
	d, err := ParseDecimal(s)
	if err != nil {
		return "", err
	}
	return d.String(), nil
}

// isPlainInteger recognises the most usual numbers, which need no work.
func isPlainInteger(s string) bool {
	if s == "" || len(s) > maxDigits || (s[0] == '0' && len(s) > 1) {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// CompareNumbers orders canonical numbers.
func CompareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	x, _ := scanDecimal(a)
	y, _ := scanDecimal(b)
	return x.compare(y)
}

func (d Decimal) sign() int {
	switch {
	case d.Digits == "":
		return 0
	case d.Negative:
		return -1
	}
	return 1
}

func (d Decimal) compare(o Decimal) int {
	if c := cmp.Compare(d.sign(), o.sign()); c != 0 || d.sign() == 0 {
		return c
	}
	c := cmp.Or(cmp.Compare(d.Exp, o.Exp), strings.Compare(d.Digits, o.Digits))
	return c * d.sign()
}

// Add returns a+b, or a-b, of canonical numbers in canonical form.
func Add(a, b string, subtract bool) (string, error) {
	x, _ := scanDecimal(a)
	y, _ := scanDecimal(b)
	if subtract {
		y.Negative = !y.Negative
	}
	low := min(x.Exp-len(x.Digits), y.Exp-len(y.Digits)) + 1
	sum := x.scaled(low)
	sum.Add(sum, y.scaled(low))
	text := sum.Text(10)
	digits := strings.TrimPrefix(text, "-")
	d := Decimal{Negative: digits != text, Exp: low + len(digits) - 1, Digits: strings.TrimRight(digits, "0")}
	if d.Digits == "" {
		return "0", nil
	}
	if err := d.check(); err != nil {
		return "", err
	}
	return d.String(), nil
}

// scaled returns d in units of 10^low.
func (d Decimal) scaled(low int) *big.Int {
	n := new(big.Int)
	if d.Digits == "" {
		return n
	}
	n.SetString(d.Digits, 10)
	shift := int64(d.Exp - len(d.Digits) + 1 - low)
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(shift), nil))
	if d.Negative {
		n.Neg(n)
	}
	return n
}

// numberSize counts a byte for two digits and one more, and one for the sign.
func numberSize(s string) int {
	d, _ := scanDecimal(s)
	n := (len(d.Digits)+1)/2 + 1
	if d.Negative {
		n++
	}
	return n
}
