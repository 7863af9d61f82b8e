package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"moln.dev/moln/engine/clock"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/engine/seal"
)

// Keys are the root credentials and the admin token of a served moln.
type Keys struct {
	Access, Secret, AdminToken string
	// New is set when the root key was made just now.
	New bool
}

// Lengths of generated keys: AWS's own for the access key and secret.
const (
	accessKeyRandom = 16
	secretKeyLength = 40
	adminTokenBytes = 24
)

// OpenKeys loads the root key and the admin token from dir, making what is not
// there. The root key is sealed at rest; the admin token is a file of mode 0600
// that the operator reads. A given access and secret key win over stored ones.
func OpenKeys(dir, access, secret string) (Keys, error) {
	sealer, err := seal.OpenOrCreate(filepath.Join(dir, "seal.key"))
	if err != nil {
		return Keys{}, err
	}
	ids := ident.New(nil, clock.System())
	k := Keys{Access: access, Secret: secret}
	if (access == "") != (secret == "") {
		return Keys{}, errors.New("give both --access-key and --secret-key, or neither")
	}
	if access == "" {
		if err := k.loadRoot(filepath.Join(dir, "root.key"), sealer, ids); err != nil {
			return Keys{}, err
		}
	}
	return k, k.loadToken(filepath.Join(dir, "admin-token"), ids)
}

func (k *Keys) loadRoot(file string, sealer *seal.Sealer, ids *ident.Source) error {
	sealed, err := os.ReadFile(file)
	if err == nil {
		plain, err := sealer.Open("server/root", sealed)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return json.Unmarshal(plain, k)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	k.Access, k.Secret = "AKIA"+ids.Upper32(accessKeyRandom), ids.Alnum(secretKeyLength)
	plain, err := json.Marshal(Keys{Access: k.Access, Secret: k.Secret})
	if err != nil {
		return err
	}
	k.New = true
	return os.WriteFile(file, sealer.Seal("server/root", plain), 0o600)
}

func (k *Keys) loadToken(file string, ids *ident.Source) error {
	token, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		k.AdminToken = ids.Hex(adminTokenBytes)
		return os.WriteFile(file, []byte(k.AdminToken), 0o600)
	}
	k.AdminToken = string(token)
	return err
}
