package item

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
)

func TestCanonical(t *testing.T) {
	tests := []struct{ in, want string }{
		{"0", "0"}, {"-0", "0"}, {"0.000", "0"}, {"00042", "42"}, {"1.0", "1"}, {"3.140", "3.14"}, {"1.5E2", "150"}, {"100", "100"},
		{"1e-3", "0.001"}, {"-12.5e-1", "-1.25"}, {".5", "0.5"}, {"5.", "5"}, {"+7", "7"},
		{strings.Repeat("9", 38), strings.Repeat("9", 38)},
		{"9.9999999999999999999999999999999999999E+125", strings.Repeat("9", 38) + strings.Repeat("0", 88)},
		{"1E-130", "0." + strings.Repeat("0", 129) + "1"},
	}
	for _, tt := range tests {
		if got, err := Canonical(tt.in); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "The parameter cannot be converted to a numeric value"},
		{"abc", "The parameter cannot be converted to a numeric value: abc"},
		{"1e", "The parameter cannot be converted to a numeric value: 1e"},
		{"NaN", "The parameter cannot be converted to a numeric value: NaN"},
		{strings.Repeat("1", 39), "Attempting to store more than 38 significant digits in a Number"},
		{"1E126", "Number overflow. Attempting to store a number with magnitude larger than supported range"},
		{"1E-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"},
		{"1E99999999999999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"},
	}
	for _, tt := range tests {
		_, err := Canonical(tt.in)
		if f := fault.As(err); f == nil || f.Message != tt.want {
			t.Errorf("%s: got %v, want %s", tt.in, err, tt.want)
		}
	}
}

func TestAdd(t *testing.T) {
	tests := []struct {
		a, b     string
		subtract bool
		want     string
	}{
		{"1", "2", false, "3"}, {"1", "2", true, "-1"}, {"0.1", "0.2", false, "0.3"}, {"5", "5", true, "0"}, {"0", "7", false, "7"},
		{"99", "1", false, "100"}, {"-1.5", "0.5", false, "-1"},
	}
	for _, tt := range tests {
		if got, err := Add(tt.a, tt.b, tt.subtract); err != nil || got != tt.want {
			t.Errorf("%s %s: got %s, %v, want %s", tt.a, tt.b, got, err, tt.want)
		}
	}
	if _, err := Add("1"+strings.Repeat("0", 40), "1", false); err == nil {
		t.Error("a sum of 41 digits is taken")
	}
}

