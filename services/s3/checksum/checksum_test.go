package checksum

import (
	"encoding/base64"
	"hash/crc32"
	"strings"
	"testing"
)

func TestCombinedCRC(t *testing.T) {
	parts := []string{"hello ", strings.Repeat("x", 12345), "", "end"}
	var sums []string
	var sizes []int64
	for _, p := range parts {
		v := crc32.ChecksumIEEE([]byte(p))
		sums = append(sums, base64.StdEncoding.EncodeToString([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
		sizes = append(sizes, int64(len(p)))
	}
	d := NewDigester(CRC32)
	d.Write([]byte(strings.Join(parts, "")))
	if got, ok := Combine(CRC32, sums, sizes); !ok || got != d.Sums()[CRC32] {
		t.Errorf("%s, %v", got, ok)
	}
	if _, ok := Combine(SHA1, sums, sizes); ok {
		t.Error("a SHA was joined")
	}
}
