package seal

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A key file holds one key a line, oldest first: keyPrefix and the key in
// base64. Lines that begin with # say what the file is.
const (
	keyPrefix = "moln-key-1 "
	fileIntro = "# moln key-encryption keys, oldest first. Without this file every sealed secret is lost.\n"

	fileModeWanted   = 0o600
	fileModeTooWide  = 0o077
	keyFileBytesMax  = 16 << 10
	temporaryPattern = ".seal-*"
)

// ErrFileMode: the key file can be read or written by others than its owner.
var ErrFileMode = errors.New("seal: key file is open to others")

// NewKey draws a key for New.
func NewKey() []byte {
	key := make([]byte, KeyBytes)
	_, _ = rand.Read(key) // never fails: see Seal
	return key
}

// Open reads the key file at path. It is refused with ErrFileMode when anyone
// but its owner may read it; when it is missing the error matches
// fs.ErrNotExist.
func Open(path string) (*Sealer, error) {
	keys, err := readKeys(path)
	if err != nil {
		return nil, err
	}
	return New(keys...)
}

// Parse reads the text of a key file that came another way. The error matches
// ErrKey and quotes nothing of it.
func Parse(text []byte) (*Sealer, error) {
	keys, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	return New(keys...)
}

// OpenOrCreate is Open for a first start: when there is no key file it makes
// one with one new key, durable before it returns. Two processes that start at
// once end with the same key. Do not call it on a data directory that already
// holds sealed values: a lost key file must be noticed, not replaced.
func OpenOrCreate(path string) (*Sealer, error) {
	s, err := Open(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	// A link fails where a rename would overwrite: the first process wins.
	err = writeKeys(path, [][]byte{NewKey()}, os.Link)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return Open(path)
}

// Rotate adds a new newest key to the file at path and returns a Sealer over
// all its keys. Sealers opened earlier go on with the keys they know and cannot
// open what the new key seals: restart them, or rotate while nothing runs.
func Rotate(path string) (*Sealer, error) {
	keys, err := readKeys(path)
	if err != nil {
		return nil, err
	}
	keys = append(keys, NewKey())
	s, err := New(keys...)
	if err != nil {
		return nil, err
	}
	if err := writeKeys(path, keys, os.Rename); err != nil {
		return nil, err
	}
	return s, nil
}

func readKeys(path string) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seal: open key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("seal: stat key file: %w", err)
	}
	if info.Mode().Perm()&fileModeTooWide != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o, want %04o", ErrFileMode, path, info.Mode().Perm(), fileModeWanted)
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("seal: read key file: %w", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, path)
	}
	return keys, nil
}

// parseKeys reads a key file's text. Its errors never quote a line: it may be
// a key with one wrong character.
func parseKeys(text []byte) ([][]byte, error) {
	if len(text) > keyFileBytesMax {
		return nil, fmt.Errorf("%w: key file longer than %d bytes", ErrKey, keyFileBytesMax)
	}
	var keys [][]byte
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		encoded, ok := strings.CutPrefix(line, keyPrefix)
		if !ok {
			return nil, fmt.Errorf("%w: line %d is no key", ErrKey, n)
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) != KeyBytes {
			return nil, fmt.Errorf("%w: line %d is no key of %d bytes", ErrKey, n, KeyBytes)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if len(keys) == 0 || len(keys) > KeysMax {
		return nil, fmt.Errorf("%w: %d keys, want 1 to %d", ErrKey, len(keys), KeysMax)
	}
	return keys, nil
}

func formatKeys(keys [][]byte) []byte {
	text := []byte(fileIntro)
	for _, key := range keys {
		text = append(text, keyPrefix...)
		text = base64.StdEncoding.AppendEncode(text, key)
		text = append(text, '\n')
	}
	return text
}

// writeKeys makes the file whole beside its place and then puts it there by
// place, which is os.Link or os.Rename; file and directory are synced.
func writeKeys(path string, keys [][]byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporaryPattern) // mode 0600
	if err != nil {
		return fmt.Errorf("seal: create key file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(formatKeys(keys))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = place(f.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("seal: write key file: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
