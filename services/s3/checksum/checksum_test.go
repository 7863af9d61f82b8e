package checksum

import (
	"encoding/base64"
	"hash/crc32"
	"net/http"
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

func TestAskedAlgorithm(t *testing.T) {
	if got := Asked(new("crc64nvme")); got != CRC64NVME {
		t.Errorf("%q", got)
	}
	for name, known := range map[string]bool{"SHA256": true, "sha256": true, "": true, "CRC16": false} {
		if _, err := Expected(http.Header{"X-Amz-Sdk-Checksum-Algorithm": {name}}); (err == nil) != known {
			t.Errorf("%q: %v", name, err)
		}
	}
}
