// Package checksum sums object bodies as S3 does: MD5 for ETags, CRCs and SHAs
// for x-amz-checksum-*, and the checksums of uploads in parts. It compares with
// what clients announce in headers and trailers, and reads no body itself.
package checksum

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"

	"moln.dev/moln/aws/fault"
)

// Checksum algorithms, as x-amz-checksum-algorithm spells them.
const (
	CRC32     = "CRC32"
	CRC32C    = "CRC32C"
	CRC64NVME = "CRC64NVME"
	SHA1      = "SHA1"
	SHA256    = "SHA256"
	SHA512    = "SHA512"
	MD5       = "MD5"
	XXHASH64  = "XXHASH64"
	XXHASH3   = "XXHASH3"
	XXHASH128 = "XXHASH128"
)

// All are the algorithms, in the order in which answers name them.
func All() []string {
	return []string{CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128}
}

// Asked is the algorithm that a header names, which may do so in any case; empty
// for none.
func Asked(header *string) string {
	if header == nil {
		return ""
	}
	return strings.ToUpper(*header)
}

// Checksum types.
const (
	FullObject = "FULL_OBJECT"
	Composite  = "COMPOSITE"
)

// Values are base64 values by algorithm.
type Values map[string]string

// Bare are the values without the number of parts that those made of parts end in,
// as GetObjectAttributes tells them.
func (v Values) Bare() Values {
	out := Values{}
	for alg, sum := range v {
		out[alg], _, _ = strings.Cut(sum, "-")
	}
	return out
}

// New makes the hash of an algorithm; nil for one that is not known here.
func New(alg string) hash.Hash {
	switch alg {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	case MD5:
		return md5.New()
	case XXHASH64:
		return xxhash.New()
	case XXHASH3:
		return xxh3.New()
	case XXHASH128:
		return xxh3.New128()
	}
	return nil
}

const checksumPrefix = "x-amz-checksum-"

// Expectation is what the client says about its body.
type Expectation struct {
	MD5      string            // base64
	Sums     map[string]string // from headers: algorithm -> base64
	Trailers []string          // algorithms whose value comes after the body
}

// Expected reads Content-MD5, x-amz-checksum-* and x-amz-trailer.
func Expected(h http.Header) (Expectation, error) {
	e := Expectation{Sums: map[string]string{}}
	if asked := h.Get("X-Amz-Sdk-Checksum-Algorithm"); asked != "" && New(strings.ToUpper(asked)) == nil {
		return e, Unknown()
	}
	if sent := h["Content-Md5"]; len(sent) > 0 {
		e.MD5 = sent[0]
		if b, err := base64.StdEncoding.DecodeString(e.MD5); err != nil || len(b) != md5.Size {
			return e, badMD5(e.MD5)
		}
	}
	for name, values := range h {
		alg, ok := checksumHeader(name)
		if !ok {
			continue
		}
		n := New(alg)
		if n == nil {
			return e, fault.New("InvalidRequest", http.StatusBadRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.")
		}
		if b, err := base64.StdEncoding.DecodeString(values[0]); err != nil || len(b) != n.Size() || len(values) > 1 {
			if several(h) {
				return e, Multiple()
			}
			return e, fault.New("InvalidRequest", http.StatusBadRequest, "Value for %s%s header is invalid.", checksumPrefix, strings.ToLower(alg))
		}
		e.Sums[alg] = values[0]
	}
	if len(e.Sums) > 1 {
		return e, Multiple()
	}
	for _, v := range h.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(v, ",") {
			alg, ok := checksumHeader(strings.TrimSpace(name))
			if !ok {
				continue
			}
			if New(alg) == nil {
				return e, fault.New("InvalidRequest", http.StatusBadRequest, "The value specified in the x-amz-trailer header is not supported")
			}
			e.Trailers = append(e.Trailers, alg)
		}
	}
	if len(e.Sums)+len(e.Trailers) > 1 {
		return e, Multiple()
	}
	return e, nil
}

