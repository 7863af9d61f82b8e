package store

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"moln.dev/moln/engine/seal"
)

const dataKeyBytes = 32

// newDataKey makes the key of one body, and its sealed form; two keys where the
// body is encrypted twice. The first is wrapped under the outer key, if any.
func (s *Store) newDataKey(id string, p Protection) (key, sealed []byte, err error) {
	key = s.ids.Bytes(dataKeyBytes)
	kept := key
	if p.Outer != nil {
		if kept, err = wrap(p.Outer, s.ids.Bytes(wrapNonceBytes), key, id); err != nil {
			return nil, nil, err
		}
	}
	if p.Dual {
		second := s.ids.Bytes(dataKeyBytes)
		key, kept = append(key, second...), append(kept, second...)
	}
	return key, s.seal.Seal(dataKeyPurpose+id, kept), nil
}

const dataKeyPurpose = "s3/data-key/"

func (s *Store) openDataKey(b Body) ([]byte, error) {
	kept, err := s.seal.Open(dataKeyPurpose+b.ID, b.DataKey)
	switch {
	case err != nil:
		return nil, err
	case !b.Locked:
		return kept, nil
	case len(kept) < wrappedBytes:
		return nil, seal.ErrMalformed
	}
	key, err := unwrap(b.outer, kept[:wrappedBytes], b.ID)
	if err != nil {
		return nil, err
	}
	return append(key, kept[wrappedBytes:]...), nil
}

// keystream is AES-256 in counter mode from an offset, once for each key. The
// counter begins at zero: a data key encrypts one body only.
func keystream(keys []byte, offset int64) (cipher.Stream, error) {
	var streams layers
	for ; len(keys) > 0; keys = keys[dataKeyBytes:] {
		stream, err := counter(keys[:dataKeyBytes], offset)
		if err != nil {
			return nil, err
		}
		streams = append(streams, stream)
	}
	if len(streams) == 1 {
		return streams[0], nil
	}
	return streams, nil
}

func counter(key []byte, offset int64) (cipher.Stream, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(offset/aes.BlockSize))
	stream := cipher.NewCTR(block, counter[:])
	if skip := offset % aes.BlockSize; skip > 0 {
		var drop [aes.BlockSize]byte
		stream.XORKeyStream(drop[:skip], drop[:skip])
	}
	return stream, nil
}
