package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"
)

func TestDeriveIsHKDF(t *testing.T) {
	key := bytes.Repeat([]byte{7}, KeyBytes)
	m := newMaster(key)
	for _, info := range []string{"", infoKeyID, infoPurpose + "s3/data-key/x", "again"} {
		want, err := hkdf.Key(sha256.New, key, nil, info, sha256.Size)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.derive(info); !bytes.Equal(got, want) {
			t.Errorf("derive(%q) = %x, want %x", info, got, want)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	s, err := New(bytes.Repeat([]byte{7}, KeyBytes))
	if err != nil {
		b.Fatal(err)
	}
	sealed := s.Seal("s3/data-key/01JD3ZK7Q8ABCDEFGHJKMNPQRS", make([]byte, 32))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open("s3/data-key/01JD3ZK7Q8ABCDEFGHJKMNPQRS", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
