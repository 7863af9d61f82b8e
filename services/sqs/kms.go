package sqs

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"strings"
	"sync"
	"time"

	kms "moln.dev/moln/api/kms"
	api "moln.dev/moln/api/sqs"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

// dataKey is a data key of KMS, and until when it serves without asking again.
type dataKey struct {
	plain, wrapped []byte
	arn            string
	until          time.Time
}

// dataKeysMax bounds how many are remembered.
const dataKeysMax = 1024

// dataKeys remembers data keys: KMS judges each requester, so each has his own.
// Safe for concurrent use.
type dataKeys struct {
	mu   sync.Mutex
	kept map[string]dataKey
}

func (d *dataKeys) get(name string, now time.Time) (dataKey, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.kept[name]
	return k, ok && now.Before(k.until)
}

func (d *dataKeys) put(name string, k dataKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept == nil || len(d.kept) >= dataKeysMax {
		d.kept = map[string]dataKey{}
	}
	d.kept[name] = k
}

// keyName tells what one requester has from KMS from what another has.
func keyName(c *service.Call, parts ...string) string {
	p := &c.Caller
	who := []string{p.ARN, p.AccessKeyID, p.Service, p.SourceARN, p.Issued.String()}
	return strings.Join(append(append(who, p.SessionPolicies...), parts...), "\x00")
}

// contextKey names the queue to KMS
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html).
const contextKey = "aws:sqs:arn"

// encrypt encrypts a message under a data key of the queue's key.
func (s *Service) encrypt(ctx context.Context, c *service.Call, q *queue.Queue, m *store.Message, plain []byte) ([]byte, error) {
	name := keyName(c, "generate", q.ID, q.KeyID)
	k, ok := s.keys.get(name, c.Now)
	if !ok {
		out, err := service.Invoke(ctx, inRegion(c, q), kms.GenerateDataKey, &kms.GenerateDataKeyInput{
			KeyId: &q.KeyID, KeySpec: new(kms.DataKeySpecAes256), EncryptionContext: map[string]string{contextKey: q.ARN()},
		})
		if err != nil {
			return nil, kmsFault(err)
		}
		k = dataKey{out.Plaintext, out.CiphertextBlob, *out.KeyId, c.Now.Add(q.KeyReuse)}
		s.keys.put(name, k)
	}
	m.Wrapped, m.KeyARN, m.KeyFor = k.wrapped, k.arn, q.ARN()
	aead, err := cipherOf(k.plain)
	if err != nil {
		return nil, err
	}
	nonce := s.deps.Ident.Bytes(aead.NonceSize())
	return aead.Seal(nonce, nonce, plain, []byte(purpose(m))), nil
}

// decrypt decrypts a message for its receiver, who must be allowed to use the key.
func (s *Service) decrypt(ctx context.Context, c *service.Call, q *queue.Queue, m *store.Message) ([]byte, error) {
	name := keyName(c, "decrypt", q.ID, string(m.Wrapped))
	k, ok := s.keys.get(name, c.Now)
	if !ok {
		out, err := service.Invoke(ctx, inRegion(c, q), kms.Decrypt, &kms.DecryptInput{
			CiphertextBlob: m.Wrapped, KeyId: &m.KeyARN, EncryptionContext: map[string]string{contextKey: m.KeyFor},
		})
		if err != nil {
			return nil, kmsFault(err)
		}
		k = dataKey{plain: out.Plaintext, until: c.Now.Add(q.KeyReuse)}
		s.keys.put(name, k)
	}
	aead, err := cipherOf(k.plain)
	if err != nil {
		return nil, err
	}
	if len(m.Payload) < aead.NonceSize() {
		return nil, errPayload
	}
	return aead.Open(nil, m.Payload[:aead.NonceSize()], m.Payload[aead.NonceSize():], []byte(purpose(m)))
}

func cipherOf(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// inRegion is the call in the queue's region.
func inRegion(c *service.Call, q *queue.Queue) *service.Call {
	d := *c
	d.Region = q.Region
	return &d
}

// kmsFault is a fault of KMS as SQS tells it.
func kmsFault(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	switch f.Code {
	case "NotFoundException":
		return api.ErrKmsNotFound("%s", f.Message)
	case "DisabledException":
		return api.ErrKmsDisabled("%s", f.Message)
	case "KMSInvalidStateException":
		return api.ErrKmsInvalidState("%s", f.Message)
	case "InvalidKeyUsageException":
		return api.ErrKmsInvalidKeyUsage("%s", f.Message)
	case "AccessDeniedException":
		d := api.ErrKmsAccessDenied("%s", f.Message)
		d.Why = f.Why
		return d
	}
	return err
}
