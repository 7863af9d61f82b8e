package sigv4

import "crypto/subtle"

// Text is a signature that was made over a text itself, as upload forms carry
// one over their policy.
type Text struct {
	Date, Region, Service string // of the credential's scope
	Text, Signature       string
}

// Verify checks that secret made the signature. Its error is an *Error. keys may
// be nil.
func (t Text) Verify(secret string, keys *KeyCache) error {
	key := keys.signingKey(scope{secret: secret, date: t.Date, region: t.Region, service: t.Service})
	if subtle.ConstantTimeCompare([]byte(signHex(key, t.Text)), []byte(t.Signature)) != 1 {
		return mismatch()
	}
	return nil
}

// SignText gives the signature that Verify accepts.
func SignText(secret, date, region, service, text string) string {
	return signHex(deriveKey(scope{secret: secret, date: date, region: region, service: service}), text)
}