func TestOrderOfNumbersIsThatOfKeys(t *testing.T) {
	ordered := []string{"-1000", "-12", "-11", "-1", "-0.5", "-0.05", "0", "0.001", "0.5", "1", "1.5", "2", "10", "1000"}
	for i := range ordered {
		for j := range ordered {
			a, b := ordered[i], ordered[j]
			want := cmpInt(i, j)
			if got := CompareNumbers(a, b); got != want {
				t.Errorf("CompareNumbers(%s, %s) = %d", a, b, got)
			}
			ka, kb := AppendKey(nil, Value{Kind: Number, Text: a}), AppendKey(nil, Value{Kind: Number, Text: b})
			if got := bytes.Compare(ka, kb); got != want {
				t.Errorf("keys of %s, %s compare %d", a, b, got)
			}
		}
	}
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestSize(t *testing.T) {
	m := Map{
		{"b", Value{Kind: Binary, Text: "xyz"}}, {"l", Value{Kind: List, List: []Value{{Kind: Null}}}},
		{"m", Value{Kind: MapKind, Map: Map{{"k", Value{Kind: Bool}}}}}, {"n", Value{Kind: Number, Text: "-123"}}, {"s", Value{Kind: String, Text: "héé"}},
	}
	want := (1 + 3) + (1 + 3 + 1 + 1) + (1 + 3 + 1 + 1 + 1) + (1 + 4) + (1 + 5)
	if got := m.Size(); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func sample() map[string]api.AttributeValue {
	return map[string]api.AttributeValue{
		"s": {S: new("text")}, "n": {N: new("12.50")}, "b": {B: []byte{0, 1}}, "t": {BOOL: new(true)}, "f": {BOOL: new(false)}, "z": {NULL: new(true)},
		"m":  {M: map[string]api.AttributeValue{"x": {L: []api.AttributeValue{{S: new("")}, {M: map[string]api.AttributeValue{}}}}}},
		"ss": {SS: []string{"b", "a"}}, "ns": {NS: []string{"10", "9"}}, "bs": {BS: [][]byte{{2}, {1}}}, "l": {L: []api.AttributeValue{}},
	}
}

func TestStoredFormKeepsItems(t *testing.T) {
	m, err := FromWire(sample())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(Append(nil, m))
	if err != nil {
		t.Fatal(err)
	}
	if !EqualMaps(m, got) {
		t.Errorf("got %v\nwant %v", got, m)
	}
	want := sample()
	want["n"] = api.AttributeValue{N: new("12.5")}
	want["ss"], want["ns"], want["bs"] = api.AttributeValue{SS: []string{"a", "b"}}, api.AttributeValue{NS: []string{"9", "10"}}, api.AttributeValue{BS: [][]byte{{1}, {2}}}
	if d := cmp.Diff(want, ToWire(got)); d != "" {
		t.Error(d)
	}
}

func TestFromWireRefuses(t *testing.T) {
	deep := api.AttributeValue{S: new("x")}
	for range MaxNesting + 1 {
		deep = api.AttributeValue{L: []api.AttributeValue{deep}}
	}
	for name, tt := range map[string]struct {
		in   api.AttributeValue
		want string
	}{
		"none":      {api.AttributeValue{}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		"two":       {api.AttributeValue{S: new(""), N: new("1")}, "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
		"null":      {api.AttributeValue{NULL: new(false)}, "One or more parameter values were invalid: Null attribute value types must have the value of true"},
		"duplicate": {api.AttributeValue{SS: []string{"a", "a"}}, "One or more parameter values were invalid: Input collection [a, a] contains duplicates."},
		"numbers":   {api.AttributeValue{NS: []string{"1", "1.0"}}, "Input collection contains duplicates"},
		"deep":      {deep, "Nesting Levels have exceeded supported limits"},
	} {
		_, err := FromWire(map[string]api.AttributeValue{"a": tt.in})
		if f := fault.As(err); f == nil || f.Message != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// FuzzDecode: what can be read is written back as the same bytes' item.
func FuzzDecode(f *testing.F) {
	m, err := FromWire(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Append(nil, m))
	f.Add([]byte{version, 0})
	f.Add([]byte("\x01\x01\x010\x02\x021-")) // a number in no form that is stored
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		stored, size, serr := Check(b)
		if (err == nil) != (serr == nil) {
			t.Fatalf("decoded with %v, checked with %v", err, serr)
		}
		if err != nil {
			return
		}
		if size != m.Size() {
			t.Errorf("%v has %d bytes, stored %d", m, m.Size(), size)
		}
		if got, want := string(stored.AppendJSON(nil)), string(AppendJSON(nil, m)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		again, err := Decode(Append(nil, m))
		if err != nil || !EqualMaps(m, again) {
			t.Errorf("%v became %v, %v", m, again, err)
		}
	})
}

// FuzzNumber: canonical numbers are canonical, and their order is their keys'.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "-0.5", "1e10", "00.1e-3", "9e125"} {
		f.Add(s, "2")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := Canonical(a)
		if err != nil {
			return
		}
		y, err := Canonical(b)
		if err != nil {
			return
		}
		if again, err := Canonical(x); err != nil || again != x {
			t.Errorf("%s is not canonical: %s, %v", x, again, err)
		}
		ka, kb := AppendKey(nil, Value{Kind: Number, Text: x}), AppendKey(nil, Value{Kind: Number, Text: y})
		if CompareNumbers(x, y) != slices.Compare(ka, kb) {
			t.Errorf("%s and %s are ordered otherwise than their keys", x, y)
		}
	})
}
