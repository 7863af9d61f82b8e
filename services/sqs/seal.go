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
func (s *Service) pack(_ context.Context, _ *service.Call, q *queue.Queue, d *draft) error {
	var attributes []byte
	if len(d.attributes) > 0 {
		var err error
		if attributes, err = json.Marshal(d.attributes); err != nil {
			return err
		}
	}
	plain := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+len(attributes)+len(d.body)), uint64(len(attributes)))
	plain = append(append(plain, attributes...), d.body...)
	if d.Sealed = q.Sealed; d.Sealed {
		plain = s.deps.Seal.Seal(purpose(d.Place), plain)
	}
	d.Payload = plain
	return nil
}

// purpose is what a message is sealed for: to be itself, in whatever queue.
func purpose(p message.Place) string { return "sqs/message/" + string(p.ID[:]) }

// unpack reads a message.
func (s *Service) unpack(_ context.Context, _ *service.Call, _ *queue.Queue, m *store.Message) (body string, attributes message.Attributes, err error) {
	plain := m.Payload
	if m.Sealed {
		if plain, err = s.deps.Seal.Open(purpose(m.Place), plain); err != nil {
			return "", nil, err
		}
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
