package blob

import (
	"encoding/json"
	"errors"
	"testing"
)

const someID = "01JD3ZK7Q8ABCDEFGHJKMNPQRS"

func TestParseRef(t *testing.T) {
	good := Ref{ID: someID, Size: 1000, Checksum: 0xab}
	if got := good.String(); got != someID+".3e8.00000000000000ab" {
		t.Fatalf("String = %q", got)
	}
	if got, err := ParseRef(good.String()); err != nil || got != good {
		t.Errorf("ParseRef = %v, %v", got, err)
	}
	for _, bad := range []string{
		"", ".", "..", someID, someID + ".3e8", someID + ".3e8.ab", someID + ".03e8.00000000000000ab",
		someID + ".-1.00000000000000ab", someID + ".3E8.00000000000000ab", "../" + someID[3:] + ".1.00000000000000ab",
		someID + ".7fffffffffffffff.00000000000000ab", good.String() + "0",
	} {
		if got, err := ParseRef(bad); !errors.Is(err, ErrRef) {
			t.Errorf("ParseRef(%q) = %v, %v", bad, got, err)
		}
	}
}

func TestRefInJSON(t *testing.T) {
	type record struct{ Body, None Ref }
	in := record{Body: Ref{ID: someID, Size: 1, Checksum: 2}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out record
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("%s gives %v, %v", text, out, err)
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add(someID + ".3e8.00000000000000ab")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRef(s); err == nil && r.String() != s {
			t.Fatalf("ParseRef(%q) = %v", s, r)
		}
	})
}
