package tuple

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

// sameOrder fails unless the encodings order as the values do.
func sameOrder(t *rapid.T, want int, a, b []byte) {
	t.Helper()
	if got := bytes.Compare(a, b); got != want {
		t.Fatalf("encodings %x and %x compare %d, values %d", a, b, got, want)
	}
	// Also with something behind them, unless the values are equal.
	if want != 0 && bytes.Compare(AppendBytes(a, []byte{0xff}), AppendInt(b, -1)) != want {
		t.Fatalf("encodings %x and %x order otherwise with more parts behind", a, b)
	}
}

// tricky draws bytes of which many need escapes.
func tricky(t *rapid.T, label string) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 1, 2, 0x7f, 0xfe, 0xff}), 0, 6).Draw(t, label)
}

func TestBytesAndStringsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := tricky(t, "a"), tricky(t, "b")
		sameOrder(t, bytes.Compare(a, b), AppendBytes(nil, a), AppendBytes(nil, b))
		sameOrder(t, bytes.Compare(a, b), AppendString(nil, string(a)), AppendString(nil, string(b)))
		if got, rest, err := DecodeBytes(Key(a, b)); err != nil || !bytes.Equal(got, a) {
			t.Fatalf("DecodeBytes = %x, %x, %v", got, rest, err)
		} else if got, rest, err := DecodeBytes(rest); err != nil || !bytes.Equal(got, b) || len(rest) != 0 {
			t.Fatalf("second DecodeBytes = %x, %x, %v", got, rest, err)
		}
		if has := bytes.HasPrefix(Key(a), AppendBytesPrefix(nil, b)); has != bytes.HasPrefix(a, b) {
			t.Fatalf("prefix of encoding %v, of value %v", has, !has)
		}
	})
}

func TestIntegersOrder(t *testing.T) {
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -65536, -65535, -257, -256, -255, -1, 0, 1, 255, 256, math.MaxInt64}
	ints := rapid.OneOf(rapid.Int64(), rapid.SampledFrom(edges))
	rapid.Check(t, func(t *rapid.T) {
		a, b := ints.Draw(t, "a"), ints.Draw(t, "b")
		sameOrder(t, cmp.Compare(a, b), AppendInt(nil, a), AppendInt(nil, b))
		if got, rest, err := DecodeInt(AppendInt(nil, a)); err != nil || got != a || len(rest) != 0 {
			t.Fatalf("DecodeInt = %d, %x, %v; want %d", got, rest, err, a)
		}
		u, v := rapid.Uint64().Draw(t, "u"), rapid.Uint64().Draw(t, "v")
		sameOrder(t, cmp.Compare(u, v), AppendUint(nil, u), AppendUint(nil, v))
		if got, _, err := DecodeUint(AppendUint(nil, u)); err != nil || got != u {
			t.Fatalf("DecodeUint = %d, %v; want %d", got, err, u)
		}
		if a < 0 {
			sameOrder(t, -1, AppendInt(nil, a), AppendUint(nil, u))
		}
	})
	if _, _, err := DecodeInt(AppendUint(nil, math.MaxUint64)); !errors.Is(err, ErrMalformed) {
		t.Errorf("DecodeInt of a number too large: %v", err)
	}
	if _, _, err := DecodeUint(AppendInt(nil, -1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("DecodeUint of -1: %v", err)
	}
}

// drawDecimal draws a decimal in range, often one with few digits.
func drawDecimal(t *rapid.T, label string) *apd.Decimal {
	digits := rapid.StringMatching(`[1-9]([0-9]{0,3}|[0-9]{36,37})0{0,4}`).Draw(t, label+" digits")
	if rapid.IntRange(0, 20).Draw(t, label+" zero") == 0 {
		digits = "0"
	}
	lowest := MinDecimalExponent - len(digits) + 1
	highest := MaxDecimalExponent - len(digits) + 1
	exponents := rapid.OneOf(rapid.IntRange(-3, 3), rapid.IntRange(lowest, highest), rapid.SampledFrom([]int{lowest, highest}))
	d := &apd.Decimal{Exponent: int32(exponents.Draw(t, label+" exponent")), Negative: rapid.Bool().Draw(t, label+" negative")}
	d.Coeff.SetString(digits, 10)
	if len(strings.TrimRight(digits, "0")) > MaxDecimalDigits {
		t.Skip()
	}
	return d
}

