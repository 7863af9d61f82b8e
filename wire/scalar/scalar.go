// Package scalar reads and writes the values that AWS's protocols carry as
// plain text: in labels, query parameters, headers, forms and XML. It knows the
// simple kinds and the three timestamp formats, and nothing of where the text
// came from.
package scalar

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/aws/smithy"
)

// Target returns the value to set behind v, making it first where v is a nil
// pointer.
func Target(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// Source returns the value to write for v; false means that it is absent.
func Source(v reflect.Value) (reflect.Value, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		return v, !v.IsNil()
	default:
		return v, true
	}
}

// IsSimple reports whether the kind is one that text can carry.
func IsSimple(k smithy.Kind) bool { return k <= smithy.KindTimestamp }

// Format is the timestamp format of a member: its own, its shape's, or def.
func Format(m *smithy.Member, sh *smithy.Shape, def smithy.TimestampFormat) smithy.TimestampFormat {
	if m != nil && m.Timestamp != smithy.TimestampDefault {
		return m.Timestamp
	}
	if sh.Timestamp != smithy.TimestampDefault {
		return sh.Timestamp
	}
	return def
}

// Parse sets v from text.
func Parse(kind smithy.Kind, format smithy.TimestampFormat, v reflect.Value, s string) error {
	v = Target(v)
	switch kind {
	case smithy.KindString:
		v.SetString(strings.ToValidUTF8(s, "\uFFFD"))
	case smithy.KindBoolean:
		b, err := parseBool(s)
		if err != nil {
			return err
		}
		v.SetBool(b)
	case smithy.KindInteger, smithy.KindLong:
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return intError(err, s, kind)
		}
		v.SetInt(n)
	case smithy.KindFloat, smithy.KindDouble:
		f, err := ParseFloat(s, v.Type().Bits())
		if err != nil {
			return err
		}
		v.SetFloat(f)
	case smithy.KindBigNumber:
		if !IsNumber(s) {
			return fmt.Errorf("%q is not a number", clip(s))
		}
		v.SetString(s)
	case smithy.KindBlob:
		b, err := base64.StdEncoding.AppendDecode([]byte{}, []byte(s))
		if err != nil {
			return errors.New("invalid base64 data")
		}
		v.SetBytes(b)
	case smithy.KindTimestamp:
		t, err := ParseTime(format, s)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
	default:
		return fmt.Errorf("text where a structure, list or map was expected")
	}
	return nil
}

// clipLen bounds how much of a caller's text goes into an error message.
const clipLen = 64

func clip(s string) string {
	if len(s) > clipLen {
		return s[:clipLen] + "..."
	}
	return s
}

func parseBool(s string) (bool, error) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, nil
	case strings.EqualFold(s, "false"):
		return false, nil
	}
	return false, fmt.Errorf("%q is not a boolean", clip(s))
}

func intError(err error, s string, kind smithy.Kind) error {
	name := "Integer"
	if kind == smithy.KindLong {
		name = "Long"
	}
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%q is out of range of %s", clip(s), name)
	}
	return fmt.Errorf("%q can not be converted to %s", clip(s), name)
}

// ParseFloat reads a number or one of NaN, Infinity and -Infinity.
func ParseFloat(s string, bits int) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	if !IsNumber(s) {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	f, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is out of range", clip(s))
	}
	return f, nil
}

// IsNumber reports whether s is a decimal number: JSON's grammar, with a leading
// plus and leading zeros allowed.
func IsNumber(s string) bool {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	whole := digits(s, &i)
	frac := 0
	if i < len(s) && s[i] == '.' {
		i++
		frac = digits(s, &i)
	}
	if whole+frac == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
		if digits(s, &i) == 0 {
			return false
		}
	}
	return i == len(s)
}

func digits(s string, i *int) int {
	n := 0
	for *i < len(s) && s[*i] >= '0' && s[*i] <= '9' {
		*i++
		n++
	}
	return n
}

// Append writes v, which Source has returned, as text.
func Append(dst []byte, kind smithy.Kind, format smithy.TimestampFormat, v reflect.Value) []byte {
	switch kind {
	case smithy.KindBoolean:
		return strconv.AppendBool(dst, v.Bool())
	case smithy.KindInteger, smithy.KindLong:
		return strconv.AppendInt(dst, v.Int(), 10)
	case smithy.KindFloat, smithy.KindDouble:
		return AppendFloat(dst, v.Float(), v.Type().Bits())
	case smithy.KindBlob:
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	case smithy.KindTimestamp:
		return AppendTime(dst, format, Time(v))
	default:
		return append(dst, v.String()...)
	}
}

// Time returns the time in v.
func Time(v reflect.Value) time.Time {
	t, _ := v.Interface().(time.Time)
	return t
}

// Plain decimals stay plain between these bounds; beyond them an exponent is
// shorter to read, as in ECMAScript.
const (
	plainMin = 1e-6
	plainMax = 1e21
)

// AppendFloat writes the shortest text that reads back as f.
func AppendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a != 0 && (a < plainMin || a >= plainMax) {
		return strconv.AppendFloat(dst, f, 'e', -1, bits)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}
