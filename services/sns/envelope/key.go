package envelope

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"time"
)

// keyBits is the size of AWS's own signing keys.
const keyBits = 2048

// certificateYears is how long a signing certificate is good: it is never renewed,
// so that messages of the past can be verified.
const certificateYears = 30

// Key signs messages.
type Key struct {
	private *rsa.PrivateKey
	pem     []byte
	id      string
}

// NewKey makes a key with a certificate of its own, valid from now on. It does not
// draw from ident: crypto/rsa takes its randomness from the system only.
func NewKey(serial []byte, now time.Time) (private, certificate []byte, err error) {
	k, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(certificateYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	certificate, err = x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		return nil, nil, err
	}
	private, err = x509.MarshalPKCS8PrivateKey(k)
	return private, certificate, err
}

// OpenKey reads what NewKey made.
func OpenKey(private, certificate []byte) (*Key, error) {
	k, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("envelope: the signing key is not RSA")
	}
	sum := sha256.Sum256(certificate)
	return &Key{
		private: r, id: hex.EncodeToString(sum[:16]),
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
	}, nil
}

// ID is the part of the certificate's name that tells it from others.
func (k *Key) ID() string { return k.id }

// Certificate is the certificate, as PEM.
func (k *Key) Certificate() []byte { return k.pem }

// Sign signs a message in the version that it names.
func (k *Key) Sign(m *Message) error {
	text := m.toSign()
	var hash crypto.Hash
	var digest []byte
	switch m.Version {
	case "1":
		sum := sha1.Sum([]byte(text)) // what the version is
		hash, digest = crypto.SHA1, sum[:]
	case "2":
		sum := sha256.Sum256([]byte(text))
		hash, digest = crypto.SHA256, sum[:]
	default:
		return errors.New("envelope: no signature of version " + m.Version)
	}
	signature, err := rsa.SignPKCS1v15(nil, k.private, hash, digest)
	m.Signature = base64.StdEncoding.EncodeToString(signature)
	return err
}
