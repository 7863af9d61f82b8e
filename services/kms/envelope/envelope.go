// Package envelope is the form of a symmetric ciphertext: it names the key that
// made it, so that Decrypt needs no key id, and is bound to its encryption
// context.
//
//	magic 5 | account 6 | key UUID 16 | generation 4 | salt 32 | ciphertext, tag
//
// Every ciphertext has a key and a nonce of its own, derived by HKDF-SHA256 from
// the key's material and the salt, so that no number of messages wears a key
// out. The cipher is AES-256-GCM; the header and the context in a canonical form
// are its associated data. It knows no keys: who holds the material decides.
package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Sizes of the parts.
const (
	MaterialBytes = 32
	SaltBytes     = 32

	accountBytes = 6
	uuidBytes    = 16
	saltAt       = len(magic) + accountBytes + uuidBytes + 4
	headerBytes  = saltAt + SaltBytes
	tagBytes     = 16
	nonceBytes   = 12
)

// magic begins ciphertexts as at AWS: tools know them by their base64's "AQIC".
const magic = "\x01\x02\x02\x00\x78"

// magicMulti is that of multi-region keys, whose ids are UUIDs in another form.
const (
	magicMulti = "\x01\x02\x02\x00\x79"
	mrkPrefix  = "mrk-"
)

const info = "moln/kms/1"

// Why a ciphertext does not open.
var (
	ErrMalformed    = errors.New("envelope: not a ciphertext")
	ErrNotAuthentic = errors.New("envelope: altered, or of another context")
)

// Header says which material a ciphertext needs.
type Header struct {
	Account    string
	KeyID      string // a UUID
	Generation uint32 // which of the key's materials, from 0
}

// Seal encrypts plaintext under a material of MaterialBytes. salt is SaltBytes
// of fresh randomness. The account is 12 digits and the key id a UUID.
func Seal(h Header, material, salt []byte, context map[string]string, plaintext []byte) ([]byte, error) {
	account, err := strconv.ParseUint(h.Account, 10, 8*accountBytes)
	if err != nil || len(salt) != SaltBytes {
		return nil, ErrMalformed
	}
	begin, uuid := magic, h.KeyID
	if strings.HasPrefix(uuid, mrkPrefix) {
		begin, uuid = magicMulti, uuid[len(mrkPrefix):]
	}
	id, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(id) != uuidBytes {
		return nil, ErrMalformed
	}
	out := append(make([]byte, 0, headerBytes+len(plaintext)+tagBytes), begin...)
	out = append(out, binary.BigEndian.AppendUint64(nil, account)[8-accountBytes:]...)
	out = append(out, id...)
	out = binary.BigEndian.AppendUint32(out, h.Generation)
	out = append(out, salt...)
	aead, nonce, err := derive(material, salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, nonce, plaintext, associated(out, context)), nil
}

// Parse reads a ciphertext's header. Its error is ErrMalformed.
func Parse(blob []byte) (Header, error) {
	if len(blob) < headerBytes+tagBytes {
		return Header{}, ErrMalformed
	}
	begin := string(blob[:len(magic)])
	if begin != magic && begin != magicMulti {
		return Header{}, ErrMalformed
	}
	at := len(magic)
	var account [8]byte
	copy(account[8-accountBytes:], blob[at:])
	n := binary.BigEndian.Uint64(account[:])
	if n > 999_999_999_999 {
		return Header{}, ErrMalformed
	}
	digits := strconv.FormatUint(n, 10)
	at += accountBytes
	id := hex.EncodeToString(blob[at : at+uuidBytes])
	if begin == magicMulti {
		id = mrkPrefix + id
	} else {
		id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	}
	return Header{
		Account: strings.Repeat("0", 12-len(digits)) + digits, KeyID: id,
		Generation: binary.BigEndian.Uint32(blob[at+uuidBytes:]),
	}, nil
}

// Open decrypts a ciphertext with the material that its header names. Its errors
// are ErrMalformed and ErrNotAuthentic.
func Open(blob, material []byte, context map[string]string) ([]byte, error) {
	if _, err := Parse(blob); err != nil {
		return nil, err
	}
	aead, nonce, err := derive(material, blob[saltAt:headerBytes])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, blob[headerBytes:], associated(blob[:headerBytes], context))
	if err != nil {
		return nil, ErrNotAuthentic
	}
	return plain, nil
}

func derive(material, salt []byte) (cipher.AEAD, []byte, error) {
	if len(material) != MaterialBytes {
		return nil, nil, ErrMalformed
	}
	key, err := hkdf.Key(sha256.New, material, salt, info, MaterialBytes+nonceBytes)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key[:MaterialBytes])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, key[MaterialBytes:], err
}

// associated is the header and the context's pairs in the order of their keys,
// each with its length before it: no two contexts have the same form.
func associated(header []byte, context map[string]string) []byte {
	out := slices.Clone(header[:headerBytes])
	for _, k := range slices.Sorted(maps.Keys(context)) {
		for _, s := range []string{k, context[k]} {
			out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
			out = append(out, s...)
		}
	}
	return out
}
