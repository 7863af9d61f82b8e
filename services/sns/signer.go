package sns

import (
	"context"
	"errors"
	"strings"

	"moln.dev/moln/engine/kv"
	"moln.dev/moln/services/sns/envelope"
)

// signing is the key of all messages, as it is stored.
type signing struct {
	Sealed      []byte // the private key
	Certificate []byte
}

const signingPurpose = "sns/signing-key"

// serialBytes is the length of the certificate's serial number.
const serialBytes = 16

// signer gives the key that messages are signed with; the first that needs it
// makes it. There is one for all regions of a moln.
func (s *Service) signer(ctx context.Context) (*envelope.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	have, err := get[signing](ctx, s.store.db, signingKey)
	if errors.Is(err, errAbsent) {
		have, err = s.makeSigner(ctx)
	}
	if err != nil {
		return nil, err
	}
	private, err := s.deps.Seal.Open(signingPurpose, have.Sealed)
	if err != nil {
		return nil, err
	}
	s.key, err = envelope.OpenKey(private, have.Certificate)
	return s.key, err
}

// makeSigner stores a new key, unless another node was faster.
func (s *Service) makeSigner(ctx context.Context) (*signing, error) {
	private, certificate, err := envelope.NewKey(s.deps.Ident.Bytes(serialBytes), s.deps.Clock.Now())
	if err != nil {
		return nil, err
	}
	mine := &signing{Sealed: s.deps.Seal.Seal(signingPurpose, private), Certificate: certificate}
	out := mine
	err = s.store.db.Update(ctx, func(tx *kv.Tx) error {
		have, err := read[signing](tx, signingKey)
		if err == nil {
			out = have
			return nil
		}
		if !errors.Is(err, errAbsent) {
			return err
		}
		out = mine
		return tx.Put(signingKey, encode(mine))
	}, signingKey)
	return out, err
}

// The path of the certificate: AWS's, with another id.
const (
	certificatePrefix = "/SimpleNotificationService-"
	certificateSuffix = ".pem"
)

func certificatePath(id string) string { return certificatePrefix + id + certificateSuffix }

func isCertificatePath(path string) bool {
	return strings.HasPrefix(path, certificatePrefix) && strings.HasSuffix(path, certificateSuffix)
}
