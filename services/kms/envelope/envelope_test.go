package envelope

import (
	"bytes"
	"errors"
	"testing"
)

const someKey = "1234abcd-12ab-34cd-56ef-1234567890ab"

func sealed(t testing.TB, context map[string]string, plain string) []byte {
	t.Helper()
	blob, err := Seal(Header{Account: "000000000042", KeyID: someKey, Generation: 3}, make([]byte, MaterialBytes), bytes.Repeat([]byte{7}, SaltBytes), context, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestSealOpen(t *testing.T) {
	blob := sealed(t, map[string]string{"a": "b", "c": ""}, "hello")
	h, err := Parse(blob)
	if err != nil || h != (Header{"000000000042", someKey, 3}) {
		t.Fatalf("%+v, %v", h, err)
	}
	plain, err := Open(blob, make([]byte, MaterialBytes), map[string]string{"c": "", "a": "b"})
	if err != nil || string(plain) != "hello" {
		t.Fatalf("%q, %v", plain, err)
	}
	for name, context := range map[string]map[string]string{
		"none": nil, "less": {"a": "b"}, "more": {"a": "b", "c": "", "d": ""}, "moved": {"a": "", "c": "b"}, "joined": {"a": "bc"}, "case": {"A": "b", "c": ""},
	} {
		if _, err := Open(blob, make([]byte, MaterialBytes), context); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("context %s: %v", name, err)
		}
	}
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1
		if _, err := Open(bad, make([]byte, MaterialBytes), map[string]string{"a": "b", "c": ""}); err == nil {
			t.Fatalf("byte %d is not covered", i)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	salt := make([]byte, SaltBytes)
	for name, f := range map[string]func() error{
		"account":  func() error { _, err := Seal(Header{Account: "x", KeyID: someKey}, salt, salt, nil, nil); return err },
		"key":      func() error { _, err := Seal(Header{Account: "1", KeyID: "12"}, salt, salt, nil, nil); return err },
		"salt":     func() error { _, err := Seal(Header{Account: "1", KeyID: someKey}, salt, nil, nil, nil); return err },
		"material": func() error { _, err := Seal(Header{Account: "1", KeyID: someKey}, nil, salt, nil, nil); return err },
	} {
		if !errors.Is(f(), ErrMalformed) {
			t.Errorf("%s: %v", name, f())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sealed(f, nil, "x"))
	f.Add([]byte(magic))
	multi, err := Seal(Header{Account: "1", KeyID: "mrk-1234abcd12ab34cd56ef1234567890ab"}, make([]byte, MaterialBytes), make([]byte, SaltBytes), nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(multi)
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, err := Parse(blob)
		if err != nil {
			if _, err := Open(blob, make([]byte, MaterialBytes), nil); err == nil {
				t.Fatal("opened what does not parse")
			}
			return
		}
		again, err := Seal(h, make([]byte, MaterialBytes), blob[saltAt:headerBytes], nil, nil)
		if err != nil || !bytes.Equal(again[:headerBytes], blob[:headerBytes]) {
			t.Fatalf("%x became %x (%v)", blob[:headerBytes], again, err)
		}
	})
}
