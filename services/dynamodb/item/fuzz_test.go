package item

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
)

// FuzzWire reads items as clients send them: what is accepted comes back as it
// was stored, and stays the same when it is sent again.
func FuzzWire(f *testing.F) {
	raw, err := json.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"a":{"N":"1e-130"},"b":{"SS":["x","x"]},"c":{"M":{"d":{"L":[{"NULL":true}]}}},"e":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in map[string]api.AttributeValue
		if json.Unmarshal(b, &in) != nil {
			return
		}
		m, err := FromWire(in)
		if err != nil {
			if fault.As(err) == nil {
				t.Errorf("not a fault: %v", err)
			}
			return
		}
		stored, err := Decode(Append(nil, m))
		if err != nil || !EqualMaps(m, stored) || stored.Size() != m.Size() {
			t.Fatalf("%v is stored as %v, %v", m, stored, err)
		}
		again, err := FromWire(ToWire(stored))
		if err != nil || !EqualMaps(m, again) {
			t.Errorf("%v is sent as %v, %v", m, again, err)
		}
	})
}

// FuzzKey: the order of keys is that of their bytes, and none continues another.
func FuzzKey(f *testing.F) {
	f.Add([]byte("b"), []byte("b\x00"))
	f.Add([]byte{}, []byte{0xff})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, k := range []Kind{String, Binary} {
			x, y := Value{Kind: k, Text: string(a)}, Value{Kind: k, Text: string(b)}
			order, ok := Compare(x, y)
			// Another part of the key follows.
			kx, ky := append(AppendKey(nil, x), 1), append(AppendKey(nil, y), 1)
			if !ok || bytes.Compare(kx, ky) != order {
				t.Errorf("%q and %q are ordered otherwise than their keys", a, b)
			}
			if prefix := bytes.HasPrefix(kx, AppendKeyPrefix(nil, y)); prefix != bytes.HasPrefix(a, b) {
				t.Errorf("%q begins with %q: %v by its key", a, b, prefix)
			}
			if order != 0 && (Hash(x) == Hash(y) || Hash(x, y) == Hash(y, x)) {
				t.Errorf("%q and %q have one digest", a, b)
			}
		}
	})
}

// FuzzAdd: sums are exact, or refused.
func FuzzAdd(f *testing.F) {
	f.Add("1", "-0.1", true)
	f.Add("9.9999999999999999999999999999999999999e125", "1e88", false)
	f.Fuzz(func(t *testing.T, a, b string, subtract bool) {
		x, err := Canonical(a)
		y, yerr := Canonical(b)
		if err != nil || yerr != nil {
			return
		}
		got, err := Add(x, y, subtract)
		if err != nil {
			if fault.As(err) == nil {
				t.Errorf("not a fault: %v", err)
			}
			return
		}
		rx, ry, sum := new(big.Rat), new(big.Rat), new(big.Rat)
		rx.SetString(x)
		ry.SetString(y)
		if want := rx.Add(rx, sign(ry, subtract)); !valid(sum, got) || want.Cmp(sum) != 0 {
			t.Errorf("%s and %s (subtract %v) make %s", x, y, subtract, got)
		}
		if again, err := Canonical(got); err != nil || again != got {
			t.Errorf("the sum %s is not canonical: %s, %v", got, again, err)
		}
	})
}

func sign(r *big.Rat, negative bool) *big.Rat {
	if negative {
		return r.Neg(r)
	}
	return r
}

func valid(r *big.Rat, s string) bool { _, ok := r.SetString(s); return ok }

// FuzzSet: sets of the wire have no element twice, and keep all others.
func FuzzSet(f *testing.F) {
	f.Add("1,1.0,2")
	f.Fuzz(func(t *testing.T, text string) {
		members := strings.Split(text, ",")
		for _, in := range []api.AttributeValue{{SS: members}, {NS: members}} {
			v, err := ValueFromWire(in)
			if err != nil {
				continue
			}
			if len(v.Set) != len(members) || len(slices.Compact(slices.Sorted(slices.Values(v.Set)))) != len(members) {
				t.Errorf("the set of %q is %q", members, v.Set)
			}
		}
	})
}
