package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func newSealer(t testing.TB, keys ...byte) *Sealer {
	t.Helper()
	var full [][]byte
	for _, k := range keys {
		full = append(full, bytes.Repeat([]byte{k}, KeyBytes))
	}
	s, err := New(full...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealThenOpen(t *testing.T) {
	s := newSealer(t, 1)
	for _, plain := range []string{"", "x", strings.Repeat("long ", 10_000)} {
		sealed := s.Seal("purpose", []byte(plain))
		if len(sealed) != len(plain)+OverheadBytes {
			t.Errorf("sealed %d bytes into %d", len(plain), len(sealed))
		}
		got, err := s.Open("purpose", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("Open = %.20q, %v; want %.20q", got, err, plain)
		}
	}
	if bytes.Equal(s.Seal("p", []byte("same")), s.Seal("p", []byte("same"))) {
		t.Error("two seals of one value are equal")
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	s := newSealer(t, 1, 2)
	sealed := s.Seal("purpose", []byte("a secret"))
	for i := range sealed {
		for bit := range 8 {
			altered := bytes.Clone(sealed)
			altered[i] ^= 1 << bit
			if got, err := s.Open("purpose", altered); err == nil {
				t.Fatalf("byte %d bit %d flipped: opened as %q", i, bit, got)
			}
		}
	}
	for n := range sealed {
		if _, err := s.Open("purpose", sealed[:n]); err == nil {
			t.Fatalf("opened when cut to %d bytes", n)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	s := newSealer(t, 1)
	sealed := s.Seal("cognito/secret/a", []byte("v"))
	future := bytes.Clone(sealed)
	future[0] = version + 1
	tests := []struct {
		name    string
		sealer  *Sealer
		purpose string
		sealed  []byte
		want    error
	}{
		{"other purpose", s, "cognito/secret/b", sealed, ErrNotAuthentic},
		{"no purpose", s, "", sealed, ErrNotAuthentic},
		{"other key", newSealer(t, 2), "cognito/secret/a", sealed, ErrUnknownKey},
		{"later version", s, "cognito/secret/a", future, ErrMalformed},
		{"empty", s, "cognito/secret/a", nil, ErrMalformed},
	}
	for _, tt := range tests {
		if _, err := tt.sealer.Open(tt.purpose, tt.sealed); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestRotationKeepsOldValuesReadable(t *testing.T) {
	old := newSealer(t, 1)
	sealed := old.Seal("p", []byte("v"))
	both := newSealer(t, 1, 2)
	if got, err := both.Open("p", sealed); err != nil || string(got) != "v" {
		t.Fatalf("Open after rotation = %q, %v", got, err)
	}
	if !both.Stale(sealed) {
		t.Error("a value under the old key is not stale")
	}
	fresh := both.Seal("p", []byte("v"))
	if both.Stale(fresh) {
		t.Error("a value just sealed is stale")
	}
	if _, err := old.Open("p", fresh); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("old sealer opens the new key's value: %v", err)
	}
}

// envelopeV1 is "v" sealed for "p" under the key of 32 bytes 0x01: values like
// it are on disks, so it must open for ever.
const envelopeV1 = "01d5cc468a6816822271597bb0c60bdb4c662e9babd69969ea78b1072d9dda0e3196a07d71083683acd6c10241b2e740eca9"

func TestVersionOneStillOpens(t *testing.T) {
	sealed, err := hex.DecodeString(envelopeV1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := newSealer(t, 1).Open("p", sealed); err != nil || string(got) != "v" {
		t.Errorf("Open = %q, %v", got, err)
	}
}

func TestTokens(t *testing.T) {
	s := newSealer(t, 1)
	token := s.SealToken("session", []byte("state"))
	if strings.ContainsAny(token, "+/= \n") {
		t.Errorf("token %q is not URL-safe", token)
	}
	if got, err := s.OpenToken("session", token); err != nil || string(got) != "state" {
		t.Errorf("OpenToken = %q, %v", got, err)
	}
	for _, bad := range []string{"", "%", token + "\n", token + "=", token[:10] + "\r\n" + token[10:], token[1:], strings.Repeat("A", TokenBytesMax+1)} {
		if _, err := s.OpenToken("session", bad); err == nil {
			t.Errorf("OpenToken(%.40q) succeeded", bad)
		}
	}
	if _, err := s.OpenToken("other", token); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("token opened for another purpose: %v", err)
	}
}

func TestNewRefusesBadKeys(t *testing.T) {
	for _, keys := range [][][]byte{nil, {nil}, {make([]byte, 31)}, {make([]byte, 33)}, make([][]byte, KeysMax+1)} {
		if _, err := New(keys...); !errors.Is(err, ErrKey) {
			t.Errorf("New of %d keys: %v, want ErrKey", len(keys), err)
		}
	}
}

func TestKeyFileIsCreatedOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Open of no file: %v", err)
	}
	sealers := make([]*Sealer, 8)
	var wg sync.WaitGroup
	for i := range sealers {
		wg.Go(func() {
			s, err := OpenOrCreate(path)
			if err != nil {
				t.Error(err)
			}
			sealers[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed := sealers[0].Seal("p", []byte("v"))
	for i, s := range sealers {
		if _, err := s.Open("p", sealed); err != nil {
			t.Errorf("sealer %d has another key: %v", i, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != fileModeWanted {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files left beside the key file", len(entries)-1)
	}
}

func TestKeyFileOpenToOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := OpenOrCreate(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o610, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenOrCreate(path); !errors.Is(err, ErrFileMode) {
			t.Errorf("mode %o: %v, want ErrFileMode", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}

func TestRotateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, err := OpenOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := first.Seal("p", []byte("v"))
	rotated, err := Rotate(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Open("p", sealed); err != nil {
		t.Errorf("old value after rotation: %v", err)
	}
	if _, err := again.Open("p", rotated.Seal("p", nil)); err != nil || !again.Stale(sealed) {
		t.Errorf("reopened file does not seal with the new key: %v", err)
	}
}

func TestBrokenKeyFileDoesNotLeakInErrors(t *testing.T) {
	secret := "c2VjcmV0c2VjcmV0c2VjcmV0"
	for _, text := range []string{"", "# only a comment\n", secret, keyPrefix + secret, keyPrefix + secret + "!"} {
		_, err := parseKeys([]byte(text))
		if !errors.Is(err, ErrKey) {
			t.Errorf("parseKeys(%q) = %v, want ErrKey", text, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("error quotes the key: %v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := newSealer(f, 1)
	genuine, err := hex.DecodeString(envelopeV1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine)
	f.Add(genuine[:OverheadBytes-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		got, err := s.Open("p", sealed)
		if err == nil && !bytes.Equal(sealed, genuine) {
			t.Fatalf("forged %x opened as %q", sealed, got)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(formatKeys([][]byte{make([]byte, KeyBytes), bytes.Repeat([]byte{7}, KeyBytes)}))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if err != nil {
			return
		}
		again, err := parseKeys(formatKeys(keys))
		if err != nil || len(again) != len(keys) {
			t.Fatalf("keys do not survive format and parse: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	s := newSealer(b, 1)
	plain := make([]byte, 256)
	for b.Loop() {
		s.Seal("cognito/client-secret/1example23456789", plain)
	}
}
