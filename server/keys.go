package server

import (
	"errors"
	"os"
	"path/filepath"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
)

// Lengths of generated keys: AWS's own for the access key and secret.
const (
	accessKeyRandom = 16
	secretKeyLength = 40
	adminTokenBytes = 24
)

// OpenAdminToken loads the admin token from dir, or makes it there: a file of
// mode 0600 that the operator reads. Each node has its own.
func OpenAdminToken(dir string) (string, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "admin-token")
	token, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		made := MakeAdminToken()
		return made, writeFile(file, []byte(made), 0o600)
	}
	return string(token), err
}

// MakeAdminToken makes a token that nothing keeps.
func MakeAdminToken() string { return ident.New(nil, clock.System()).Hex(adminTokenBytes) }
