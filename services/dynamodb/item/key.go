package item

import (
	"crypto/sha256"

	"moln.dev/moln/engine/kv/tuple"
)

// Digest stands for a key value where its order does not matter.
type Digest [16]byte

// AppendKey appends a scalar value so that the order of bytes is its order.
func AppendKey(dst []byte, v Value) []byte {
	switch v.Kind {
	case String:
		return tuple.AppendString(dst, v.Text)
	case Binary:
		return tuple.AppendBytes(dst, []byte(v.Text))
	case Number:
		return appendNumber(dst, v.Text)
	}
	panic("item: not a key value: " + v.Kind.String())
}

func appendNumber(dst []byte, text string) []byte {
	d, _ := scanDecimal(text)
	out, err := tuple.AppendNumber(dst, d.Negative, d.Digits, int64(d.Exp-len(d.Digits)+1))
	if err != nil {
		panic("item: number is not canonical: " + text)
	}
	return out
}

// AppendKeyPrefix appends what all values that begin with v begin with.
func AppendKeyPrefix(dst []byte, v Value) []byte {
	if v.Kind == Binary {
		return tuple.AppendBytesPrefix(dst, []byte(v.Text))
	}
	return tuple.AppendStringPrefix(dst, v.Text)
}

// Hash digests one or several key values.
func Hash(values ...Value) (d Digest) {
	var room [128]byte
	buf := room[:0]
	for _, v := range values {
		buf = AppendKey(buf, v)
	}
	sum := sha256.Sum256(buf)
	copy(d[:], sum[:])
	return d
}
