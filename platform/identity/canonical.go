package identity

import (
	"crypto/sha256"
	"encoding/hex"
)

// CanonicalID is the canonical user id of an account, which S3 names owners and
// grantees by; empty for callers without an account.
func CanonicalID(account string) string {
	if account == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("canonical user of account " + account))
	return hex.EncodeToString(sum[:])
}
