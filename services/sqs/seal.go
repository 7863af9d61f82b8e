package sqs

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/sqs/message"
	"moln.dev/moln/services/sqs/queue"
	"moln.dev/moln/services/sqs/store"
)

var errPayload = errors.New("sqs: a message cannot be read")

// pack makes the payload of a message: the attributes with their length, and the
// body, encrypted as the queue says.
func (s *Service) pack(ctx context.Context, c *service.Call, q *queue.Queue, d *draft) error {
	var attributes []byte
	if len(d.attributes) > 0 {
		var err error
		if attributes, err = json.Marshal(d.attributes); err != nil {
			return err
		}
	}
	plain := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+len(attributes)+len(d.body)), uint64(len(attributes)))
	plain = append(append(plain, attributes...), d.body...)
	switch {
	case q.KeyID != "":
		d.Sealing = d.Place.MessageID()
		sealed, err := s.encrypt(ctx, c, q, &d.Message, plain)
		if err != nil {
			return err
		}
		plain = sealed
	case q.Sealed:
		d.Sealed, d.Sealing = true, d.Place.MessageID()
		plain = s.deps.Seal.Seal(purpose(&d.Message), plain)
	}
	d.Payload = plain
	return nil
}

// purpose is what a message is sealed for: to be itself, in whatever queue.
func purpose(m *store.Message) string { return "sqs/message/" + m.Sealing }

// unpack reads a message.
func (s *Service) unpack(ctx context.Context, c *service.Call, q *queue.Queue, m *store.Message) (body string, attributes message.Attributes, err error) {
	plain := m.Payload
	switch {
	case m.Wrapped != nil:
		plain, err = s.decrypt(ctx, c, q, m)
	case m.Sealed:
		plain, err = s.deps.Seal.Open(purpose(m), plain)
	}
	if err != nil {
		return "", nil, err
	}
	size, n := binary.Uvarint(plain)
	if n <= 0 || size > uint64(len(plain)-n) {
		return "", nil, errPayload
	}
	rest := plain[n:]
	if size > 0 {
		err = json.Unmarshal(rest[:size], &attributes)
	}
	return string(rest[size:]), attributes, err
}