// Unknown refuses an algorithm that S3 does not have.
func Unknown() error {
	names := All()
	slices.Sort(names)
	return fault.New("InvalidRequest", http.StatusBadRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", strings.Join(names, ", "))
}

// Multiple refuses a request that tells checksums of more than one algorithm.
func Multiple() error {
	return fault.New("InvalidRequest", http.StatusBadRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
}

// several reports whether more than one checksum is in the headers.
func several(h http.Header) bool {
	n := 0
	for name := range h {
		if _, ok := checksumHeader(name); ok {
			n++
		}
	}
	return n > 1
}

func badMD5(sent string) error {
	return fault.New("InvalidDigest", http.StatusBadRequest, "The Content-MD5 you specified was invalid.").WithBody(map[string]string{"Content-MD5": sent})
}

// checksumHeader gives the algorithm of a header's name.
func checksumHeader(name string) (alg string, ok bool) {
	if len(name) < len(checksumPrefix) || !strings.EqualFold(name[:len(checksumPrefix)], checksumPrefix) {
		return "", false // as nearly all headers
	}
	rest := strings.ToLower(name[len(checksumPrefix):])
	if rest == "algorithm" || rest == "type" || rest == "mode" {
		return "", false
	}
	return strings.ToUpper(rest), true
}

// Digester sums a body while it passes through.
type Digester struct {
	md5    hash.Hash
	hashes map[string]hash.Hash
	w      io.Writer
}

// NewDigester sums by MD5 and the given algorithms; unknown ones are ignored.
func NewDigester(algs ...string) *Digester {
	d := &Digester{md5: md5.New(), hashes: map[string]hash.Hash{}}
	writers := []io.Writer{d.md5}
	for _, alg := range algs {
		if d.hashes[alg] != nil {
			continue
		}
		if h := New(alg); h != nil {
			d.hashes[alg] = h
			writers = append(writers, h)
		}
	}
	d.w = io.MultiWriter(writers...)
	return d
}

// Write implements io.Writer.
func (d *Digester) Write(p []byte) (int, error) { return d.w.Write(p) }

// ETag is the MD5 in hexadecimal.
func (d *Digester) ETag() string { return hex.EncodeToString(d.md5.Sum(nil)) }

// Sums are the checksums by algorithm.
func (d *Digester) Sums() Values {
	out := Values{}
	for alg, h := range d.hashes {
		out[alg] = base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return out
}

// Check compares what was summed with what the client said (B4).
func (d *Digester) Check(e Expectation, trailer func(string) string) error {
	if e.MD5 != "" && base64.StdEncoding.EncodeToString(d.md5.Sum(nil)) != e.MD5 {
		want, _ := base64.StdEncoding.DecodeString(e.MD5)
		return fault.New("BadDigest", http.StatusBadRequest, "The Content-MD5 you specified did not match what we received.").
			WithBody(map[string]string{"ExpectedDigest": hex.EncodeToString(want), "CalculatedDigest": base64.StdEncoding.EncodeToString(d.md5.Sum(nil))})
	}
	got := d.Sums()
	for alg, want := range e.Sums {
		if got[alg] != want {
			return fault.New("BadDigest", http.StatusBadRequest, "The %s you specified did not match the calculated checksum.", alg)
		}
	}
	for _, alg := range e.Trailers {
		want := ""
		if trailer != nil {
			want = trailer(checksumPrefix + strings.ToLower(alg))
		}
		if raw, err := base64.StdEncoding.DecodeString(want); err != nil || len(raw) != New(alg).Size() {
			return fault.New("InvalidRequest", http.StatusBadRequest, "Value for %s%s trailing header is invalid.", checksumPrefix, strings.ToLower(alg))
		}
		if got[alg] != want {
			return fault.New("BadDigest", http.StatusBadRequest, "The %s you specified did not match the calculated checksum.", alg)
		}
	}
	return nil
}

// Algorithms are those that the client announced a checksum of.
func (e Expectation) Algorithms() []string {
	out := append([]string(nil), e.Trailers...)
	for alg := range e.Sums {
		out = append(out, alg)
	}
	return out
}

// Joins reports whether the checksum of a whole can be had from those of its
// parts: only CRCs can.
func Joins(alg string) bool { return alg == CRC32 || alg == CRC32C || alg == CRC64NVME }

// OfParts is the checksum of the checksums of an upload's parts.
func OfParts(alg string, parts []string) (string, bool) {
	h := New(alg)
	if h == nil {
		return "", false
	}
	for _, p := range parts {
		b, err := base64.StdEncoding.DecodeString(p)
		if err != nil || len(b) != h.Size() {
			return "", false
		}
		h.Write(b)
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), true
}

// Combine joins the CRCs of consecutive parts into that of the whole. Only
// CRCs can be joined; ok is false for other algorithms.
func Combine(alg string, sums []string, sizes []int64) (string, bool) {
	var poly uint64
	bits := 32
	switch alg {
	case CRC32:
		poly = crc32.IEEE
	case CRC32C:
		poly = crc32.Castagnoli
	case CRC64NVME:
		poly, bits = 0x9a6c9329ac4bc9b5, 64
	default:
		return "", false
	}
	total := uint64(0)
	for i, s := range sums {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(b) != bits/8 {
			return "", false
		}
		var v uint64
		for _, x := range b {
			v = v<<8 | uint64(x)
		}
		total = combineCRC(poly, bits, total, v, sizes[i])
	}
	var out [8]byte
	binary.BigEndian.PutUint64(out[:], total)
	return base64.StdEncoding.EncodeToString(out[8-bits/8:]), true
}

// combineCRC gives the CRC of A+B from those of A and B and B's length. A
// reflected CRC over zero bytes is a linear map of its register, a matrix over
// GF(2): squared log2(length) times, it appends all of B's zeros to A.
func combineCRC(poly uint64, bits int, a, b uint64, lengthB int64) uint64 {
	if lengthB == 0 {
		return a
	}
	odd := make([]uint64, bits) // appends one zero bit
	odd[0] = poly
	for i := 1; i < bits; i++ {
		odd[i] = 1 << (i - 1)
	}
	even := square(odd) // two zero bits
	odd = square(even)  // four
	for n := lengthB; ; {
		even = square(odd) // one zero byte, four, …
		if n&1 != 0 {
			a = times(even, a)
		}
		if n >>= 1; n == 0 {
			break
		}
		odd = square(even)
		if n&1 != 0 {
			a = times(odd, a)
		}
		if n >>= 1; n == 0 {
			break
		}
	}
	return a ^ b
}

func times(m []uint64, v uint64) uint64 {
	sum := uint64(0)
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func square(m []uint64) []uint64 {
	out := make([]uint64, len(m))
	for i := range m {
		out[i] = times(m, m[i])
	}
	return out
}
