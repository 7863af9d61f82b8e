package store

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
)

const dataKeyBytes = 32

// newDataKey makes the key of one body, and its sealed form.
func (s *Store) newDataKey(id string) (key, sealed []byte) {
	key = s.ids.Bytes(dataKeyBytes)
	return key, s.seal.Seal(dataKeyPurpose+id, key)
}

const dataKeyPurpose = "s3/data-key/"

func (s *Store) openDataKey(id string, sealed []byte) ([]byte, error) {
	return s.seal.Open(dataKeyPurpose+id, sealed)
}

// keystream is AES-256 in counter mode from an offset. The counter begins at
// zero: a data key encrypts one body only.
func keystream(key []byte, offset int64) (cipher.Stream, error) {
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

// decrypter decrypts what it reads; Close closes the source.
type decrypter struct {
	cipher.StreamReader
	io.Closer
}
