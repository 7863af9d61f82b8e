package cognitoidp

import (
	"crypto/subtle"

	api "moln.dev/moln/api/cognitoidp"
	"moln.dev/moln/services/cognitoidp/settings"
)

// Lengths of what is generated, and limits of what is counted.
const (
	deletionProtectionOn     = "ACTIVE"
	describedUsersMax        = 10_000 // EstimatedNumberOfUsers counts no further
	poolNameSuffixCharacters = 9
	clientIDCharacters       = 26
	clientSecretCharacters   = 51
)

// pool and client are what is stored of a pool and an app client.
type (
	pool   = settings.Pool
	client = settings.Client
)

func purposeClientSecret(id string) string { return "cognitoidp/client-secret/" + id }

// clientSecret opens a client's secret; "" for a public client.
func (s *Service) clientSecret(c *client) (string, error) {
	if c.Secret == nil {
		return "", nil
	}
	raw, err := s.d.Seal.Open(purposeClientSecret(c.ID()), c.Secret)
	return string(raw), err
}

// checkSecretHash demands SECRET_HASH of clients with a secret. names are the
// names under which the user may be known to the client.
func (s *Service) checkSecretHash(c *client, given string, names ...string) error {
	secret, err := s.clientSecret(c)
	if err != nil {
		return err
	}
	if secret == "" {
		if given != "" {
			return api.ErrNotAuthorizedException("Client %s is not configured for secret but secret hash was received", c.ID())
		}
		return nil
	}
	if given == "" {
		return api.ErrNotAuthorizedException("Client %s is configured with secret but SECRET_HASH was not received", c.ID())
	}
	for _, name := range names {
		if subtle.ConstantTimeCompare([]byte(secretHash(secret, name, c.ID())), []byte(given)) == 1 {
			return nil
		}
	}
	return api.ErrNotAuthorizedException("Unable to verify secret hash for client %s", c.ID())
}

func ptr[T any](v T) *T { return &v }

func keep[T any](field **T, given *T) {
	if given != nil {
		*field = given
	}
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
