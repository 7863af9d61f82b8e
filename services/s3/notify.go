package s3

import (
	"moln.dev/moln/engine/kv"
	"moln.dev/moln/platform/service"
)

// change is what happened to an object.
type change struct {
	event  string // "ObjectCreated:Put"
	object *object
}

// notify queues the events of a change in its transaction (B3).
func (s *Service) notify(tx *kv.Tx, c *service.Call, b *bucket, ch change) error {
	return nil
}