func rat(t *rapid.T, d *apd.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		t.Fatalf("no number: %s", d)
	}
	return r
}

func TestDecimalsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawDecimal(t, "a"), drawDecimal(t, "b")
		ea, err := AppendDecimal(nil, a)
		if err != nil {
			t.Fatal(err)
		}
		eb, err := AppendDecimal(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		sameOrder(t, rat(t, a).Cmp(rat(t, b)), ea, eb)
		got, rest, err := DecodeDecimal(ea)
		if err != nil || len(rest) != 0 || got.Cmp(a) != 0 {
			t.Fatalf("DecodeDecimal = %v, %x, %v; want %v", got, rest, err, a)
		}
	})
}

func TestDecimalsOutOfRange(t *testing.T) {
	for _, s := range []string{"1E126", "9.9E-131", "-1E126", "1.00000000000000000000000000000000000001", "NaN", "Infinity", "-Infinity"} {
		d, _, err := apd.NewFromString(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := AppendDecimal(nil, d); !errors.Is(err, ErrDecimalRange) {
			t.Errorf("%s: %v, want ErrDecimalRange", s, err)
		}
	}
	for _, s := range []string{"9.9999999999999999999999999999999999999E125", "1E-130", "-1E-130", "100000000000000000000000000000000000000000000"} {
		d, _, err := apd.NewFromString(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := AppendDecimal(nil, d); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := AppendNumber(nil, false, "1x", 0); err == nil {
		t.Error("digits 1x accepted")
	}
}

func TestTuplesOrderByParts(t *testing.T) {
	ascending := [][]byte{
		Key(), Key([]byte{}), Key([]byte("a")), Key(""), Key("", 0), Key("\x00"), Key("\x00", "a"), Key("\x01"), Key("a"), Key("a", -300),
		Key("a", -1), Key("a", -1, "z"), Key("a", 0), Key("a", uint64(math.MaxUint64)), Key("a", false), Key("a", true),
		Key("a\x00"), Key("ab"), Key("b"), Key(-1), Key(0), Key(false), Key(true),
	}
	for i := 1; i < len(ascending); i++ {
		if bytes.Compare(ascending[i-1], ascending[i]) >= 0 {
			t.Errorf("key %d %x is not before key %d %x", i-1, ascending[i-1], i, ascending[i])
		}
	}
}

func TestEndIsBehindTheTuplesOfAKeyOnly(t *testing.T) {
	end := End(Key("a"))
	for _, k := range [][]byte{Key("a"), Key("a", "\xff"), Key("a", []byte{0xff}), Key("a", int64(math.MaxInt64)), Key("a", true)} {
		if bytes.Compare(k, end) >= 0 {
			t.Errorf("%x is not before the end", k)
		}
	}
	for _, k := range [][]byte{Key("a\x00"), Key("a\x00b", 1), Key("a\x01"), Key("b")} {
		if bytes.Compare(k, end) < 0 {
			t.Errorf("%x is before the end", k)
		}
	}
}

// FuzzDecode checks that decoding never fails badly, and that what is decoded
// has one encoding only.
func FuzzDecode(f *testing.F) {
	f.Add(Key("a\x00b", []byte{0, 255}, -5, 1<<40, true, false))
	for _, s := range []string{"0", "-1.5", "123e100"} {
		d, _, _ := apd.NewFromString(s)
		e, _ := AppendDecimal(nil, d)
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		check := func(again, rest []byte, err error) {
			if err == nil && !bytes.Equal(append(again, rest...), src) {
				t.Errorf("%x decodes to what encodes as %x", src, again)
			}
		}
		p, rest, err := DecodeBytes(src)
		check(AppendBytes(nil, p), rest, err)
		s, rest, err := DecodeString(src)
		check(AppendString(nil, s), rest, err)
		i, rest, err := DecodeInt(src)
		check(AppendInt(nil, i), rest, err)
		u, rest, err := DecodeUint(src)
		check(AppendUint(nil, u), rest, err)
		b, rest, err := DecodeBool(src)
		check(AppendBool(nil, b), rest, err)
		if d, rest, err := DecodeDecimal(src); err == nil {
			again, err := AppendDecimal(nil, d)
			if err != nil {
				t.Fatalf("%x decodes to %v, which does not encode: %v", src, d, err)
			}
			check(again, rest, nil)
		}
	})
}
